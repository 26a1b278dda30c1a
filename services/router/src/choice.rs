//! The order of the paths of one class to one site.
//!
//! *Does*: leave at once what carries nothing; move to what is better only when that is clear, and was so for a while.
//! *Never does*: leave the last path; move to a worse one.
//! *Spec*: `docs/router.md`, section "The decision".

use std::cmp::Ordering;

use patronus_ipc::{
    prober::{Liveness, PathId},
    router::{Cause, SlaState, Verdict},
};
use patronus_types::{Failback, OnViolation, Strategy, Treatment};

use crate::{grade::Grade, limit};

/// Whether a path can carry anything; lower ones come first, whatever is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// It is alive.
    Alive,
    /// It is back, and watched for a while.
    Watched,
    /// It shares an uplink with one that has just died, and what killed that one may have killed this one as well.
    Doubted,
    /// It is alive, and a person wants it to carry nothing.
    Drained,
    /// It has not shown yet that it carries anything.
    Unproven,
    /// It carries nothing.
    Dead,
}

/// A path as the decision sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) path: PathId,
    pub(crate) rank: Rank,
    pub(crate) liveness: Liveness,
    /// Why it is not alive, if it is not.
    pub(crate) cause: Cause,
    /// Lower ones come first among those that are good enough.
    pub(crate) tier: u8,
    /// Place of its uplink in the list of those that are allowed.
    pub(crate) place: usize,
    pub(crate) grade: &'a Grade,
}

/// What has come of a look at the candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The first path carries the class no longer, for this reason.
    Failover(PathId, Option<PathId>, Cause),
    /// There is a better one; or one that costs less, or that the policy prefers.
    Better(PathId, PathId),
    /// See [`Self::Better`].
    Preferred(PathId, PathId),
}

/// The order, and who is about to become the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    order: Vec<PathId>,
    /// Better than the first, and since when.
    challenger: Option<(PathId, u64)>,
}

impl Choice {
    /// Which, the best first.
    pub(crate) fn order(&self) -> &[PathId] {
        &self.order
    }

    /// Whether something will change with time alone.
    pub(crate) const fn is_pending(&self) -> bool {
        self.challenger.is_some()
    }

    /// Looks at the candidates, all of them allowed.
    pub(crate) fn decide(&mut self, candidates: &[Candidate<'_>], treatment: &Treatment, now_ms: u64) -> Option<Move> {
        let before = self.order.first().copied();
        let mut known = self.sort(candidates, treatment, now_ms);
        let first = known.first().copied();
        let moved = match (before, first.map(|first| first.path)) {
            (Some(before), now) if Some(before) != now => {
                let cause = candidates.iter().find(|candidate| candidate.path == before).map(|gone| gone.cause);
                Some(Move::Failover(before, now, cause.unwrap_or(Cause::Gone)))
            }
            _ => None,
        };
        let moved = moved.or_else(|| self.challenge(&mut known, treatment, now_ms));
        self.order = known.iter().map(|candidate| candidate.path).collect();
        moved
    }

    /// By rank; within a rank as before, new ones by what they are.
    fn sort<'a>(&self, candidates: &[Candidate<'a>], treatment: &Treatment, now_ms: u64) -> Vec<Candidate<'a>> {
        let place = |path: &PathId| self.order.iter().position(|known| known == path);
        let mut sorted = candidates.to_vec();
        sorted.sort_by(|a, b| {
            let by_place = match (place(&a.path), place(&b.path)) {
                (Some(a), Some(b)) => a.cmp(&b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => compare(a, b, treatment, now_ms),
            };
            a.rank.cmp(&b.rank).then(by_place)
        });
        // Those behind the first move without delay, but not for noise.
        for _ in 1..sorted.len() {
            let mut is_moved = false;
            for at in 1..sorted.len().saturating_sub(1) {
                let (Some(a), Some(b)) = (sorted.get(at), sorted.get(at + 1)) else { break };
                if a.rank == b.rank && beats(b, a, treatment, now_ms).is_some() {
                    sorted.swap(at, at + 1);
                    is_moved = true;
                }
            }
            if !is_moved {
                break;
            }
        }
        sorted
    }

    /// Somebody who beats the first for long enough takes its place.
    fn challenge(&mut self, known: &mut Vec<Candidate<'_>>, treatment: &Treatment, now_ms: u64) -> Option<Move> {
        let first = known.first().copied()?;
        let mut best: Option<(usize, Candidate<'_>, Reason)> = None;
        for (at, other) in known.iter().enumerate().skip(1) {
            if other.rank != Rank::Alive || other.liveness != Liveness::Up {
                continue;
            }
            let Some(reason) = beats(other, &first, treatment, now_ms) else { continue };
            if best.as_ref().is_none_or(|(_, best, _)| compare(other, best, treatment, now_ms).is_lt()) {
                best = Some((at, *other, reason));
            }
        }
        let Some((at, best, reason)) = best else {
            self.challenger = None;
            return None;
        };
        let since_ms = match self.challenger {
            Some((path, since_ms)) if path == best.path => since_ms,
            _ => now_ms,
        };
        if now_ms.saturating_sub(since_ms) < limit::DWELL_MS {
            self.challenger = Some((best.path, since_ms));
            return None;
        }
        self.challenger = None;
        known.get_mut(..=at)?.rotate_right(1);
        Some(match reason {
            Reason::Sla => Move::Failover(first.path, Some(best.path), Cause::SlaViolated),
            Reason::Better => Move::Better(first.path, best.path),
            Reason::Preferred => Move::Preferred(first.path, best.path),
        })
    }
}

/// Why one path beats another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The other is not good enough, this one is.
    Sla,
    /// It is clearly better.
    Better,
    /// It is cheaper, or the policy says so.
    Preferred,
}

/// Whether a class should move from `current` to `other`, both of one rank.
fn beats(other: &Candidate<'_>, current: &Candidate<'_>, treatment: &Treatment, now_ms: u64) -> Option<Reason> {
    if treatment.strategy == Strategy::Pin {
        return (other.place < current.place).then_some(Reason::Preferred);
    }
    match (other.grade.sla(now_ms), current.grade.sla(now_ms)) {
        (SlaState::Met, SlaState::Violated) => {
            let is_left = treatment.on_violation == OnViolation::Leave && other.grade.beats_at_once(current.grade);
            is_left.then_some(Reason::Sla)
        }
        (SlaState::Violated, SlaState::Met) => None,
        (both, _) => match other.tier.cmp(&current.tier) {
            Ordering::Less => Some(Reason::Preferred),
            Ordering::Greater => None,
            Ordering::Equal => {
                let may = treatment.failback != Failback::Stay || both == SlaState::Violated;
                (may && other.grade.beats(current.grade, now_ms)).then_some(Reason::Better)
            }
        },
    }
}

/// Which of two is to be preferred when neither carries anything yet.
fn compare(a: &Candidate<'_>, b: &Candidate<'_>, treatment: &Treatment, now_ms: u64) -> Ordering {
    let by_place = if treatment.strategy == Strategy::Pin { a.place.cmp(&b.place) } else { Ordering::Equal };
    by_place
        .then_with(|| a.grade.sla(now_ms).cmp(&b.grade.sla(now_ms)))
        .then_with(|| a.tier.cmp(&b.tier))
        .then_with(|| {
            let gain = a.grade.sum(now_ms) - b.grade.sum(now_ms);
            // Less than what is felt is decided by the slot, so that both ends and all restarts come to the same.
            if gain.abs() < limit::LEAST_GAIN { Ordering::Equal } else { gain.total_cmp(&0.0) }
        })
        .then_with(|| a.path.cmp(&b.path))
}

/// What is said of a path that is not the first.
pub(crate) fn verdict(
    candidate: &Candidate<'_>,
    first: &Candidate<'_>,
    is_shared: bool,
    treatment: &Treatment,
    now_ms: u64,
) -> Verdict {
    match candidate.rank {
        _ if candidate.path == first.path => Verdict::Chosen,
        Rank::Dead => Verdict::Dead,
        Rank::Unproven | Rank::Watched | Rank::Doubted => Verdict::Unproven,
        Rank::Drained => Verdict::Drained,
        Rank::Alive if is_shared => Verdict::Shares,
        Rank::Alive if candidate.grade.held_until_ms(now_ms).is_some() => Verdict::Held,
        Rank::Alive if candidate.grade.sla == SlaState::Violated && first.grade.sla == SlaState::Met => {
            Verdict::NotGoodEnough
        }
        Rank::Alive if candidate.tier > first.tier && treatment.strategy != Strategy::Pin => Verdict::CostsMore,
        Rank::Alive => Verdict::NotBetter,
    }
}
