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
/// Bytes of an IPFIX message: in no packet of IPv6 longer than any link carries (RFC 8200 section 5), so it goes whole by tunnels, too.
pub const MESSAGE_BYTES: usize = 1_232;
/// Flows that were told of and are remembered so that nothing of them is told twice, of 168 bytes each. Others are told of when they end.
pub const KEPT_FLOWS: usize = 65_536;
/// Messages that wait to be sent; 2.5 MB. What does not fit waits in its table, or if it has ended, is counted.
pub const MESSAGES_QUEUED: usize = 2_048;
/// Messages that are sent at once, and between two such times: 5 Mbit/s to each collector at most, and what waits is gone before the next sweep.
pub const MESSAGES_AT_ONCE: usize = 10;
/// See [`MESSAGES_AT_ONCE`].
pub const SEND_EVERY: Duration = Duration::from_millis(20);
/// Templates come again after so long (RFC 7011 section 8.1): a collector that was started anew understands nothing before.
pub const TEMPLATES_EVERY_S: u32 = 60;
