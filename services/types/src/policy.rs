//! Which traffic is of which class, and how each class is carried between sites.
//!
//! *Does*: the shape of the document's `policy`, and what stands where a person has written nothing.
//! *Never does*: rules across fields (they are in `services/config`), decisions (they are in `services/router`).
//! *Spec*: `docs/router.md`.

mod defaults;
mod rule;

use std::collections::BTreeMap;

pub use rule::{ClassRule, Dscp, Traffic};
use serde::{Deserialize, Serialize};

use crate::{Class, UplinkName};

/// The policy of one site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What matters for classes that say nothing else.
    pub preset: Option<Preset>,
    /// What a person has decided about a class.
    #[serde(rename = "class")]
    pub classes: BTreeMap<Class, ClassPolicy>,
    /// Which traffic is of which class; the first that matches. Behind them stand the built-in ones.
    #[serde(rename = "rule")]
    pub rules: Vec<ClassRule>,
}

/// What a person has decided about a class; the rest is built in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassPolicy {
    /// What matters for it.
    pub preset: Option<Preset>,
    /// Longest round trip that is good enough.
    pub latency_ms: Option<u32>,
    /// Most jitter (RFC 3550).
    pub jitter_ms: Option<u32>,
    /// Most packets lost in a thousand.
    pub loss_permille: Option<u32>,
    /// How a path is chosen.
    pub strategy: Option<Strategy>,
    /// What becomes of it when its path is not good enough and another is.
    pub on_violation: Option<OnViolation>,
    /// What becomes of it when a better path comes back.
    pub failback: Option<Failback>,
    /// The only uplinks that may carry it; none named are all.
    pub uplinks: Vec<UplinkName>,
}

/// What matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Short and even delay.
    LatencySensitive,
    /// Little loss.
    ThroughputFocused,
    /// The cheapest uplink that is good enough.
    CostOptimised,
    /// A little of each.
    Balanced,
}

/// How a path is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// All by the best path.
    Best,
    /// By the uplinks in the order in which they are named, whatever is better, as long as they live.
    Pin,
    /// Spread over all good paths: by what a flow is.
    FlowHash,
    /// Spread: one flow after the other.
    RoundRobin,
    /// Spread: more flows to better paths.
    Weighted,
    /// Spread: to where the fewest flows are.
    LeastConnections,
    /// Each packet by the two best paths at once; the other site hands it on once.
    Duplicate,
}

/// What becomes of a class when its path is not good enough and another is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnViolation {
    /// It leaves.
    Leave,
    /// It stays as long as the path lives.
    Stay,
}

/// What becomes of a class when a better path comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failback {
    /// It stays where it is, unless that costs more.
    Stay,
    /// New flows take the better path, those that are there stay where they are.
    Drain,
    /// All of it takes the better path.
    Force,
}

/// How a class is carried: every question answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Treatment {
    /// What matters.
    pub preset: Preset,
    /// What is good enough.
    #[serde(flatten)]
    pub sla: Sla,
    /// How a path is chosen.
    pub strategy: Strategy,
    /// When a path is not good enough.
    pub on_violation: OnViolation,
    /// When a better one comes back.
    pub failback: Failback,
    /// The only uplinks that may carry it; none named are all.
    pub uplinks: Vec<UplinkName>,
}

/// What is good enough. None of it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sla {
    /// Round trip.
    pub latency_ms: u32,
    /// Jitter (RFC 3550).
    pub jitter_ms: u32,
    /// Packets lost in a thousand.
    pub loss_permille: u32,
}

impl Policy {
    /// How a class is carried.
    #[must_use]
    pub fn treatment(&self, class: Class) -> Treatment {
        let said = self.classes.get(&class).cloned().unwrap_or_default();
        let built_in = defaults::sla(class);
        Treatment {
            preset: said.preset.or(self.preset).unwrap_or_else(|| defaults::preset(class)),
            sla: Sla {
                latency_ms: said.latency_ms.unwrap_or(built_in.latency_ms).max(1),
                jitter_ms: said.jitter_ms.unwrap_or(built_in.jitter_ms).max(1),
                loss_permille: said.loss_permille.unwrap_or(built_in.loss_permille).max(1),
            },
            strategy: said.strategy.unwrap_or(Strategy::Best),
            on_violation: said.on_violation.unwrap_or(OnViolation::Leave),
            failback: said.failback.unwrap_or_else(|| defaults::failback(class)),
            uplinks: said.uplinks,
        }
    }

    /// All rules in the order in which they are asked: the person's, then the built-in ones.
    #[must_use]
    pub fn all_rules(&self) -> Vec<ClassRule> {
        self.rules.iter().cloned().chain(defaults::rules()).collect()
    }
}
