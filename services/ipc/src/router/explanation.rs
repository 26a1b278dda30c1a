//! Why a class takes the path that it takes.

use patronus_types::{Class, Preset, SiteId, Sla, Strategy};
use serde::{Deserialize, Serialize};

use crate::prober::{Liveness, PathId};

/// To one site, each class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Which site.
    pub site: SiteId,
    /// In the order of [`Class::ALL`].
    pub classes: Vec<ClassState>,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassState {
    /// Which.
    pub class: Class,
    /// What is good enough.
    pub sla: Sla,
    /// What matters.
    pub preset: Preset,
    /// How a path is chosen.
    pub strategy: Strategy,
    /// All paths to the site, the chosen one first.
    pub candidates: Vec<Candidate>,
}

/// A path as seen by a class. Thousandths are of what the SLA allows: 1000 is just good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Which path.
    pub path: PathId,
    /// What was decided.
    pub verdict: Verdict,
    /// Whether it lives.
    pub liveness: Liveness,
    /// Whether it is good enough.
    pub sla: SlaState,
    /// Tier of its cost: lower ones come first.
    pub cost_tier: u8,
    /// Round trip.
    pub latency: Term,
    /// Jitter.
    pub jitter: Term,
    /// Loss.
    pub loss: Term,
    /// Weighted sum of the three and the cost, in thousandths; lower is better.
    pub sum_milli: u32,
    /// For people: 100 is perfect, 50 is just good enough, 0 carries nothing.
    pub score: u8,
    /// When it may be chosen again (`CLOCK_BOOTTIME`), if it was left lately because it was not good enough.
    pub held_until_ms: Option<u64>,
}

/// One measure of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// As it was measured: microseconds or millionths; `None` until it was.
    pub measured: Option<u32>,
    /// Of what is allowed, in thousandths.
    pub milli: u32,
    /// Its weight, in thousandths.
    pub weight_milli: u32,
}

/// What was decided about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It carries the class.
    Chosen,
    /// It carries part of it.
    Shares,
    /// It is not better, or not by enough, or not for long enough.
    NotBetter,
    /// It is not good enough for the class.
    NotGoodEnough,
    /// It was left lately because it was not good enough, and must wait.
    Held,
    /// It costs more.
    CostsMore,
    /// A person drains it.
    Drained,
    /// It is not proven yet, or is being watched.
    Unproven,
    /// It carries nothing.
    Dead,
    /// The policy does not let it.
    NotAllowed,
}

/// Whether a path is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlaState {
    /// It is.
    Met,
    /// It is not.
    Violated,
}
