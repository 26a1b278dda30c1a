//! The limits of the service, in one place.

use std::time::Duration;

/// A flow for so much of the machine's memory. A flow with its port takes 280 bytes, so the tables take less than one percent.
pub const MEMORY_OF_A_FLOW: u64 = 32 * 1024;
/// Flows that a box has at least.
pub const LEAST_FLOWS: u32 = 4096;
/// And at most; the tables then take 74 MB.
pub const MOST_FLOWS: u32 = 262_144;
/// Between two looks through the tables: what is over is taken out, what is left is counted.
pub const SWEEP_EVERY: Duration = Duration::from_secs(5);
