//! The guard of an uplink: in its driver, or behind it.
//!
//! *Does*: show `core` the packet and the tables.

use core::cell::Cell;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action, xdp_md},
    helpers::bpf_ktime_get_coarse_ns,
    macros::map,
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, lpm_trie::Key},
    programs::{TcContext, XdpContext},
};
use patronus_ebpf_abi::{
    Lan, Reason, UPLINKS,
    guard::{Guard, LISTED, LISTS, Opening, SOURCES, Source},
    six::Lan6,
};
use patronus_ebpf_core::{
    Frame,
    guard::{Watch, let_in, let_in_six},
};

use crate::{
    frame::{ETHERNET, Skb},
    maps::{LAN, LAN6, Shared, count},
};

#[map(name = "GUARD")]
static GUARD: Array<Guard> = Array::pinned(1, 0);
/// Of each uplink's device: bits of what is not let in there.
#[map(name = "BOGONS")]
static BOGONS: HashMap<u32, u32> = HashMap::pinned(UPLINKS, 0);
/// Prefixes, with the number of their list.
#[map(name = "LISTED")]
static FOUR: LpmTrie<u32, u32> = LpmTrie::pinned(LISTED, 0);
#[map(name = "LISTED6")]
static SIX: LpmTrie<[u32; 4], u32> = LpmTrie::pinned(LISTED, 0);
/// Packets that each list has kept out.
#[map(name = "LIST_HITS")]
static HITS: PerCpuArray<u64> = PerCpuArray::pinned(LISTS, 0);
/// When a source may open the next.
#[map(name = "SOURCES")]
static DUE: LruHashMap<Source, Shared<Cell<u64>>> = LruHashMap::pinned(SOURCES, 0);
/// The same for all together.
#[map(name = "SOURCES_ALL")]
static DUE_OF_ALL: Array<Shared<Cell<u64>>> = Array::pinned(Opening::COUNT as u32, 0);

/// `ETH_P_IP` and `ETH_P_IPV6`.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// In the driver.
#[inline(always)]
pub fn xdp(context: &XdpContext) -> u32 {
    let frame = Raw(context.ctx);
    // SAFETY: the context is this packet's.
    let watch = Tables(unsafe { (*context.ctx).ingress_ifindex });
    let is_in = match frame.protocol() {
        Some(IPV4) => let_in(&frame, &watch),
        Some(IPV6) => let_in_six(&frame, &watch),
        _ => Ok(()),
    };
    if is_refused(is_in) { xdp_action::XDP_DROP } else { xdp_action::XDP_PASS }
}

/// Behind the driver; the programs behind this one are asked about what it lets in.
#[inline(always)]
pub fn tc(context: &TcContext) -> i32 {
    let is_in = if let Some(skb) = Skb::<ETHERNET>::of(context) {
        let_in(&skb, &Tables(skb.device()))
    } else if let Some(skb) = Skb::<ETHERNET>::of_six(context) {
        let_in_six(&skb, &Tables(skb.device()))
    } else {
        Ok(())
    };
    if is_refused(is_in) { TC_ACT_SHOT } else { TC_ACT_UNSPEC }
}

#[inline(always)]
fn is_refused(is_in: Result<(), Reason>) -> bool {
    if let Err(reason) = is_in {
        count(reason);
        return true;
    }
    false
}

/// A packet as the driver has it.
struct Raw(*mut xdp_md);

impl Raw {
    #[inline(always)]
    fn protocol(&self) -> Option<u16> {
        self.read::<u16>(ETHERNET - 2).map(u16::from_be)
    }

    #[inline(always)]
    fn read<T>(&self, at: u32) -> Option<T> {
        // SAFETY: the context is this packet's; what lies between `data` and `data_end` may be read, in any alignment.
        unsafe {
            let place = (*self.0).data as usize + at as usize;
            if place + size_of::<T>().max(2) <= (*self.0).data_end as usize {
                return Some(core::ptr::read_unaligned(place as *const T));
            }
        }
        None
    }
}

impl Frame for Raw {
    #[inline(always)]
    fn byte(&self, at: u32) -> Option<u8> {
        self.read::<u8>(ETHERNET + at)
    }

    #[inline(always)]
    fn half(&self, at: u32) -> Option<u16> {
        self.read::<u16>(ETHERNET + at).map(u16::from_be)
    }

    #[inline(always)]
    fn word(&self, at: u32) -> Option<u32> {
        self.read::<u32>(ETHERNET + at).map(u32::from_be)
    }

    #[inline(always)]
    fn head(&self) -> Option<[u32; 6]> {
        self.read::<[u32; 6]>(ETHERNET).map(|head| head.map(u32::from_be))
    }

    #[inline(always)]
    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.read(ETHERNET + at)
    }
}

/// The maps, for a packet that came by this device.
struct Tables(u32);

impl Watch for Tables {
    #[inline(always)]
    fn now_ns(&self) -> u64 {
        // SAFETY: takes nothing, returns a number.
        unsafe { bpf_ktime_get_coarse_ns() }
    }

    #[inline(always)]
    fn told(&self) -> Guard {
        GUARD.get(0).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn bogons(&self) -> u32 {
        // SAFETY: one number.
        unsafe { BOGONS.get(self.0) }.copied().unwrap_or(0)
    }

    #[inline(always)]
    fn lan(&self) -> Lan {
        LAN.get(0).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn lan_six(&self) -> Lan6 {
        LAN6.get(0).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn list_of(&self, address: u32) -> Option<u32> {
        FOUR.get(Key::new(32, address.to_be())).copied()
    }

    #[inline(always)]
    fn list_of_six(&self, address: [u32; 4]) -> Option<u32> {
        SIX.get(Key::new(128, address.map(u32::to_be))).copied()
    }

    #[inline(always)]
    fn due_of(&self, source: &Source) -> Option<&Cell<u64>> {
        // SAFETY: one number, which is read and written in one instruction each.
        unsafe { DUE.get(source) }.map(|due| &**due)
    }

    #[inline(always)]
    fn begin(&self, source: &Source, due_ns: u64) {
        let _ = DUE.insert(source, Shared::new(Cell::new(due_ns)), 0);
    }

    #[inline(always)]
    fn due_of_all(&self, opening: Opening) -> Option<&Cell<u64>> {
        DUE_OF_ALL.get(opening as u32).map(|due| &**due)
    }

    #[inline(always)]
    fn count_list(&self, list: u32) {
        if let Some(number) = HITS.get_ptr_mut(list) {
            // SAFETY: this processor's own number, and programs do not interrupt each other here.
            unsafe { *number += 1 };
        }
    }
}
