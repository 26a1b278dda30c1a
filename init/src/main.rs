//! `/init`: stage 1 on the initramfs, PID 1 on the verified root.
//!
//! *Does*: tell the two roles apart, and make sure that no way out of either leaves a machine that waits.
//! *Never does*: run as anything but PID 1.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".
#![forbid(unsafe_code)]

use std::process::ExitCode;

use patronus_init::{events, machine, shutdown, stage1};

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("init: this is PID 1 of a Patronus machine and does nothing else");
        return ExitCode::FAILURE;
    }
    shutdown::restart_on_panic();
    if stage1::is_initramfs() {
        stage1::run();
    }
    let machine = machine::bring_up();
    let end = events::run(machine);
    shutdown::finish(end)
}
