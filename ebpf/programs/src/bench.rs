//! What measures the programs: run again and again by the kernel's test run, each time on a packet of another flow.
//!
//! *Does*: what `from_lan` does, after it has changed who sends the packet; and the same without what `from_lan` does.
//! *Spec*: `docs/performance.md`, section "datapath".
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![allow(internal_features, dead_code, reason = "the hooks that are not measured")]

mod frame;
mod hooks;
mod maps;
mod six;
mod steer;
mod tables;
mod twins;

use aya_ebpf::{
    bindings::TC_ACT_UNSPEC,
    macros::{classifier, map},
    maps::Array,
    programs::TcContext,
};

/// The number of the last flow, and the bits that such numbers have.
#[map(name = "TURN")]
static TURN: Array<[u64; 2]> = Array::with_max_entries(1, 0);
/// Where they stand in a frame.
const SOURCE: usize = 26;
const DESTINATION: usize = 32;
const PORTS: usize = 34;
/// Behind the last bytes of a destination in IPv6.
const PORTS_SIX: usize = 54;
/// 192.168.42.2 and a port of its own, in the order of the wire.
const COMPUTER: u32 = 0xc0a8_2a02_u32.to_be();
const PORT: u16 = 5000_u16.to_be();

/// Nothing at all.
#[classifier]
#[inline(always)]
pub fn empty(_: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// The packet becomes one of the next flow.
#[classifier]
#[inline(always)]
pub fn turn(context: TcContext) -> i32 {
    next(&context);
    TC_ACT_UNSPEC
}

/// And then what becomes of it.
#[classifier]
#[inline(always)]
pub fn measured(context: TcContext) -> i32 {
    next(&context);
    hooks::lan(&context)
}

/// The same for a packet of IPv6.
#[classifier]
#[inline(always)]
pub fn turn_six(context: TcContext) -> i32 {
    next_six(&context);
    TC_ACT_UNSPEC
}

/// And then what becomes of it.
#[classifier]
#[inline(always)]
pub fn measured_six(context: TcContext) -> i32 {
    next_six(&context);
    six::from_lan(&context)
}

/// Flows follow each other as by chance, and each comes once before any comes again: the same computer with ever another port and address. What
/// was translated is put back.
#[inline(always)]
fn next(context: &TcContext) {
    let number = number();
    // SAFETY: bytes of the packet that were compared with its end.
    unsafe {
        let data = (*context.skb.skb).data as usize;
        if data + PORTS + 4 <= (*context.skb.skb).data_end as usize {
            ((data + SOURCE) as *mut u16).write(COMPUTER as u16);
            ((data + SOURCE + 2) as *mut u16).write((COMPUTER >> 16) as u16);
            ((data + DESTINATION) as *mut u16).write(number as u16);
            ((data + PORTS) as *mut u16).write(PORT);
            ((data + PORTS + 2) as *mut u16).write((number >> 16) as u16);
        }
    }
}

/// Nothing else is changed on its way.
#[inline(always)]
fn next_six(context: &TcContext) {
    let number = number();
    // SAFETY: as above.
    unsafe {
        let data = (*context.skb.skb).data as usize;
        if data + PORTS_SIX + 4 <= (*context.skb.skb).data_end as usize {
            ((data + PORTS_SIX - 2) as *mut u16).write(number as u16);
            ((data + PORTS_SIX + 2) as *mut u16).write((number >> 16) as u16);
        }
    }
}

/// Of the next flow.
#[inline(always)]
fn number() -> u64 {
    let Some(turn) = TURN.get_ptr_mut(0) else { return 0 };
    // SAFETY: one run at a time.
    let [last, bits] = unsafe { *turn };
    let number = last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) & bits;
    // SAFETY: as above.
    unsafe { (*turn)[0] = number };
    number
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
