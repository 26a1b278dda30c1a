//! What `prober` answers: which paths live, how good each is and was; and what `router` tells it.
//!
//! *Spec*: `docs/ipc.md`, section "prober"; `docs/prober.md`.

mod tested;

use std::collections::BTreeMap;

use patronus_types::{Generation, SiteId, UplinkSlot};
use serde::{Deserialize, Serialize};
pub use tested::{NoCapacity, Rejected, Tested};

use crate::{Operation, Protocol};

/// Points in one answer to [`Request::History`].
pub const MOST_POINTS: usize = 720;

/// `prober`'s protocol.
#[derive(Debug)]
pub struct Prober;

impl Protocol for Prober {
    const SERVICE: &'static str = "prober";
    type Request = Request;
    type Reply = Reply;
}

/// What may be asked of `prober`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Follow the state: now, at once when a liveness changes, and otherwise at most every 500 ms.
    Watch,
    /// These paths, and no others, carry traffic or would carry the next flow: they are probed at the hot rate. Until it is asked for the
    /// first time, the counters of `tunnel` decide.
    Roles(Vec<PathId>),
    /// How a path was.
    History {
        /// Which.
        path: PathId,
        /// How far back.
        span: Span,
    },
    /// Measure a path now, with probes and with load: answered when that is over, after 3 seconds at most.
    Test(PathId),
}

impl Operation for Request {
    fn operation(&self) -> &'static str {
        match self {
            Self::Watch => crate::WATCH,
            Self::Roles(_) => "roles",
            Self::History { .. } => "history",
            Self::Test(_) => "test",
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `watch`.
    State(Box<State>),
    /// To `roles`.
    Accepted,
    /// To `history`, oldest first, at most [`MOST_POINTS`]; times in which nothing was measured have no point.
    History(Vec<Point>),
    /// To `test`.
    Tested(Box<Tested>),
    /// To `test`: nothing was sent, or nothing came of it.
    Rejected(Rejected),
}

/// A path: an uplink here, a site, and an uplink there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PathId {
    /// The site at the far end.
    pub site: SiteId,
    /// The slot here.
    pub local: UplinkSlot,
    /// The slot there.
    pub remote: UplinkSlot,
}

/// Every path as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Grows with every change since the service started.
    pub generation: Generation,
    /// Every path that `tunnel` has, by site, local slot and remote slot.
    pub paths: Vec<PathReport>,
    /// Datagrams that were not used, by reason.
    pub rejected: BTreeMap<String, u64>,
}

/// A path as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathReport {
    /// The site at the far end.
    pub site: SiteId,
    /// The slot here.
    pub local: UplinkSlot,
    /// The slot there.
    pub remote: UplinkSlot,
    /// Whether it carries packets, both ways.
    pub liveness: Liveness,
    /// Since when that is so, on the monotonic clock of this boot (`CLOCK_BOOTTIME`), in milliseconds.
    pub since_ms: u64,
    /// How good it is.
    pub measured: Measured,
    /// Whether the uplink here pays for each byte.
    pub is_metered: bool,
}

impl PathReport {
    /// Which path it is.
    #[must_use]
    pub const fn id(&self) -> PathId {
        PathId { site: self.site, local: self.local, remote: self.remote }
    }
}

/// What the last seconds have shown of a path. `None` is what was not measured yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Mean round-trip time, in microseconds.
    pub rtt_us: Option<u32>,
    /// 95th percentile of the same.
    pub rtt_p95_us: Option<u32>,
    /// Interarrival jitter (RFC 3550) of what comes from there.
    pub jitter_us: Option<u32>,
    /// Probes to there that were lost, in millionths.
    pub loss_out_ppm: Option<u32>,
    /// Probes from there that were lost, in millionths.
    pub loss_in_ppm: Option<u32>,
}

/// Whether a path carries packets, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Liveness {
    /// There is no session yet.
    Unknown,
    /// Probes go out; it has not carried one both ways yet.
    Probing,
    /// It does.
    Up,
    /// Something that should have come has not: it is being asked.
    Suspect,
    /// It does not, at least one way.
    Down,
    /// It does again, and is watched for a while before it counts.
    Holding,
}

/// How far back a history goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// Points of 10 seconds.
    Hour,
    /// Points of 5 minutes.
    Day,
    /// Points of an hour.
    Week,
}

/// A path over a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// When the while began, in seconds since 1970.
    pub unix_s: u64,
    /// Mean round-trip time in microseconds; `None` if nothing came back.
    pub rtt_us: Option<u32>,
    /// Shortest of the same.
    pub rtt_min_us: Option<u32>,
    /// 95th percentile of the same; of longer whiles, the highest of their parts'.
    pub rtt_p95_us: Option<u32>,
    /// Interarrival jitter (RFC 3550), the mean.
    pub jitter_us: Option<u32>,
    /// Probes to there that were lost, in millionths.
    pub loss_out_ppm: Option<u32>,
    /// Probes from there that were lost, in millionths.
    pub loss_in_ppm: Option<u32>,
    /// How much of the while the path was alive, in millionths.
    pub up_ppm: u32,
}
