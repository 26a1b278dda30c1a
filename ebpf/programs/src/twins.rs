//! `core`'s memory of packets that came by two paths, and the numbers of those that go by two.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::bpf_ktime_get_coarse_ns,
    macros::map,
    maps::{Array, LruHashMap},
};
use patronus_ebpf_abi::{
    Reason,
    twin::{TWINS, TwinKey},
};
use patronus_ebpf_core::twins::{self, Twins};

use crate::{
    frame::{NONE, Skb},
    maps::count,
};

#[map(name = "TWINS")]
static SEEN: LruHashMap<TwinKey, u32> = LruHashMap::pinned(TWINS, 0);
/// The next one, for all sites.
#[map(name = "TWIN_NUMBER")]
static NUMBER: Array<u64> = Array::pinned(1, 0);

/// A number that none of the last 65,536 packets that went twice had: the first of as many as the packet will be cut into.
#[inline(always)]
pub fn numbers(segments: u32) -> u16 {
    let Some(next) = NUMBER.get_ptr_mut(0) else { return 0 };
    // Not relaxed: of that the compiler makes an addition that does not give back what was there before.
    // SAFETY: a number in a map, aligned to its size.
    (unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(next, u64::from(segments.max(1))) }) as u16
}

/// Whether a packet out of a tunnel is handed on.
#[inline(always)]
pub fn is_first(skb: &mut Skb<NONE>) -> bool {
    twins::is_first(skb, &Seen)
}

struct Seen;

impl Twins for Seen {
    #[inline(always)]
    fn now_s(&self) -> u32 {
        // SAFETY: takes nothing, returns a number.
        (unsafe { bpf_ktime_get_coarse_ns() } / 1_000_000_000) as u32
    }

    #[inline(always)]
    fn remember(&self, key: &TwinKey, now_s: u32) -> Option<u32> {
        // Two processors may have the two copies at this moment: one of them is the first to put it there.
        if SEEN.insert(key, &now_s, u64::from(BPF_NOEXIST)).is_ok() {
            return None;
        }
        // SAFETY: one number. What the table did not take is not there, and is handed on.
        unsafe { SEEN.get(key) }.copied()
    }

    #[inline(always)]
    fn renew(&self, key: &TwinKey, now_s: u32) {
        let _ = SEEN.insert(key, &now_s, 0);
    }

    #[inline(always)]
    fn count(&self, reason: Reason) {
        count(reason);
    }
}
