//! What the datapath is told, and what it tells.
//!
//! *Does*: derive LAN and uplinks from what `link` says ([`desired`]), say how large tables are ([`capacity`]) and what stands in them ([`report`]).
//! *Never does*: look at a packet: `ebpf/core` does; open, read or load anything.
//! *Spec*: `docs/datapath.md`.
#![deny(unsafe_code)]

pub mod desired;
pub mod limit;
pub mod report;
mod shell;

pub use desired::{Desired, desired};

use std::process::ExitCode;

// The shell names the core as any other user does.
extern crate self as patronus_datapath;

/// The service: runs until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    patronus_ipc::run("datapath", shell::service::run)
}

/// Flows that the table holds on a machine with so much memory: a power of two, since the kernel rounds up to one.
#[must_use]
pub fn capacity(memory_bytes: u64) -> u32 {
    let share = u32::try_from(memory_bytes / limit::MEMORY_OF_A_FLOW).unwrap_or(limit::MOST_FLOWS);
    let power = share.checked_ilog2().map_or(0, |log| 1 << log);
    power.clamp(limit::LEAST_FLOWS, limit::MOST_FLOWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_box_has_a_small_table_and_a_large_one_no_more_than_the_limit() {
        assert_eq!(capacity(0), limit::LEAST_FLOWS);
        assert_eq!(capacity(256 << 20), 8192);
        assert_eq!(capacity(1 << 30), 32_768);
        assert_eq!(capacity(1 << 40), limit::MOST_FLOWS);
        assert_eq!(capacity(u64::MAX), limit::MOST_FLOWS);
    }
}
