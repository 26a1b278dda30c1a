//! What a test of a path has shown.

use serde::{Deserialize, Serialize};

/// What a test has shown. `None` is what nothing has come back of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// How long it took.
    pub took_ms: u32,
    /// Probes that were sent.
    pub probes: u32,
    /// Shortest round-trip time, in microseconds.
    pub rtt_min_us: Option<u32>,
    /// That which half of them do not exceed.
    pub rtt_median_us: Option<u32>,
    /// And that which 95 of 100 do not exceed.
    pub rtt_p95_us: Option<u32>,
    /// Interarrival jitter (RFC 3550) of what came from there.
    pub jitter_us: Option<u32>,
    /// Probes to there that were lost, in millionths.
    pub loss_out_ppm: Option<u32>,
    /// Probes from there that were lost, in millionths.
    pub loss_in_ppm: Option<u32>,
    /// What the path carries to there, in kilobits of packets inside the tunnel a second, by what came and in what time.
    pub capacity_kbit: Option<u64>,
    /// Why that is not known.
    pub no_capacity: Option<NoCapacity>,
    /// Bytes of packets inside the tunnel that were sent to find that out.
    pub load_sent_bytes: u64,
    /// And those that the far end says have come.
    pub load_received_bytes: u64,
}

/// Why it is not known how much a path carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoCapacity {
    /// An uplink at one of the ends pays for each byte: it is sent no load.
    Metered,
    /// The far end has not said what came.
    Unconfirmed,
}

/// Why a path was not tested. A name for each, see `docs/ipc.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejected {
    /// No such path, or none any more.
    #[error("path-unknown")]
    PathUnknown,
    /// Nothing comes back by it.
    #[error("path-down")]
    PathDown,
    /// A path is being tested.
    #[error("test-running")]
    TestRunning,
    /// As many as may be were tested just now.
    #[error("too-many-tests")]
    TooManyTests,
}
