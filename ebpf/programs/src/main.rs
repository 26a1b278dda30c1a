//! The datapath's hooks in the kernel, on what comes in from LAN, from WAN and from tunnels.
//!
//! *Does*: hand each packet to `patronus-ebpf-core`, rewrite and mark what it says, leave the rest to the kernel.
//! *Never does*: decide anything; forward anything: the kernel does, and its packet filter looks at the mark.
//! *Spec*: `docs/datapath.md`.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![allow(internal_features)]

mod frame;
mod guard;
mod hooks;
mod maps;
mod six;
mod steer;
mod tables;
mod twins;

use aya_ebpf::{
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

/// What comes from the LAN.
#[classifier]
#[inline(always)]
pub fn from_lan(context: TcContext) -> i32 {
    hooks::lan(&context)
}

/// What comes from the LAN and is not decided yet, behind [`from_lan`]. One program for both would be more than the kernel checks.
#[classifier]
#[inline(always)]
pub fn from_lan_around(context: TcContext) -> i32 {
    hooks::lan_around(&context)
}

/// What comes from the LAN and may go to another site, behind the two before.
#[classifier]
#[inline(always)]
pub fn from_lan_to_sites(context: TcContext) -> i32 {
    hooks::lan_to_sites(&context)
}

/// What comes from an uplink.
#[classifier]
#[inline(always)]
pub fn from_wan(context: TcContext) -> i32 {
    hooks::wan(&context)
}

/// What comes out of a tunnel.
#[classifier]
#[inline(always)]
pub fn from_mesh(context: TcContext) -> i32 {
    hooks::mesh(&context)
}

/// What comes from the LAN with IPv6.
#[classifier]
#[inline(always)]
pub fn from_lan_six(context: TcContext) -> i32 {
    six::from_lan(&context)
}

/// What comes from an uplink with IPv6.
#[classifier]
#[inline(always)]
pub fn from_wan_six(context: TcContext) -> i32 {
    six::from_wan(&context)
}

/// What comes from an uplink, before all others, in the driver.
#[xdp(frags)]
#[inline(always)]
pub fn guard(context: XdpContext) -> u32 {
    guard::xdp(&context)
}

/// The same, behind the driver.
#[classifier]
#[inline(always)]
pub fn guard_behind(context: TcContext) -> i32 {
    guard::tc(&context)
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
