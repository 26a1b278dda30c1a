//! Which path carries which class of traffic to which site.
//!
//! *Does*: from what is measured, what the policy says and what the uplinks tell, put the paths to each site in order for each class; say why; tell
//! what has changed.
//! *Never does*: touch a packet, a route or a device; look at a clock: time is an argument, in milliseconds of `CLOCK_BOOTTIME`.
//! *Spec*: `docs/router.md`.
#![forbid(unsafe_code)]

mod choice;
mod drains;
mod explain;
mod grade;
mod groups;
mod inputs;
mod journal;
pub mod limit;
mod measure;
mod path;
mod shell;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use patronus_ipc::{
    link, mesh,
    prober::{self, PathId},
    router::{Cause, Drain, Drainable, Explanation, Group, Rejected, Site, SlaState, State, Way, What},
};
use patronus_types::{Class, Document, Generation, IpNet, SiteId, UplinkSlot};

use crate::{
    choice::{Candidate, Choice, Move, Rank},
    drains::Drains,
    inputs::Rules,
    journal::Journal,
    path::Path,
};

// The shell names the core as any other user does.
extern crate self as patronus_router;

/// The service: runs until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    patronus_ipc::run("router", shell::service::run)
}

/// The decision, with all that it is made from.
#[derive(Clone, Debug, Default)]
pub struct Router {
    started_ms: u64,
    generation: Generation,
    rules: Rules,
    sites: BTreeMap<SiteId, Vec<IpNet>>,
    /// `mesh` has said who they are.
    is_told: bool,
    evidence: BTreeMap<UplinkSlot, Cause>,
    paths: BTreeMap<PathId, Path>,
    choices: BTreeMap<(SiteId, Class), Choice>,
    violated: BTreeSet<(SiteId, Class)>,
    groups: BTreeMap<(SiteId, Class), Group>,
    weights: groups::Weights,
    drains: Drains,
    journal: Journal,
    /// Something is other than in `state`, beside events and drains.
    is_changed: bool,
    state: State,
}

impl Router {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self { started_ms: now_ms, ..Self::default() }
    }

    /// What a person has decided.
    pub fn handle_config(&mut self, now_ms: u64, document: &Document) {
        let rules = Rules::read(document);
        if rules != self.rules {
            self.rules = rules;
            self.is_changed = true;
            self.journal.add(now_ms, What::PolicyApplied);
            // What was measured stays, what it is related to does not.
            self.paths.values_mut().for_each(|path| path.regrade(&self.rules, now_ms));
            self.decide(now_ms);
        }
    }

    /// Who is a member, with which prefixes.
    pub fn handle_mesh(&mut self, now_ms: u64, mesh: &mesh::State) {
        // A `mesh` that has just started does not know who it is.
        if mesh.site.is_none() {
            return;
        }
        let sites = inputs::sites(mesh);
        if sites != self.sites || !self.is_told {
            self.is_told = true;
            self.sites = sites;
            self.is_changed = true;
            self.decide(now_ms);
        }
    }

    /// Which uplinks have cable and address.
    pub fn handle_link(&mut self, now_ms: u64, link: &link::State) {
        let evidence = inputs::evidence(link);
        if evidence != self.evidence {
            self.evidence = evidence;
            self.decide(now_ms);
        }
    }

    /// How the paths are.
    pub fn handle_paths(&mut self, now_ms: u64, reports: &prober::State) {
        for report in &reports.paths {
            let has_room = self.paths.len() < limit::PATHS;
            match self.paths.get_mut(&report.id()) {
                Some(path) => {
                    if let Some(what) = path.handle(now_ms, report, &self.rules) {
                        self.journal.add(now_ms, what);
                    }
                }
                None if has_room => {
                    self.paths.insert(report.id(), Path::new(now_ms, report, &self.rules));
                }
                None => {}
            }
        }
        self.paths.retain(|_, path| path.is_kept(now_ms));
        self.decide(now_ms);
    }

    /// Time has gone on.
    pub fn handle_time(&mut self, now_ms: u64) {
        self.paths.values_mut().for_each(|path| path.pass(now_ms));
        self.drains.pass(now_ms);
        self.decide(now_ms);
    }

    /// When to call [`Self::handle_time`], if nothing else is heard.
    #[must_use]
    pub fn deadline_ms(&self, now_ms: u64) -> Option<u64> {
        let is_pending = self.choices.values().any(Choice::is_pending)
            || self.paths.values().any(|path| path.is_pending() || path.is_fresh_loss(now_ms))
            || !self.drains.list().is_empty();
        is_pending.then_some(now_ms + limit::LOOK_MS)
    }

    /// What others follow.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The paths that carry traffic, and of each class to each site the one that would be next: `prober` looks at these most often.
    #[must_use]
    pub fn hot(&self) -> Vec<PathId> {
        let of_group = |((site, _), group): (&(SiteId, Class), &Group)| {
            let (site, count) = (*site, usize::from(group.spread) + 1);
            let path = move |way: &Way| PathId { site, local: way.local, remote: way.remote };
            group.ways.iter().take(count).map(path).collect::<Vec<_>>()
        };
        let hot: BTreeSet<PathId> = self.groups.iter().flat_map(of_group).collect();
        hot.into_iter().collect()
    }

    /// Why each class takes the path that it takes to a site.
    #[must_use]
    pub fn explain(&self, site: SiteId, now_ms: u64) -> Option<Explanation> {
        self.sites.contains_key(&site).then(|| explain::explanation(self, site, now_ms))
    }

    /// New traffic leaves this now, all of it after so many seconds.
    ///
    /// # Errors
    /// There is no such thing, or there are too many already.
    pub fn drain(&mut self, now_ms: u64, what: Drainable, within_s: u32) -> Result<(), Rejected> {
        self.find(&what)?;
        self.drains.begin(what, now_ms + u64::from(within_s) * 1000)?;
        self.decide(now_ms);
        Ok(())
    }

    /// This carries traffic again.
    ///
    /// # Errors
    /// It is not drained, and there is no such thing.
    pub fn undrain(&mut self, now_ms: u64, what: Drainable) -> Result<(), Rejected> {
        if !self.drains.end(&what) {
            self.find(&what)?;
        }
        self.decide(now_ms);
        Ok(())
    }

    /// How sites would be reached with another document once things have settled, if nothing else changes.
    #[must_use]
    pub fn dry_run(&self, now_ms: u64, document: &Document) -> Vec<Site> {
        let mut other = self.clone();
        other.handle_config(now_ms, document);
        for look in 1..=limit::DRY_RUN_LOOKS {
            other.handle_time(now_ms + look * limit::DRY_RUN_EVERY_MS);
        }
        other.state.sites
    }

    /// All that is drained.
    #[must_use]
    pub fn drains(&self) -> &[Drain] {
        self.drains.list()
    }

    /// These are drained and no others, whether what they name is there or will be.
    pub fn restore_drains(&mut self, now_ms: u64, drains: Vec<Drain>) {
        self.drains.restore(drains);
        self.decide(now_ms);
    }

    fn find(&self, what: &Drainable) -> Result<(), Rejected> {
        let (is_there, otherwise) = match what {
            Drainable::Uplink(slot) => (self.rules.uplinks.contains_key(slot), Rejected::UplinkUnknown),
            Drainable::Path(path) => (self.paths.contains_key(path), Rejected::PathUnknown),
            Drainable::Site(site) => (self.sites.contains_key(site), Rejected::SiteUnknown),
        };
        if is_there { Ok(()) } else { Err(otherwise) }
    }

    fn decide(&mut self, now_ms: u64) {
        // Before it is known who is a member and how the paths are, what the last run said is better than nothing.
        let is_measured = !self.paths.is_empty() || self.sites.is_empty() || self.generation > Generation(0);
        if !self.is_told || !is_measured {
            return;
        }
        let sites: Vec<SiteId> = self.sites.keys().copied().collect();
        self.choices.retain(|(site, _), _| self.sites.contains_key(site));
        self.violated.retain(|(site, _)| self.sites.contains_key(site));
        self.groups.retain(|(site, _), _| self.sites.contains_key(site));
        for site in sites {
            for class in Class::ALL {
                self.decide_one(site, class, now_ms);
            }
        }
        self.publish();
    }

    fn decide_one(&mut self, site: SiteId, class: Class, now_ms: u64) {
        let Some(treatment) = self.rules.treatments.get(class.number()).cloned() else { return };
        let mut choice = self.choices.remove(&(site, class)).unwrap_or_default();
        let mut weights = std::mem::take(&mut self.weights);
        let candidates = self.candidates(site, class, choice.order().first(), now_ms);
        let moved = choice.decide(&candidates, &treatment, now_ms);
        let first = choice.order().first();
        let first = candidates.iter().find(|candidate| Some(&candidate.path) == first);
        let is_violated = first.is_some_and(|first| first.grade.sla == SlaState::Violated);
        let group = groups::group(&candidates, choice.order(), &treatment, class, &self.drains, &mut weights);
        self.weights = weights;
        if self.groups.get(&(site, class)) != Some(&group) {
            self.groups.insert((site, class), group);
            self.is_changed = true;
        }
        if let Some(moved) = moved {
            self.tell(moved, class, now_ms);
        } else if !choice.is_pending() {
            self.note_sla(site, class, is_violated, now_ms);
        }
        self.choices.insert((site, class), choice);
    }

    fn tell(&mut self, moved: Move, class: Class, now_ms: u64) {
        // What was left because of how it was is not taken back soon: traffic makes paths worse, and its absence better.
        if let Move::Better(from, _) | Move::Failover(from, _, Cause::SlaViolated) = moved
            && let Some(path) = self.paths.get_mut(&from)
        {
            path.leave(class, now_ms);
        }
        let what = match moved {
            Move::Better(from, to) | Move::Preferred(from, to) => What::PathChosen { from, to, class },
            Move::Failover(from, to, cause) => {
                let path = self.paths.get(&from);
                let (detect_ms, switch_ms) = path.map_or((0, 0), |path| path.times(cause, now_ms));
                What::FailoverTriggered { from, to, class, cause, detect_ms, switch_ms }
            }
        };
        self.journal.add(now_ms, what);
    }

    fn note_sla(&mut self, site: SiteId, class: Class, is_violated: bool, now_ms: u64) {
        if is_violated && self.violated.insert((site, class)) {
            self.journal.add(now_ms, What::SlaViolated(site, class));
        } else if !is_violated && self.violated.remove(&(site, class)) {
            self.journal.add(now_ms, What::SlaRestored(site, class));
        }
    }

    /// All paths to a site that a class may take, one of which carries it.
    fn candidates(&self, site: SiteId, class: Class, current: Option<&PathId>, now_ms: u64) -> Vec<Candidate<'_>> {
        let Some(treatment) = self.rules.treatments.get(class.number()) else { return Vec::new() };
        let (Some(first), Some(last)) = (UplinkSlot::new(0), UplinkSlot::new(patronus_types::Limit::UPLINKS as u8 - 1))
        else {
            return Vec::new();
        };
        let range = PathId { site, local: first, remote: first }..=PathId { site, local: last, remote: last };
        let paths = || self.paths.range(range.clone());
        let lost: Vec<&PathId> = paths().filter(|(_, path)| path.is_fresh_loss(now_ms)).map(|(id, _)| id).collect();
        let is_doubted = |id: &PathId| {
            let shares = |lost: &&PathId| lost.local == id.local || lost.remote == id.remote;
            Some(id) != current && lost.iter().any(shares)
        };
        let carries = |(id, path): (&PathId, &Path)| path.rank(id, &self.evidence, &self.drains).0 <= Rank::Watched;
        // If all share it, that is no reason to prefer any.
        let is_doubting = paths().any(|(id, path)| !is_doubted(id) && carries((id, path)));
        paths()
            .filter_map(|(id, path)| {
                let place = self.rules.place(treatment, id.local)?;
                let (rank, cause) = path.rank(id, &self.evidence, &self.drains);
                let rank = if rank <= Rank::Watched && is_doubting && is_doubted(id) { Rank::Doubted } else { rank };
                let tier = path.tier(id, treatment, &self.rules);
                let liveness = path.liveness();
                Some(Candidate { path: *id, rank, liveness, cause, tier, place, grade: path.grade(class) })
            })
            .collect()
    }

    fn publish(&mut self) {
        let is_told = self.journal.last() == self.state.events.last().map_or(0, |event| event.sequence);
        if !self.is_changed && is_told && self.drains.list() == self.state.drains {
            return;
        }
        self.is_changed = false;
        self.generation = self.generation.next();
        let groups = |site| Class::ALL.map(|class| self.groups.get(&(site, class)).cloned().unwrap_or_default());
        let site = |(id, prefixes): (&SiteId, &Vec<IpNet>)| Site {
            id: *id,
            prefixes: prefixes.clone(),
            groups: groups(*id).to_vec(),
        };
        self.state = State {
            generation: self.generation,
            rules: self.rules.rules.clone(),
            sites: self.sites.iter().map(site).collect(),
            drains: self.drains.list().to_vec(),
            started_ms: self.started_ms,
            events: self.journal.events().to_vec(),
        };
    }
}
