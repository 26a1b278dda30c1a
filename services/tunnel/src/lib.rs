//! WireGuard sessions on every path.
//!
//! *Does*: packets of TUN devices in, datagrams out, and back; which peer and which path they belong to; when to shake hands.
//! *Never does*: open a socket or a device, read a clock, draw a random number of its own: those come in as arguments from the shell
//! (`main.rs`). The one exception is named where it is: WireGuard's protocol core has its own clock and randomness (`noise.rs`).
//! *Spec*: the WireGuard paper (Donenfeld, NDSS 2017); `docs/tunnel.md`.
#![deny(unsafe_code)]

mod bucket;
mod budget;
pub mod checksum;
mod coalesce;
pub mod desired;
mod fragment;
mod inbox;
pub mod limit;
mod mss;
pub mod mtu;
pub mod noise;
mod note;
mod outbox;
mod packet;
mod path;
mod path_mtu;
mod prefixes;
mod received;
mod reject;
mod seen;
pub mod segment;
mod shard;
mod share;
mod shell;
mod stun;
mod too_big;
pub mod vnet;
mod way;

pub use inbox::{Coalesce, Frame};
pub use outbox::Transmit;
pub use packet::Packet;
pub use path::{Path, Wanted};
pub use prefixes::Prefixes;
pub use received::Received;
pub use reject::{Reject, Rejects};
pub use shard::{Passed, Shard};
pub use stun::StunServer;

use std::process::ExitCode;

// The shell names the core as any other user does.
extern crate self as patronus_tunnel;

/// The service: runs until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    patronus_ipc::run("tunnel", shell::service::run)
}
