//! A packet in the kernel's hands.
//!
//! *Does*: read headers where they lie, change them by the kernel's helpers, which keep its own notes on checksums right.
//! *Never does*: read behind what is there; the kernel checks that before it takes the program.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::{__sk_buff, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR},
    helpers::{bpf_l3_csum_replace, bpf_l4_csum_replace, bpf_skb_load_bytes, bpf_skb_store_bytes},
    programs::TcContext,
};
use patronus_ebpf_core::{Checksum, Edit, Frame, Parsed, packet};

/// `ETH_P_IP` as it lies in memory.
const IPV4: u32 = 0x0800_u16.to_be() as u32;
/// The Ethernet header before the IP header.
const ETHERNET: u32 = 14;
/// A packet that has an Ethernet header and IPv4.
pub struct Skb(*mut __sk_buff);

impl Skb {
    /// The packet of this call, if it is one of IPv4.
    #[inline(always)]
    pub fn of(context: &TcContext) -> Option<Self> {
        let skb = Self(context.skb.skb);
        // SAFETY: the context is this packet's, here and below.
        if unsafe { (*skb.0).protocol } != IPV4 {
            return None;
        }
        Some(skb)
    }

    /// The device by which it came.
    #[inline(always)]
    pub fn device(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.0).ifindex }
    }

    /// The longest IP packet that goes onto the wire for it: the kernel hands over several segments of a flow as one.
    #[inline(always)]
    pub fn largest(&self, parsed: &Parsed) -> u32 {
        let Parsed::Packet(packet) = parsed else { return 0 };
        // SAFETY: as above.
        let segment = unsafe { (*self.0).gso_size };
        if segment == 0 {
            return u32::from(packet.bytes);
        }
        let header = match packet.protocol {
            packet::TCP => u32::from(self.byte(packet::IP_BYTES + 12).unwrap_or(0) >> 4) * 4,
            _ => 8,
        };
        packet::IP_BYTES + header + segment
    }

    #[inline(always)]
    fn read<T>(&self, at: u32) -> Option<T> {
        // SAFETY: as above; what lies between `data` and `data_end` may be read, in any alignment on the machines that this is for.
        unsafe {
            let place = (*self.0).data as usize + (ETHERNET + at) as usize;
            if place + size_of::<T>() <= (*self.0).data_end as usize {
                return Some(core::ptr::read(place as *const T));
            }
        }
        self.load(at)
    }

    /// The same by the kernel's helper, for what does not lie in one piece with the headers.
    #[inline(always)]
    fn load<T>(&self, at: u32) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: as many bytes as the value has are written to it, or none.
        let said = unsafe {
            bpf_skb_load_bytes(self.0.cast(), ETHERNET + at, value.as_mut_ptr().cast(), size_of::<T>() as u32)
        };
        // SAFETY: it was written; all bit patterns are valid for what is asked here.
        (said == 0).then(|| unsafe { value.assume_init() })
    }
}

impl Frame for Skb {
    #[inline(always)]
    fn byte(&self, at: u32) -> Option<u8> {
        self.read::<u8>(at)
    }

    #[inline(always)]
    fn half(&self, at: u32) -> Option<u16> {
        self.read::<u16>(at).map(u16::from_be)
    }

    #[inline(always)]
    fn word(&self, at: u32) -> Option<u32> {
        self.read::<u32>(at).map(u32::from_be)
    }

    #[inline(always)]
    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.load(at)
    }
}

impl Edit for Skb {
    #[inline(always)]
    fn write_half(&mut self, at: u32, to: u16) {
        let bytes = to.to_be();
        // SAFETY: as many bytes as said are read from a number that lives until the call returns; so below.
        unsafe { bpf_skb_store_bytes(self.0, ETHERNET + at, (&raw const bytes).cast(), 2, 0) };
    }

    #[inline(always)]
    fn write_word(&mut self, at: u32, to: u32) {
        let bytes = to.to_be();
        // SAFETY: as above.
        unsafe { bpf_skb_store_bytes(self.0, ETHERNET + at, (&raw const bytes).cast(), 4, 0) };
    }

    #[inline(always)]
    fn mend_half(&mut self, at: u32, from: u16, to: u16, checksum: Checksum, may_be_none: bool) {
        self.mend(at, u64::from(from.to_be()), u64::from(to.to_be()), 2, checksum, may_be_none);
    }

    #[inline(always)]
    fn mend_word(&mut self, at: u32, from: u32, to: u32, checksum: Checksum, may_be_none: bool) {
        self.mend(at, u64::from(from.to_be()), u64::from(to.to_be()), 4, checksum, may_be_none);
    }
}

impl Skb {
    #[inline(always)]
    fn mend(&mut self, at: u32, from: u64, to: u64, bytes: u64, checksum: Checksum, may_be_none: bool) {
        let none = if may_be_none { u64::from(BPF_F_MARK_MANGLED_0) } else { 0 };
        // SAFETY: takes numbers; a place that is not in the packet is refused.
        unsafe {
            match checksum {
                Checksum::Ip => bpf_l3_csum_replace(self.0, ETHERNET + at, from, to, bytes),
                Checksum::Content => bpf_l4_csum_replace(self.0, ETHERNET + at, from, to, bytes | none),
                Checksum::Pseudo => {
                    bpf_l4_csum_replace(self.0, ETHERNET + at, from, to, bytes | none | u64::from(BPF_F_PSEUDO_HDR))
                }
            }
        };
    }
}
