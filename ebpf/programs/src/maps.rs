//! The maps. Their sizes are the service's choice at loading; those here are the least.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use core::ops::Deref;
use patronus_ebpf_abi::{
    Flow, FlowKey, Inside, Lan, MESH_DEVICES, Outside, Owner, Reason, UPLINKS, Uplink,
    answer::Answer,
    forward::{FORWARDED_WORDS, FORWARDS, Forward},
    part::{PARTS, Part, PartKey},
    policy::{LOG_BYTES, Line},
    six::{Flow6, FlowKey6, Lan6},
};
use patronus_ebpf_core::Parsed;

/// A value that several processors use at a time.
#[repr(transparent)]
pub struct Shared<T>(T);

// SAFETY: the cells in it are read and written in one instruction each, and a value that is half old, half new has no meaning that matters.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    #[inline(always)]
    pub const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

#[map(name = "FLOWS")]
pub static FLOWS: LruHashMap<FlowKey, Shared<Flow>> = LruHashMap::pinned(1024, 0);
#[map(name = "OWNERS")]
pub static OWNERS: LruHashMap<Outside, Shared<Owner>> = LruHashMap::pinned(1024, 0);
#[map(name = "PORTS")]
pub static PORTS: LruHashMap<Inside, u32> = LruHashMap::pinned(1024, 0);
#[map(name = "UPLINKS")]
pub static UPLINK: Array<Uplink> = Array::pinned(UPLINKS, 0);
#[map(name = "LAN")]
pub static LAN: Array<Lan> = Array::pinned(1, 0);
#[map(name = "FORWARDS")]
pub static FORWARD: Array<Forward> = Array::pinned(FORWARDS, 0);
#[map(name = "FORWARDED")]
pub static FORWARDED: Array<u64> = Array::pinned(FORWARDED_WORDS, 0);
#[map(name = "FLOWS6")]
pub static FLOWS6: LruHashMap<FlowKey6, Shared<Flow6>> = LruHashMap::pinned(1024, 0);
#[map(name = "LAN6")]
pub static LAN6: Array<Lan6> = Array::pinned(1, 0);
#[map(name = "PARTS")]
pub static PART: LruHashMap<PartKey, Part> = LruHashMap::pinned(PARTS, 0);
#[map(name = "REASONS")]
pub static REASONS: PerCpuArray<u64> = PerCpuArray::pinned(Reason::ALL.len() as u32, 0);
/// Tunnel devices, by index; the value says nothing.
#[map(name = "MESH")]
pub static MESH: HashMap<u32, u32> = HashMap::pinned(MESH_DEVICES, 0);
/// The compiled rules. Each policy has an array of its own, and programs that look into it.
#[map(name = "POLICY")]
pub static POLICY: Array<Line> = Array::pinned(1, 0);
/// First packets that met each of its rules.
#[map(name = "HITS")]
pub static HITS: PerCpuArray<u64> = PerCpuArray::pinned(1, 0);
/// Those that the log is to have; what does not fit is not kept.
#[map(name = "LOGGED")]
pub static LOGGED: RingBuf = RingBuf::pinned(LOG_BYTES, 0);
/// Finished answers: so many for each processor, one after the other.
#[map(name = "ANSWERS")]
pub static ANSWERS: Array<Shared<Answer>> = Array::pinned(1, BPF_F_MMAPABLE);
/// Which state of the service's tables this is.
#[map(name = "EPOCH")]
pub static EPOCH: Array<u32> = Array::pinned(1, 0);
/// The packet that a processor looks at.
#[map(name = "PACKET")]
pub static PACKET: PerCpuArray<Parsed> = PerCpuArray::with_max_entries(1, 0);

/// Counts a packet that was not carried.
#[inline(always)]
pub fn count(reason: Reason) {
    if let Some(number) = REASONS.get_ptr_mut(reason as u32) {
        // SAFETY: this processor's own number, and programs do not interrupt each other here.
        unsafe { *number += 1 };
    }
}
