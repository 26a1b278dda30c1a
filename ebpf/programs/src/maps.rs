//! The maps. Their sizes are the service's choice at loading; those here are the least.

use aya_ebpf::{
    macros::map,
    maps::{Array, LruHashMap, PerCpuArray},
};
use core::ops::Deref;
use patronus_ebpf_abi::{Flow, FlowKey, Inside, Lan, Outside, Owner, Reason, UPLINKS, Uplink};

/// A value that several processors use at a time.
#[repr(transparent)]
pub struct Shared<T>(T);

// SAFETY: the cells in it are read and written in one instruction each, and a value that is half old, half new has no meaning that matters.
unsafe impl<T> Sync for Shared<T> {}

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
#[map(name = "REASONS")]
pub static REASONS: PerCpuArray<u64> = PerCpuArray::pinned(Reason::ALL.len() as u32, 0);
