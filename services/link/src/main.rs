//! `link`: the shell around the core in `lib.rs`.
//!
//! *Does*: close the box towards WAN, then keep ports, addresses and routes as the configuration says, and tell others about them.
//! *Never does*: undo anything when it ends: a restart must not disturb a connection.
//! *Spec*: `docs/ARCHITECTURE.md`, section "link".
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    patronus_link::main()
}
