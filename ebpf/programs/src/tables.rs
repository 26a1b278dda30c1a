//! `core`'s tables in the kernel's maps.

use core::{cell::Cell, mem::zeroed};

use aya_ebpf::{
    bindings::{
        __sk_buff, BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_NOT_FWDED,
        BPF_FIB_LKUP_RET_SUCCESS, BPF_FIB_LKUP_RET_UNREACHABLE, BPF_FIB_LOOKUP_SKIP_NEIGH, BPF_NOEXIST,
        bpf_fib_lookup as FibLookup,
    },
    helpers::{bpf_fib_lookup, bpf_get_prandom_u32, bpf_get_smp_processor_id, bpf_jiffies64, bpf_ktime_get_coarse_ns},
};
use patronus_ebpf_abi::{
    Flow, FlowKey, Inside, Lan, Outside, Owner, Reason, UPLINKS, Uplink,
    answer::Answer,
    forward::{Forward, bit_of},
    part::{Part, PartKey},
    policy::{Line, Logged, NUMBERS, header},
};
use patronus_ebpf_core::{Judgement, Policy, Query, Route, Tables};

use crate::maps::{
    ANSWERS, EPOCH, FLOWS, FORWARD, FORWARDED, HITS, LAN, LOGGED, MESH, OWNERS, PART, POLICY, PORTS, Shared, UPLINK,
    count,
};

/// Answers of a processor, less one: a power of two less one.
#[unsafe(no_mangle)]
static ANSWERS_MASK: u32 = 0;

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
    fn ticks(&self) -> u32 {
        // SAFETY: takes nothing, returns a number; the kernel makes one instruction of it, and of the next.
        (unsafe { bpf_jiffies64() }) as u32
    }

    #[inline(always)]
    fn epoch(&self) -> u32 {
        // SAFETY: a number that the service may change at any time.
        EPOCH.get_ptr(0).map_or(0, |word| unsafe { core::ptr::read_volatile(word) })
    }

    #[inline(always)]
    fn answer(&self, place: u32) -> Option<&Answer> {
        // SAFETY: takes nothing, returns a number.
        let processor = unsafe { bpf_get_smp_processor_id() };
        // SAFETY: a number that the loader has written.
        let mask = unsafe { core::ptr::read_volatile(&raw const ANSWERS_MASK) };
        // Of a processor that came later there is nothing.
        ANSWERS.get(processor * (mask + 1) + (place & mask)).map(|answer| &**answer)
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
        match way(self.0, source, destination) {
            NO_WAY => Route::Elsewhere,
            OWN => Route::Own,
            CLOSED => Route::Mesh,
            device => zone_of(device),
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
    fn give(&self, outside: &Outside, owner: &Owner) {
        // A table that takes no more costs this flow its short way, not its life.
        let _ = OWNERS.insert(outside, shared(owner), 0);
    }

    #[inline(always)]
    fn is_forwarded(&self, protocol: u32, port: u16) -> bool {
        let (word, bit) = bit_of(protocol, port);
        FORWARDED.get(word).is_some_and(|bits| bits & bit != 0)
    }

    #[inline(always)]
    fn forward(&self, index: u32) -> Option<&Forward> {
        FORWARD.get(index)
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
    fn note(&self, judgement: Judgement, query: &Query) {
        if let Some(number) = HITS.get_ptr_mut(judgement.rule) {
            // SAFETY: this processor's own number, and programs do not interrupt each other here.
            unsafe { *number += 1 };
        }
        if judgement.is_logged() {
            log(judgement.rule, query);
        }
    }

    #[inline(always)]
    fn part(&self, key: &PartKey) -> Option<Part> {
        // SAFETY: an entry that is replaced meanwhile is one of the same kind.
        unsafe { PART.get(key) }.copied()
    }

    #[inline(always)]
    fn keep_part(&self, key: &PartKey, part: &Part) {
        // A table that takes no more costs this datagram.
        let _ = PART.insert(key, part, 0);
    }

    #[inline(always)]
    fn count(&self, reason: Reason) {
        count(reason);
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

impl Policy for Kernel {
    #[inline(always)]
    fn line(&self, at: u32) -> Option<&Line> {
        POLICY.get(at)
    }

    #[inline(always)]
    fn number(line: &Line, at: u32) -> u32 {
        // SAFETY: a line has so many numbers, in any alignment of theirs.
        unsafe { *line.as_ptr().cast::<u32>().add((at % NUMBERS) as usize) }
    }

    #[inline(always)]
    fn at_most(left: u32, right: u32) -> u32 {
        let mut less = u64::from(right);
        // SAFETY: takes numbers, gives a number: the sign of the difference, which the compiler would make a branch of.
        unsafe {
            core::arch::asm!("{less} -= {left}", "{less} >>= 63", less = inout(reg) less, left = in(reg) u64::from(left), options(pure, nomem, nostack));
        }
        less as u32 ^ 1
    }
}

#[inline(never)]
fn log(rule: u32, query: &Query) {
    let generation = POLICY.get(0).map_or(0, |line| Kernel::number(line, header::GENERATION));
    let Query { source, destination, service, .. } = *query;
    let logged = Logged { generation, rule, source, destination, service, opening: query.opening.number().into() };
    let _ = LOGGED.output::<Logged>(&logged, 0);
}

/// What the kernel's routing says when it leads to no device.
pub const NO_WAY: u32 = 0;
/// The same for what is the box's own.
const OWN: u32 = u32::MAX;
/// And for another site's address while no path leads there: rules hold as if one did, then the kernel says it to the sender.
const CLOSED: u32 = u32::MAX - 1;

/// The number of the device by which the kernel would send it. A function of its own, because what it asks takes much of the 512 bytes that
/// programs have for everything.
#[inline(never)]
fn way(skb: *mut __sk_buff, source: u32, destination: u32) -> u32 {
    // SAFETY: a plain C struct for which zeros are valid.
    let mut asked: FibLookup = unsafe { zeroed() };
    asked.family = INET;
    // SAFETY: the context is this packet's.
    asked.ifindex = unsafe { (*skb).ifindex };
    asked.__bindgen_anon_3.ipv4_src = source.to_be();
    asked.__bindgen_anon_4.ipv4_dst = destination.to_be();
    let size = size_of::<FibLookup>() as i32;
    // SAFETY: the struct is as long as said and lives until the call returns.
    let said = unsafe { bpf_fib_lookup(skb.cast(), &raw mut asked, size, BPF_FIB_LOOKUP_SKIP_NEIGH) };
    match said as u32 {
        BPF_FIB_LKUP_RET_SUCCESS | BPF_FIB_LKUP_RET_NO_NEIGH | BPF_FIB_LKUP_RET_FRAG_NEEDED => asked.ifindex,
        // Of what is nobody's the kernel says the same; it forwards neither.
        BPF_FIB_LKUP_RET_NOT_FWDED => OWN,
        BPF_FIB_LKUP_RET_UNREACHABLE => CLOSED,
        _ => NO_WAY,
    }
}

#[inline(always)]
pub fn zone_of(device: u32) -> Route {
    // SAFETY: an entry that vanishes meanwhile is not read.
    if unsafe { MESH.get(&device) }.is_some() {
        return Route::Mesh;
    }
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
pub fn shared<T>(value: &T) -> &Shared<T> {
    // SAFETY: a wrapper with the same layout.
    unsafe { &*core::ptr::from_ref(value).cast() }
}
