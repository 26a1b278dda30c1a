//! The datapath's hooks in the kernel, on what comes in from LAN and from WAN.
//!
//! *Does*: hand each packet to `patronus-ebpf-core`, rewrite and mark what it says, leave the rest to the kernel.
//! *Never does*: decide anything; forward anything: the kernel does, and its packet filter looks at the mark.
//! *Spec*: `docs/datapath.md`.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![allow(internal_features)]

mod frame;
mod maps;
mod tables;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC},
    macros::classifier,
    programs::TcContext,
};
use patronus_ebpf_abi::MARK;
use patronus_ebpf_core::{Verdict, inbound, outbound, parse};

use frame::Skb;
use tables::Kernel;

/// What comes from the LAN.
#[classifier]
pub fn from_lan(context: TcContext) -> i32 {
    let Some(mut skb) = Skb::of(&context) else { return TC_ACT_UNSPEC };
    let parsed = parse(&skb);
    let verdict = outbound(&parsed, skb.largest(&parsed), &Kernel(context.skb.skb));
    act(&mut skb, &context, &verdict)
}

/// What comes from an uplink.
#[classifier]
pub fn from_wan(context: TcContext) -> i32 {
    let Some(mut skb) = Skb::of(&context) else { return TC_ACT_UNSPEC };
    let verdict = inbound(&parse(&skb), skb.device(), &Kernel(context.skb.skb));
    act(&mut skb, &context, &verdict)
}

#[inline(always)]
fn act(skb: &mut Skb, context: &TcContext, verdict: &Verdict) -> i32 {
    match verdict {
        Verdict::Kernel => TC_ACT_UNSPEC,
        Verdict::Drop => TC_ACT_SHOT,
        Verdict::Translate(translation) => {
            translation.apply(skb);
            context.set_mark(MARK);
            TC_ACT_UNSPEC
        }
    }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

/// Some helpers are for programs under a licence that the kernel knows.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
