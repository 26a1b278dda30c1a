//! `router`: the shell around the core in `lib.rs`.
//!
//! *Does*: hand over what others say, publish what the core decides.
//! *Never does*: touch a packet, a route or a device.
//! *Spec*: `docs/router.md`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    patronus_router::main()
}
