//! The limits of the service, in one place.

use std::time::Duration;

/// How the names of tunnels' devices begin (`docs/tunnel.md`).
pub const TUNNEL_DEVICES: &str = "mesh";
/// A flow for so much of the machine's memory. A flow with its port takes 280 bytes, so the tables take less than two percent.
pub const MEMORY_OF_A_FLOW: u64 = 16 * 1024;
/// Flows that a box has at least.
pub const LEAST_FLOWS: u32 = 4096;
/// And at most; the tables then take 350 MB, of a machine with 16 GiB.
pub const MOST_FLOWS: u32 = 1 << 20;
/// Between two looks through the tables: what is over is taken out, what is left is counted.
pub const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Of so many flows one may be of IPv6.
pub const FLOWS_OF_SIX: u32 = 4;
/// Finished answers that all processors have together, for each flow that the table holds: one for each direction. With 64 bytes each they take
/// less than one percent of the memory.
pub const ANSWERS_OF_A_FLOW: u32 = 2;
/// Entries of a table that are read at once.
pub const BATCH: usize = 4096;
/// Flows that are taken out after one look; the rest is over all the same, and goes after the next.
pub const OVER_AT_ONCE: usize = 65_536;
/// Lines of memory that compiled rules take at most, of 64 bytes each: 16 MiB.
pub const POLICY_LINES: usize = 1 << 18;
/// First packets that the log gets at one look at most; of the others it gets the number.
pub const LOGGED_AT_ONCE: usize = 20;
/// What `prober` has said counts for this long without another word of it.
pub const BELIEVED_FOR: Duration = Duration::from_secs(3);
/// For so long the programs use a path of which they hear nothing more.
pub const LEASE: Duration = Duration::from_secs(3);
/// Between two renewals.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);
