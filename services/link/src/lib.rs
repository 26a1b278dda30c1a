//! Uplinks and LAN ports: what they should be, what must change, and the DHCP client.
//!
//! *Does*: roles at first boot ([`settings`]), the kernel's desired state ([`desired`]), the steps from the actual to the desired state
//! ([`plan`]), the DHCP client as a machine without I/O ([`dhcp`]).
//! *Never does*: open a socket, read a clock, draw a random number: those come in as arguments from the shell (`main.rs`).
//! *Spec*: `docs/ARCHITECTURE.md`, section "link"; RFC 2131 for DHCP.
#![deny(unsafe_code)]

pub mod advertised;
pub mod agenda;
pub mod announce;
pub mod datagram;
pub mod desired;
pub mod dhcp;
pub mod limit;
pub mod network;
pub mod plan;
pub mod port;
pub mod resolvers;
pub mod settings;
mod shell;

pub use advertised::Advertised;
pub use agenda::Agenda;
pub use announce::{Announcement, Announcer};
pub use desired::{Observed, desired};
pub use network::Network;
pub use plan::{Change, plan, rouse};
pub use port::Port;
pub use resolvers::Resolvers;
pub use settings::Settings;

use std::process::ExitCode;

// The shell names the core as any other user does.
extern crate self as patronus_link;

/// The service: runs until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    patronus_ipc::run("link", shell::service::run)
}
