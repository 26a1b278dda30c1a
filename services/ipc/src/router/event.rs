//! What has happened to paths and to what they carry.

use patronus_types::{Class, SiteId};
use serde::{Deserialize, Serialize};

use crate::prober::PathId;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up from 1 since the service started.
    pub sequence: u64,
    /// When (`CLOCK_BOOTTIME`), in milliseconds.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// Something that should have come by a path has not.
    PathSuspect(PathId),
    /// It counts again.
    PathRecovered(PathId),
    /// A class was moved because its path cannot carry it any more.
    FailoverTriggered {
        /// From where.
        from: PathId,
        /// To where; `None`: nothing is left.
        to: Option<PathId>,
        /// What.
        class: Class,
        /// Why.
        cause: Cause,
        /// From the first sign to the verdict, in milliseconds.
        detect_ms: u32,
        /// From the verdict to the new choice, in milliseconds.
        switch_ms: u32,
    },
    /// A class is carried by another path, because that is better.
    PathChosen {
        /// From where.
        from: PathId,
        /// To where.
        to: PathId,
        /// What.
        class: Class,
    },
    /// No path to a site is good enough for a class.
    SlaViolated(SiteId, Class),
    /// One is again.
    SlaRestored(SiteId, Class),
    /// A new policy is in force.
    PolicyApplied,
}

/// Why a path cannot carry a class any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nothing comes back by it.
    Probes,
    /// The uplink has lost its cable.
    LinkDown,
    /// The uplink has lost its address.
    AddressGone,
    /// It is not good enough for the class.
    SlaViolated,
    /// A person drains it.
    Drained,
    /// The policy does not let it any more.
    Policy,
    /// There is no such path any more.
    Gone,
}

impl Cause {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Probes => "probes",
            Self::LinkDown => "link-down",
            Self::AddressGone => "address-gone",
            Self::SlaViolated => "sla-violated",
            Self::Drained => "drained",
            Self::Policy => "policy",
            Self::Gone => "gone",
        }
    }
}
