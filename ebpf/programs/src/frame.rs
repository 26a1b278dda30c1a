//! A packet in the kernel's hands.
//!
//! *Does*: read headers where they lie, change them by the kernel's helpers, which keep its own notes on checksums right.
//! *Never does*: read behind what is there; the kernel checks that before it takes the program.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::{__sk_buff, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR},
    helpers::{bpf_l4_csum_replace, bpf_skb_load_bytes, bpf_skb_store_bytes},
    programs::TcContext,
};
use patronus_ebpf_core::{Checksum, Edit, Frame, packet};

/// `ETH_P_IP` as it lies in memory.
const IPV4: u32 = 0x0800_u16.to_be() as u32;
/// `ETH_P_IPV6`.
const IPV6: u32 = 0x86dd_u16.to_be() as u32;
/// The Ethernet header before the IP header.
pub const ETHERNET: u32 = 14;
/// What comes out of a tunnel has none.
pub const NONE: u32 = 0;

/// A packet of IP, whose header stands behind so many bytes.
pub struct Skb<const HEADER: u32>(*mut __sk_buff);

impl<const HEADER: u32> Skb<HEADER> {
    /// The packet of this call, if it is one of IPv4.
    #[inline(always)]
    pub fn of(context: &TcContext) -> Option<Self> {
        Self::with(context, IPV4)
    }

    /// The same for IPv6.
    #[inline(always)]
    pub fn of_six(context: &TcContext) -> Option<Self> {
        Self::with(context, IPV6)
    }

    #[inline(always)]
    fn with(context: &TcContext, protocol: u32) -> Option<Self> {
        let skb = Self(context.skb.skb);
        // SAFETY: the context is this packet's, here and below.
        (unsafe { (*skb.0).protocol } == protocol).then_some(skb)
    }

    /// The device by which it came.
    #[inline(always)]
    pub fn device(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.0).ifindex }
    }

    /// The packet for a helper.
    #[inline(always)]
    pub fn context(&self) -> *mut core::ffi::c_void {
        self.0.cast()
    }

    /// Whether it was sent to this box, and not to another on its wire.
    #[inline(always)]
    pub fn is_for_us(&self) -> bool {
        // SAFETY: as above. `PACKET_HOST` is 0.
        unsafe { (*self.0).pkt_type == 0 }
    }

    /// Whether it is several segments of a flow as one.
    #[inline(always)]
    pub fn is_cut_later(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.0).gso_size != 0 }
    }

    /// How many that will be on the wire; 0: it is one.
    #[inline(always)]
    pub fn segments(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.0).gso_segs }
    }

    /// The longest IP packet that goes onto the wire for it: the kernel hands over several segments of a flow as one.
    #[inline(always)]
    pub fn largest(&self, protocol: u32, bytes: u32) -> u32 {
        // SAFETY: as above.
        let segment = unsafe { (*self.0).gso_size };
        if segment == 0 {
            return bytes;
        }
        let header = match protocol {
            packet::TCP => u32::from(self.byte(packet::IP_BYTES + 12).unwrap_or(0) >> 4) * 4,
            _ => 8,
        };
        packet::IP_BYTES + header + segment
    }

    #[inline(always)]
    fn read<T>(&self, at: u32) -> Option<T> {
        // SAFETY: as above; what lies between `data` and `data_end` may be read, in any alignment on the machines that this is for.
        unsafe {
            let place = (*self.0).data as usize + (HEADER + at) as usize;
            // Two at least: of "one more is there" the compiler makes "the end is behind", of halves of pointers, which the kernel does not take.
            if place + size_of::<T>().max(2) <= (*self.0).data_end as usize {
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
        let said =
            unsafe { bpf_skb_load_bytes(self.0.cast(), HEADER + at, value.as_mut_ptr().cast(), size_of::<T>() as u32) };
        // SAFETY: it was written; all bit patterns are valid for what is asked here.
        (said == 0).then(|| unsafe { value.assume_init() })
    }
}

impl<const HEADER: u32> Frame for Skb<HEADER> {
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
    fn head(&self) -> Option<[u32; 6]> {
        // SAFETY: as in `read`.
        unsafe {
            let place = (*self.0).data as usize + HEADER as usize;
            if place + size_of::<[u32; 6]>() > (*self.0).data_end as usize {
                return None;
            }
            let place = place as *const u32;
            let word = |at| u32::from_be(place.add(at).read_unaligned());
            Some([word(0), word(1), word(2), word(3), word(4), word(5)])
        }
    }

    #[inline(always)]
    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.load(at)
    }
}

impl<const HEADER: u32> Edit for Skb<HEADER> {
    #[inline(always)]
    fn write_half(&mut self, at: u32, to: u16) {
        self.write(at, to.to_be());
    }

    #[inline(always)]
    fn write_word(&mut self, at: u32, to: u32) {
        self.write(at, to.to_be());
    }

    #[inline(always)]
    fn mend_half(&mut self, at: u32, from: u16, to: u16, checksum: Checksum, may_be_none: bool) {
        match checksum {
            Checksum::Ip => self.mend_header(at, u32::from(from), u32::from(to)),
            _ => self.mend(at, u64::from(from.to_be()), u64::from(to.to_be()), 2, checksum, may_be_none),
        }
    }

    #[inline(always)]
    fn mend_word(&mut self, at: u32, from: u32, to: u32, checksum: Checksum, may_be_none: bool) {
        match checksum {
            Checksum::Ip => self.mend_header(at, from, to),
            _ => self.mend(at, u64::from(from.to_be()), u64::from(to.to_be()), 4, checksum, may_be_none),
        }
    }
}

impl<const HEADER: u32> Skb<HEADER> {
    /// Where it lies if it lies in one piece with the headers, otherwise by the kernel's helper, which costs twenty nanoseconds. The kernel's own sum
    /// over the whole packet, if it has one, stays right: a checksum is mended with all that it is over.
    #[inline(always)]
    fn write<T>(&mut self, at: u32, bytes: T) {
        // SAFETY: the context is this packet's; what lies between `data` and `data_end` may be written, in any alignment.
        unsafe {
            let place = (*self.0).data as usize + (HEADER + at) as usize;
            if place + size_of::<T>().max(2) <= (*self.0).data_end as usize {
                core::ptr::write(place as *mut T, bytes);
                return;
            }
            // As many bytes as said are read from a number that lives until the call returns.
            bpf_skb_store_bytes(self.0, HEADER + at, (&raw const bytes).cast(), size_of::<T>() as u32, 0);
        }
    }

    /// RFC 1624 equation 3.
    #[inline(always)]
    fn mend_header(&mut self, at: u32, from: u32, to: u32) {
        let Some(before) = self.half(at) else { return };
        let halves = |word: u32| u64::from(word >> 16) + u64::from(word & 0xffff);
        let sum = u64::from(!before) + halves(!from) + halves(to);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        self.write_half(at, !(sum as u16));
    }

    #[inline(always)]
    fn mend(&mut self, at: u32, from: u64, to: u64, bytes: u64, checksum: Checksum, may_be_none: bool) {
        let none = if may_be_none { u64::from(BPF_F_MARK_MANGLED_0) } else { 0 };
        // SAFETY: takes numbers; a place that is not in the packet is refused.
        unsafe {
            match checksum {
                Checksum::Ip => 0,
                Checksum::Content => bpf_l4_csum_replace(self.0, HEADER + at, from, to, bytes | none),
                Checksum::Pseudo => {
                    bpf_l4_csum_replace(self.0, HEADER + at, from, to, bytes | none | u64::from(BPF_F_PSEUDO_HDR))
                }
            }
        };
    }
}
