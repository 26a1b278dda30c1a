//! `mesh`: the shell around the core in `lib.rs`.
//!
//! *Does*: keys and roster on disk, sockets on the LAN and the uplinks, requests of other services.
//! *Never does*: decide who is a member: [`patronus_mesh`] does.
//! *Spec*: `docs/ipc.md`, section "mesh"; `docs/membership.md`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    patronus_mesh::main()
}
