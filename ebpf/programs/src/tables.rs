//! `core`'s tables in the kernel's maps.

use core::{cell::Cell, mem::zeroed};

use aya_ebpf::{
    bindings::{
        __sk_buff, BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS,
        BPF_FIB_LOOKUP_SKIP_NEIGH, BPF_NOEXIST, bpf_fib_lookup as FibLookup,
    },
    helpers::{bpf_fib_lookup, bpf_get_prandom_u32, bpf_ktime_get_coarse_ns},
};
use patronus_ebpf_abi::{Flow, FlowKey, Inside, Lan, Outside, Owner, Reason, UPLINKS, Uplink};
use patronus_ebpf_core::{Route, Tables};

use crate::maps::{FLOWS, LAN, OWNERS, PORTS, REASONS, Shared, UPLINK};

const NS_PER_S: u64 = 1_000_000_000;
/// `AF_INET`.
const INET: u8 = 2;

/// The kernel, while it handles this packet.
pub struct Kernel(pub *mut __sk_buff);

impl Tables for Kernel {
    type Flow = &'static Flow;
    type Owner = &'static Owner;

    #[inline(always)]
    fn now_s(&self) -> u32 {
        // SAFETY: takes nothing, returns a number.
        (unsafe { bpf_ktime_get_coarse_ns() } / NS_PER_S) as u32
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: takes nothing, returns a number.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn lan(&self) -> Lan {
        LAN.get(0).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn uplink(&self, slot: u32) -> Option<Uplink> {
        UPLINK.get(slot).copied()
    }

    #[inline(always)]
    fn route(&self, source: u32, destination: u32) -> Route {
        match self.device_towards(source, destination) {
            Some(device) => uplink_on(device),
            None => Route::Elsewhere,
        }
    }

    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<Self::Flow> {
        // SAFETY: an entry that is replaced meanwhile is one of the same kind, and its cells may change at any time.
        unsafe { FLOWS.get(key) }.map(|flow| &**flow)
    }

    #[inline(always)]
    fn add_flow(&self, key: &FlowKey, flow: &Flow) -> bool {
        FLOWS.insert(key, shared(flow), 0).is_ok()
    }

    #[inline(always)]
    fn owner(&self, outside: &Outside) -> Option<Self::Owner> {
        // SAFETY: as for flows.
        unsafe { OWNERS.get(outside) }.map(|owner| &**owner)
    }

    #[inline(always)]
    fn claim(&self, outside: &Outside, owner: &Owner) -> bool {
        OWNERS.insert(outside, shared(owner), u64::from(BPF_NOEXIST)).is_ok()
    }

    #[inline(always)]
    fn port(&self, inside: &Inside) -> Option<u16> {
        // SAFETY: one number.
        unsafe { PORTS.get(inside) }.map(|port| *port as u16)
    }

    #[inline(always)]
    fn keep_port(&self, inside: &Inside, port: u16) {
        // A table that takes no more costs this endpoint its mapping, not its flow.
        let _ = PORTS.insert(inside, u32::from(port), 0);
    }

    #[inline(always)]
    fn count(&self, reason: Reason) {
        if let Some(number) = REASONS.get_ptr_mut(reason as u32) {
            // SAFETY: this processor's own number, and programs do not interrupt each other here.
            unsafe { *number += 1 };
        }
    }

    #[inline(always)]
    fn add(number: &Cell<u64>, more: u64) {
        // SAFETY: a number in a map, aligned to its size.
        unsafe {
            core::intrinsics::atomic_xadd::<u64, u64, { core::intrinsics::AtomicOrdering::Relaxed }>(
                number.as_ptr(),
                more,
            )
        };
    }
}

impl Kernel {
    #[inline(always)]
    fn device_towards(&self, source: u32, destination: u32) -> Option<u32> {
        // SAFETY: a plain C struct for which zeros are valid.
        let mut asked: FibLookup = unsafe { zeroed() };
        asked.family = INET;
        // SAFETY: the context is this packet's.
        asked.ifindex = unsafe { (*self.0).ifindex };
        asked.__bindgen_anon_3.ipv4_src = source.to_be();
        asked.__bindgen_anon_4.ipv4_dst = destination.to_be();
        let size = size_of::<FibLookup>() as i32;
        // SAFETY: the struct is as long as said and lives until the call returns.
        let said = unsafe { bpf_fib_lookup(self.0.cast(), &raw mut asked, size, BPF_FIB_LOOKUP_SKIP_NEIGH) };
        match said as u32 {
            BPF_FIB_LKUP_RET_SUCCESS | BPF_FIB_LKUP_RET_NO_NEIGH | BPF_FIB_LKUP_RET_FRAG_NEEDED => Some(asked.ifindex),
            _ => None,
        }
    }
}

#[inline(always)]
fn uplink_on(device: u32) -> Route {
    for slot in 0..UPLINKS {
        if let Some(uplink) = UPLINK.get(slot)
            && uplink.index == device
        {
            return Route::Uplink(slot);
        }
    }
    Route::Elsewhere
}

#[inline(always)]
fn shared<T>(value: &T) -> &Shared<T> {
    // SAFETY: a wrapper with the same layout.
    unsafe { &*core::ptr::from_ref(value).cast() }
}
