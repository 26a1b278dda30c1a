//! One path: its last report, and how good it has been for each class.

use std::collections::BTreeMap;

use patronus_ipc::{
    prober::{Liveness, PathId, PathReport},
    router::{Cause, What},
};
use patronus_types::{Class, Preset, Treatment, UplinkSlot};

use crate::{
    choice::Rank,
    drains::Drains,
    grade::Grade,
    inputs::Rules,
    limit,
    measure::{Measure, measure},
};

/// One path.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    report: PathReport,
    /// What counts: a `prober` that has just started does not know yet what it knew before.
    liveness: Liveness,
    /// When it was reported last, and when as something that is known.
    seen_ms: u64,
    /// See `seen_ms`.
    known_ms: u64,
    /// Since when something is missing.
    suspect_ms: Option<u64>,
    /// When it was told that it is suspect.
    told_ms: Option<u64>,
    grades: [Grade; Class::ALL.len()],
}

impl Path {
    pub(crate) fn new(now_ms: u64, report: &PathReport, rules: &Rules) -> Self {
        let grade = |class: Class| Grade::new(now_ms, measured(report, class, rules));
        Self {
            report: *report,
            liveness: report.liveness,
            seen_ms: now_ms,
            known_ms: now_ms,
            suspect_ms: None,
            told_ms: None,
            grades: Class::ALL.map(grade),
        }
    }

    /// A new report of it, and what has happened.
    pub(crate) fn handle(&mut self, now_ms: u64, report: &PathReport, rules: &Rules) -> Option<What> {
        let is_known = !matches!(report.liveness, Liveness::Unknown | Liveness::Probing);
        let before = self.liveness;
        self.seen_ms = now_ms;
        if is_known || now_ms.saturating_sub(self.known_ms) > limit::GRACE_MS {
            self.liveness = report.liveness;
        }
        if !is_known {
            return None;
        }
        self.known_ms = now_ms;
        self.report = *report;
        for class in Class::ALL {
            if let Some(grade) = self.grades.get_mut(class.number()) {
                grade.handle(now_ms, measured(report, class, rules));
            }
        }
        self.story(before)
    }

    fn story(&mut self, before: Liveness) -> Option<What> {
        let id = self.report.id();
        let what = match (before, self.liveness) {
            (before, after) if before == after => return None,
            // Where packets are lost, paths are suspected all the time: who reads events is told once a minute.
            (Liveness::Up, Liveness::Suspect) if self.is_news() => What::PathSuspect(id),
            (Liveness::Down | Liveness::Holding, Liveness::Up) => What::PathRecovered(id),
            _ => return self.remember(before, None),
        };
        self.remember(before, Some(what))
    }

    fn remember(&mut self, before: Liveness, what: Option<What>) -> Option<What> {
        match (before, self.liveness) {
            (_, Liveness::Suspect) => self.suspect_ms = Some(self.report.since_ms),
            (Liveness::Suspect, Liveness::Down) => {}
            _ => self.suspect_ms = None,
        }
        what
    }

    fn is_news(&mut self) -> bool {
        let now_ms = self.report.since_ms;
        let is_news = self.told_ms.is_none_or(|told_ms| now_ms.saturating_sub(told_ms) >= limit::SUSPECT_EVERY_MS);
        self.told_ms = if is_news { Some(now_ms) } else { self.told_ms };
        is_news
    }

    /// Time has gone on without a report.
    pub(crate) fn pass(&mut self, now_ms: u64) {
        self.grades.iter_mut().for_each(|grade| grade.pass(now_ms));
    }

    /// The policy has changed: what was measured last is all that counts.
    pub(crate) fn regrade(&mut self, rules: &Rules, now_ms: u64) {
        let report = self.report;
        self.grades = Class::ALL.map(|class| Grade::new(now_ms, measured(&report, class, rules)));
    }

    /// Whether it still exists, as far as is known.
    pub(crate) const fn is_kept(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.seen_ms) <= limit::GRACE_MS
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.grades.iter().any(Grade::is_turning)
    }

    /// Whether it has just died.
    pub(crate) const fn is_fresh_loss(&self, now_ms: u64) -> bool {
        matches!(self.liveness, Liveness::Down) && now_ms.saturating_sub(self.report.since_ms) < limit::DOUBT_MS
    }

    /// A class leaves it because another is better.
    pub(crate) fn leave(&mut self, class: Class, now_ms: u64) {
        if let Some(grade) = self.grades.get_mut(class.number()) {
            grade.leave(now_ms);
        }
    }

    /// From the first sign to the verdict, and from there until now.
    pub(crate) fn times(&self, cause: Cause, now_ms: u64) -> (u32, u32) {
        if cause != Cause::Probes {
            return (0, 0);
        }
        let since_ms = self.report.since_ms;
        let detect_ms = self.suspect_ms.map_or(0, |suspect_ms| since_ms.saturating_sub(suspect_ms));
        let clamp = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX);
        (clamp(detect_ms), clamp(now_ms.saturating_sub(since_ms)))
    }

    pub(crate) const fn liveness(&self) -> Liveness {
        self.liveness
    }

    pub(crate) const fn report(&self) -> &PathReport {
        &self.report
    }

    /// Whether it can carry anything, and if not, why.
    pub(crate) fn rank(&self, id: &PathId, evidence: &BTreeMap<UplinkSlot, Cause>, drains: &Drains) -> (Rank, Cause) {
        if let Some(cause) = evidence.get(&id.local) {
            return (Rank::Dead, *cause);
        }
        let rank = match self.liveness {
            Liveness::Up | Liveness::Suspect => Rank::Alive,
            Liveness::Holding => Rank::Watched,
            Liveness::Unknown | Liveness::Probing => Rank::Unproven,
            Liveness::Down => Rank::Dead,
        };
        if rank <= Rank::Watched && drains.covers(id) { (Rank::Drained, Cause::Drained) } else { (rank, Cause::Probes) }
    }

    /// Tier of its cost for a class.
    pub(crate) fn tier(&self, id: &PathId, treatment: &Treatment, rules: &Rules) -> u8 {
        let is_metered = u8::from(self.report.is_metered);
        match treatment.preset {
            Preset::CostOptimised => cost(rules, id.local).saturating_add(is_metered.saturating_mul(101)),
            _ => is_metered,
        }
    }

    pub(crate) fn grade(&self, class: Class) -> &Grade {
        let [first, ..] = &self.grades;
        self.grades.get(class.number()).unwrap_or(first)
    }
}

fn measured(report: &PathReport, class: Class, rules: &Rules) -> Measure {
    rules.treatments.get(class.number()).map_or_else(Measure::default, |treatment| {
        measure(&report.measured, &treatment.sla, treatment.preset, cost(rules, report.local))
    })
}

fn cost(rules: &Rules, slot: UplinkSlot) -> u8 {
    rules.uplinks.get(&slot).map_or(0, |uplink| uplink.cost)
}
