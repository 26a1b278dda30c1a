//! What each program does.
//!
//! *Does*: hand the packet to `patronus-ebpf-core`, rewrite and mark what it says, leave the rest to the kernel.

use aya_ebpf::{
    bindings::{TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC},
    programs::TcContext,
};
use patronus_ebpf_abi::{MARK, policy::Zone};
use patronus_ebpf_core::{Edit, Fate, Frame, Parsed, Verdict, around, inbound, outbound, parse, recall};

use crate::{
    frame::{ETHERNET, NONE, Skb},
    maps::PACKET,
    steer,
    tables::Kernel,
    twins,
};

#[inline(always)]
pub fn lan(context: &TcContext) -> i32 {
    let Some(mut skb) = Skb::<ETHERNET>::of(context) else { return TC_ACT_UNSPEC };
    if let Some(verdict) = answered(&skb, Zone::Lan, &Kernel(context.skb.skb)) {
        return act(&mut skb, context, &verdict);
    }
    let Some(parsed) = read(&skb) else { return TC_ACT_UNSPEC };
    let verdict = outbound(parsed, largest(&skb, parsed), &Kernel(context.skb.skb));
    act(&mut skb, context, &verdict)
}

#[inline(always)]
pub fn lan_around(context: &TcContext) -> i32 {
    let Some(mut skb) = Skb::<ETHERNET>::of(context) else { return TC_ACT_UNSPEC };
    let Some(parsed) = read(&skb) else { return TC_ACT_UNSPEC };
    let verdict = around(parsed, largest(&skb, parsed), &Kernel(context.skb.skb));
    act(&mut skb, context, &verdict)
}

#[inline(always)]
pub fn lan_to_sites(context: &TcContext) -> i32 {
    let Some(mut skb) = Skb::<ETHERNET>::of(context) else { return TC_ACT_UNSPEC };
    let Some(parsed) = read(&skb) else { return TC_ACT_UNSPEC };
    steer::send(&mut skb, parsed)
}

#[inline(always)]
pub fn wan(context: &TcContext) -> i32 {
    let Some(mut skb) = Skb::<ETHERNET>::of(context) else { return TC_ACT_UNSPEC };
    if let Some(verdict) = answered(&skb, Zone::Wan, &Kernel(context.skb.skb)) {
        return act(&mut skb, context, &verdict);
    }
    let Some(parsed) = read(&skb) else { return TC_ACT_UNSPEC };
    let verdict = inbound(parsed, skb.device(), &Kernel(context.skb.skb));
    act(&mut skb, context, &verdict)
}

#[inline(always)]
pub fn mesh(context: &TcContext) -> i32 {
    let Some(mut skb) = Skb::<NONE>::of(context) else { return TC_ACT_UNSPEC };
    if !twins::is_first(&mut skb) {
        return TC_ACT_SHOT;
    }
    if let Some(verdict) = answered(&skb, Zone::Mesh, &Kernel(context.skb.skb)) {
        return act(&mut skb, context, &verdict);
    }
    let Some(parsed) = read(&skb) else { return TC_ACT_UNSPEC };
    let verdict = patronus_ebpf_core::from_mesh(parsed, &Kernel(context.skb.skb));
    act(&mut skb, context, &verdict)
}

/// What is known already.
#[inline(always)]
fn answered<const HEADER: u32>(skb: &Skb<HEADER>, from: Zone, tables: &Kernel) -> Option<Verdict> {
    recall(skb, from, skb.device(), |protocol, bytes| skb.largest(protocol, bytes), tables)
}

#[inline(always)]
fn largest<const HEADER: u32>(skb: &Skb<HEADER>, parsed: &Parsed) -> u32 {
    skb.largest(parsed.packet.protocol, parsed.packet.bytes.into())
}

/// The packet as it was read, in memory that the kernel's check knows nothing of: otherwise it would follow each kind of packet through all of the
/// program.
#[inline(always)]
fn read<'a>(frame: &impl Frame) -> Option<&'a Parsed> {
    let place = PACKET.get_ptr_mut(0)?;
    // SAFETY: this processor's own, and programs do not interrupt each other here. All of it is written before it is read.
    unsafe {
        place.write(parse(frame));
        // What was written may be anything from here on.
        core::arch::asm!("", in("r0") place, options(nostack));
        Some(&*place)
    }
}

#[inline(always)]
fn act(skb: &mut (impl Frame + Edit), context: &TcContext, verdict: &Verdict) -> i32 {
    if verdict.apply(skb) {
        context.set_mark(MARK);
        // No other program of ours is asked.
        return TC_ACT_OK;
    }
    if verdict.fate == Fate::Drop { TC_ACT_SHOT } else { TC_ACT_UNSPEC }
}
