//! `prober`: the shell around the core in `lib.rs`.
//!
//! *Does*: speak with the probers of other sites over every path, publish what it finds, keep how it was.
//! *Never does*: touch anybody's packets: without it they go on as they go.
//! *Spec*: `docs/prober.md`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    patronus_prober::main()
}
