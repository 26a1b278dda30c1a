//! `tunnel`: the shell around the core in `lib.rs`.
//!
//! *Does*: a thread with its sockets for each uplink slot, a TUN device for each pair of slots; keys and the last wish of `mesh` on disk.
//! *Never does*: wait for another service to carry packets: it starts from its disk and the kernel.
//! *Spec*: `docs/tunnel.md`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    patronus_tunnel::main()
}
