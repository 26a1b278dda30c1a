//! `config`: answers for the one configuration document.
//!
//! *Does*: database, socket, clocks and randomness for the core in `lib.rs`; rolls back a trial at its deadline.
//! *Never does*: decide: every rule is in the core.
//! *Spec*: `docs/ipc.md`, section "config".
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    patronus_config::main()
}
