//! IPv6: `core`'s decisions in the kernel.

use core::mem::zeroed;

use aya_ebpf::{
    bindings::{
        __sk_buff, BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS,
        BPF_FIB_LOOKUP_SKIP_NEIGH, TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC, bpf_fib_lookup as FibLookup,
    },
    helpers::bpf_fib_lookup,
    programs::TcContext,
};
use patronus_ebpf_abi::{
    MARK,
    six::{Flow6, FlowKey6, Lan6},
};
use patronus_ebpf_core::{
    Route, clamp,
    six::{IP6_BYTES, Packet6, Tables6, Verdict6, inbound6, outbound6, parse6},
};

use crate::{
    frame::{ETHERNET, Skb},
    maps::{FLOWS6, LAN6},
    tables::{Kernel, NO_WAY, shared, zone_of},
};

/// `AF_INET6`.
const INET6: u8 = 10;

/// What comes from the LAN.
#[inline(always)]
pub fn from_lan(context: &TcContext) -> i32 {
    let Some(mut skb) = Skb::<ETHERNET>::of_six(context) else { return TC_ACT_UNSPEC };
    let verdict = outbound6(&parse6(&skb), &Kernel(context.skb.skb));
    act(&mut skb, context, verdict)
}

/// What comes from an uplink.
#[inline(always)]
pub fn from_wan(context: &TcContext) -> i32 {
    let Some(mut skb) = Skb::<ETHERNET>::of_six(context) else { return TC_ACT_UNSPEC };
    let verdict = inbound6(&parse6(&skb), &Kernel(context.skb.skb));
    act(&mut skb, context, verdict)
}

#[inline(always)]
fn act(skb: &mut Skb<ETHERNET>, context: &TcContext, verdict: Verdict6) -> i32 {
    match verdict {
        Verdict6::Kernel => return TC_ACT_UNSPEC,
        Verdict6::Drop => return TC_ACT_SHOT,
        Verdict6::Pass(0) => {}
        Verdict6::Pass(mss) => clamp(skb, IP6_BYTES, mss),
    }
    context.set_mark(MARK);
    // No other program of ours is asked.
    TC_ACT_OK
}

impl Tables6 for Kernel {
    type Flow6 = &'static Flow6;

    #[inline(always)]
    fn lan6(&self) -> Lan6 {
        LAN6.get(0).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn route6(&self, packet: &Packet6) -> Route {
        let (source, destination) = (&packet.source, &packet.destination);
        match way(self.0, source.high, source.low, destination.high, destination.low) {
            NO_WAY => Route::Elsewhere,
            device => zone_of(device),
        }
    }

    #[inline(always)]
    fn flow6(&self, key: &FlowKey6) -> Option<Self::Flow6> {
        // SAFETY: an entry that is replaced meanwhile is one of the same kind, and its cells may change at any time.
        unsafe { FLOWS6.get(key) }.map(|flow| &**flow)
    }

    #[inline(always)]
    fn add_flow6(&self, key: &FlowKey6, flow: &Flow6) -> bool {
        FLOWS6.insert(key, shared(flow), 0).is_ok()
    }
}

/// The number of the device by which the kernel would send it. A function of its own, because what it asks takes much of the 512 bytes that
/// programs have for everything.
#[inline(never)]
fn way(skb: *mut __sk_buff, from_high: u64, from_low: u64, to_high: u64, to_low: u64) -> u32 {
    // SAFETY: a plain C struct for which zeros are valid.
    let mut asked: FibLookup = unsafe { zeroed() };
    asked.family = INET6;
    // SAFETY: the context is this packet's.
    asked.ifindex = unsafe { (*skb).ifindex };
    asked.__bindgen_anon_3.ipv6_src = words(from_high, from_low);
    asked.__bindgen_anon_4.ipv6_dst = words(to_high, to_low);
    let size = size_of::<FibLookup>() as i32;
    // SAFETY: the struct is as long as said and lives until the call returns.
    let said = unsafe { bpf_fib_lookup(skb.cast(), &raw mut asked, size, BPF_FIB_LOOKUP_SKIP_NEIGH) };
    match said as u32 {
        BPF_FIB_LKUP_RET_SUCCESS | BPF_FIB_LKUP_RET_NO_NEIGH | BPF_FIB_LKUP_RET_FRAG_NEEDED => asked.ifindex,
        _ => NO_WAY,
    }
}

#[inline(always)]
fn words(high: u64, low: u64) -> [u32; 4] {
    [(high >> 32) as u32, high as u32, (low >> 32) as u32, low as u32].map(u32::to_be)
}
