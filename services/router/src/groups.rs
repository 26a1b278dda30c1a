//! From the order of paths to the groups that packets are steered by.

use std::collections::BTreeMap;

use patronus_ipc::{
    prober::PathId,
    router::{Group, MOST_PATHS, Mode, SlaState, Way},
};
use patronus_types::{Class, Failback, Preset, Strategy, Treatment};

use crate::{
    choice::{Candidate, Rank},
    drains::Drains,
};

/// Weights lie between 1 and this.
const MOST_WEIGHT: f64 = 16.0;

/// The weights that are in force: they follow what is measured in steps only, because each step moves flows.
pub(crate) type Weights = BTreeMap<(PathId, Class), u8>;

/// The group of a class to a site, from its paths in order.
pub(crate) fn group(
    candidates: &[Candidate<'_>],
    order: &[PathId],
    treatment: &Treatment,
    class: Class,
    drains: &Drains,
    weights: &mut Weights,
) -> Group {
    let way = |path: &PathId| {
        let wanted = candidates.iter().find(|one| one.path == *path).map_or(1.0, share);
        Way {
            local: path.local,
            remote: path.remote,
            weight: step(weights.entry((*path, class)).or_insert(0), wanted),
            epoch: if drains.covers(path) { drains.epoch() } else { 0 },
        }
    };
    let mode = mode(treatment.strategy);
    let spread = spread(order, candidates, treatment);
    let order = if spread == 1 || mode == Mode::Duplicate { apart(order, candidates) } else { order.to_vec() };
    let sticks = match mode {
        Mode::FlowHash => treatment.failback == Failback::Drain,
        Mode::Duplicate => false,
        _ => true,
    };
    Group {
        mode,
        spread,
        is_sticky: sticks,
        is_strict: !treatment.uplinks.is_empty(),
        is_insured: is_insured(&order, candidates, treatment),
        ways: order.iter().take(MOST_PATHS).map(way).collect(),
    }
}

/// The next after the first is one that shares no uplink with it, if such a one carries anything: what kills the first would kill the other as well, and
/// packets would be lost until that, too, is known.
fn apart(order: &[PathId], candidates: &[Candidate<'_>]) -> Vec<PathId> {
    let mut order = order.to_vec();
    let Some(first) = order.first().copied() else { return order };
    let carries = |path: &PathId| candidates.iter().any(|one| one.path == *path && one.rank <= Rank::Watched);
    let find = |is_apart: &dyn Fn(&PathId) -> bool| {
        order.iter().skip(1).position(|path| carries(path) && is_apart(path)).map(|place| place + 1)
    };
    let place = find(&|path| path.local != first.local && path.remote != first.remote)
        .or_else(|| find(&|path| path.local != first.local));
    if let Some(rotated) = place.and_then(|place| order.get_mut(1..=place)) {
        rotated.rotate_right(1);
    }
    order
}

/// What cannot wait is insured against the death of its path, unless that would cost more than the path itself.
fn is_insured(order: &[PathId], candidates: &[Candidate<'_>], treatment: &Treatment) -> bool {
    let tier = |place: usize| candidates.iter().find(|one| order.get(place) == Some(&one.path)).map(|one| one.tier);
    treatment.preset == Preset::LatencySensitive && tier(1).is_some_and(|second| Some(second) <= tier(0))
}

const fn mode(strategy: Strategy) -> Mode {
    match strategy {
        Strategy::Best | Strategy::Pin | Strategy::FlowHash => Mode::FlowHash,
        Strategy::RoundRobin => Mode::RoundRobin,
        Strategy::Weighted => Mode::Weighted,
        Strategy::LeastConnections => Mode::LeastConnections,
        Strategy::Duplicate => Mode::Duplicate,
    }
}

/// Over how many of the first paths the class is spread: those that are as good as the first by rank, SLA and cost. What is sent twice takes whatever carries
/// anything.
fn spread(order: &[PathId], candidates: &[Candidate<'_>], treatment: &Treatment) -> u8 {
    if matches!(treatment.strategy, Strategy::Best | Strategy::Pin) {
        return 1;
    }
    if treatment.strategy == Strategy::Duplicate {
        let carries = |path: &PathId| candidates.iter().any(|one| one.path == *path && one.rank <= Rank::Doubted);
        return if order.iter().take(2).filter(|path| carries(path)).count() == 2 { 2 } else { 1 };
    }
    let worth = |path: &PathId| -> Option<(Rank, SlaState, u8)> {
        let one = candidates.iter().find(|one| one.path == *path)?;
        Some((one.rank, one.grade.sla, one.tier))
    };
    let first = order.first().and_then(worth);
    let alike = order.iter().take(MOST_PATHS).take_while(|path| worth(path) == first).count();
    u8::try_from(alike).unwrap_or(1).max(1)
}

/// What part of the flows a path should have: the better, the more.
fn share(candidate: &Candidate<'_>) -> f64 {
    MOST_WEIGHT / (1.0 + 4.0 * candidate.grade.mean())
}

/// A weight follows when it is off by a third.
fn step(weight: &mut u8, wanted: f64) -> u8 {
    let now = f64::from(*weight);
    if wanted > now * 1.34 || wanted * 1.34 < now {
        // In range by the clamp.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rounded = wanted.round().clamp(1.0, MOST_WEIGHT) as u8;
        *weight = rounded;
    }
    (*weight).max(1)
}
