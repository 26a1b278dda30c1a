//! `datapath`: the shell around the core in `lib.rs`.
//!
//! *Does*: put the eBPF programs into the kernel and keep them attached, tell them of LAN and uplinks, tell others of flows.
//! *Never does*: stand between packets: when it ends, its programs go on.
//! *Spec*: `docs/datapath.md`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    patronus_datapath::main()
}
