//! `/init` of test images that must never stay: it ends, or it hangs.
//!
//! *Does*: what `patronus.fault=` on the kernel's command line says.
//! *Never does*: anything else: it mounts nothing, starts nothing, feeds no watchdog.

#![forbid(unsafe_code)]

use std::{process::ExitCode, thread, time::Duration};

fn main() -> ExitCode {
    println!("faulty: PID 1 is here");
    // Stage 1 has mounted /proc; without it there is nothing to obey, and ending is a fault as well.
    let command_line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if command_line.split_whitespace().any(|word| word == "patronus.fault=hang") {
        println!("faulty: hangs");
        loop {
            thread::sleep(Duration::from_secs(3600));
        }
    }
    println!("faulty: ends");
    ExitCode::FAILURE
}
