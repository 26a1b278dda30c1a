//! What the datapath is told, and what it tells.
//!
//! *Does*: derive LAN and uplinks from what `link` says ([`desired`]), port forwards from the document ([`forwards`]), what uplinks do not let in ([`guard`]); compile its rules
//! ([`policy`]); say how large tables are ([`capacity`]), what stands in them ([`report`]), which flows may not stay there
//! ([`beyond`]), and why a packet would pass ([`explain`]).
//! *Never does*: look at a packet: `ebpf/core` does; open, read or load anything.
//! *Spec*: `docs/datapath.md`.
#![deny(unsafe_code)]

pub mod beyond;
pub mod desired;
pub mod explain;
pub mod forwards;
pub mod guard;
pub mod ipfix;
pub mod limit;
pub mod policy;
pub mod report;
mod shell;
pub mod steering;

pub use desired::{Desired, dead_uplinks, desired};

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

/// Finished answers that each processor has, a power of two, and all have together.
#[must_use]
pub fn answers(flows: u32, processors: u32) -> (u32, u32) {
    let processors = processors.max(1);
    let share = flows.saturating_mul(limit::ANSWERS_OF_A_FLOW) / processors;
    let of_one = 1 << share.max(2).ilog2();
    (of_one, of_one.saturating_mul(processors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_share_the_answers_that_there_is_memory_for() {
        assert_eq!(answers(16_384, 1), (32_768, 32_768));
        assert_eq!(answers(16_384, 2), (16_384, 32_768));
        assert_eq!(answers(16_384, 6), (4096, 24_576));
        assert_eq!(answers(limit::MOST_FLOWS, 4), (1 << 19, 1 << 21));
        assert_eq!(answers(limit::LEAST_FLOWS, 100_000), (2, 200_000));
        assert_eq!(answers(0, 0), (2, 2));
    }

    #[test]
    fn a_small_box_has_a_small_table_and_a_large_one_no_more_than_the_limit() {
        assert_eq!(capacity(0), limit::LEAST_FLOWS);
        assert_eq!(capacity(256 << 20), 16_384);
        assert_eq!(capacity(1 << 30), 65_536);
        assert_eq!(capacity(16 << 30), limit::MOST_FLOWS);
        assert_eq!(capacity(1 << 40), limit::MOST_FLOWS);
        assert_eq!(capacity(u64::MAX), limit::MOST_FLOWS);
    }
}
