//! What `router` answers: which path carries which class to which site, why, and what has changed; and what a person asks of it.
//!
//! *Spec*: `docs/ipc.md`, section "router"; `docs/router.md`.

mod event;
mod explanation;

pub use event::{Cause, Event, What};
pub use explanation::{Candidate, ClassState, Explanation, SlaState, Term, Verdict};
use patronus_types::{Class, ClassRule, Document, Generation, IpNet, SiteId, UplinkSlot};
use serde::{Deserialize, Serialize};

use crate::{Operation, Protocol, prober::PathId};

/// Paths in one group: the best.
pub const MOST_PATHS: usize = 16;
/// Events in one state: the last.
pub const MOST_EVENTS: usize = 64;
/// Drains at a time.
pub const MOST_DRAINS: usize = 64;

/// `router`'s protocol.
#[derive(Debug)]
pub struct Router;

impl Protocol for Router {
    const SERVICE: &'static str = "router";
    type Request = Request;
    type Reply = Reply;

    /// Generation 0 is a `router` that has not heard of sites or paths yet: what it said before its restart stays in force.
    fn is_set(snapshot: &Reply) -> bool {
        !matches!(snapshot, Reply::State(state) if state.generation == Generation(0))
    }
}

/// What may be asked of `router`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Follow the state: now and at each change.
    Watch,
    /// Why each class takes the path that it takes to a site.
    Explain(SiteId),
    /// How sites would be reached with this document; nothing is changed.
    DryRun(Box<Document>),
    /// New traffic leaves this now, all of it after so many seconds.
    Drain(Drainable, u32),
    /// This carries traffic again.
    Undrain(Drainable),
}

impl Operation for Request {
    fn operation(&self) -> &'static str {
        match self {
            Self::Watch => crate::WATCH,
            Self::Explain(_) | Self::DryRun(_) => "explain",
            Self::Drain(..) | Self::Undrain(_) => "drain",
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `watch`.
    State(Box<State>),
    /// To `explain`.
    Explanation(Box<Explanation>),
    /// To a dry run: as [`State::sites`].
    Sites(Vec<Site>),
    /// To `drain`: it is in force.
    Accepted,
    /// Nothing was changed.
    Rejected(Rejected),
}

/// Why nothing was changed. A name for each, see `docs/ipc.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejected {
    /// No such site.
    #[error("site-unknown")]
    SiteUnknown,
    /// No such path.
    #[error("path-unknown")]
    PathUnknown,
    /// No such uplink.
    #[error("uplink-unknown")]
    UplinkUnknown,
    /// [`MOST_DRAINS`] are there.
    #[error("too-many-drains")]
    TooManyDrains,
    /// It cannot be kept over a restart.
    #[error("no-space")]
    NoSpace,
}

/// What carries traffic and can be relieved of it. The last that lives carries on all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drainable {
    /// All paths of an uplink of this box.
    Uplink(UplinkSlot),
    /// One path.
    Path(PathId),
    /// All direct paths to a site.
    Site(SiteId),
}

impl Drainable {
    /// Whether a path is meant.
    #[must_use]
    pub fn covers(&self, path: &PathId) -> bool {
        match self {
            Self::Uplink(slot) => path.local == *slot,
            Self::Path(drained) => path == drained,
            Self::Site(site) => path.site == *site,
        }
    }
}

/// Everything that `datapath` and `tunnel` follow, and what people see of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Grows with every change since the service started.
    pub generation: Generation,
    /// Which traffic is of which class: the first that matches.
    pub rules: Vec<ClassRule>,
    /// The other members.
    pub sites: Vec<Site>,
    /// What carries no new traffic.
    pub drains: Vec<Drain>,
    /// When the service started (`CLOCK_BOOTTIME`), in milliseconds: event numbers begin anew then.
    pub started_ms: u64,
    /// The last events, oldest first.
    pub events: Vec<Event>,
}

/// How a site is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Which.
    pub id: SiteId,
    /// What is behind it.
    pub prefixes: Vec<IpNet>,
    /// One for each class, in the order of [`Class::ALL`].
    pub groups: Vec<Group>,
}

/// The paths of one class to one site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// How flows are spread over the first paths.
    pub mode: Mode,
    /// Over how many of them.
    pub spread: u8,
    /// Flows stay on the path that they began on while it lives.
    pub is_sticky: bool,
    /// If none of the paths lives, nothing else may carry it either.
    pub is_strict: bool,
    /// While its path is suspected, each packet goes by the next one, too.
    pub is_insured: bool,
    /// Which, the best first.
    pub ways: Vec<Way>,
}

/// One path of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The slot here.
    pub local: UplinkSlot,
    /// The slot there.
    pub remote: UplinkSlot,
    /// Its share of the flows, compared with the others'.
    pub weight: u8,
    /// Changes when flows that stick to it must leave.
    pub epoch: u8,
}

/// How flows are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By what a flow is: the same flow, the same path.
    #[default]
    FlowHash,
    /// One after the other.
    RoundRobin,
    /// By the weights.
    Weighted,
    /// To where the fewest are.
    LeastConnections,
    /// Each packet by the first two.
    Duplicate,
}

/// Something that carries no new traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// What.
    pub what: Drainable,
    /// When the last flow leaves it (`CLOCK_BOOTTIME`), in milliseconds.
    pub until_ms: u64,
}

/// The group of a class.
impl Site {
    /// Of this one.
    #[must_use]
    pub fn group(&self, class: Class) -> Option<&Group> {
        self.groups.get(class.number())
    }
}
