//! `clock`: the shell around the core in `lib.rs`.
//!
//! *Does*: ask time servers over the uplinks, set the clock as the core decides, keep the mark, tell others how good the time is.
//! *Never does*: decide by itself; every correction comes from [`patronus_clock::Discipline`].
//! *Spec*: `docs/ARCHITECTURE.md`, section "clock".
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    patronus_clock::main()
}
