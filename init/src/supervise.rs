//! When each service is started, killed, started again, and stopped.
//!
//! *Does*: take events with their time, keep one state per service, say what to do and when to be asked again.
//!
//! ```text
//!            needs met            ready
//!  Waiting -----------> Starting --------> Ready
//!                       |   ^  \ too late    |
//!                 ended |   |   v            | ended
//!                       |   |  Killing       |
//!              pause    v   |   | ended      v
//!              over   BackOff <-+------------+         on Stop, users before what they need:
//!                       +---^                          any -> Stopping -> Stopped
//! ```
//!
//! *Never does*: I/O, read a clock, forget a service, end while one runs, wait for one without a deadline.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Supervision"; checked against the naive model in `supervise/tests.rs`.

use std::collections::VecDeque;

use patronus_ipc::init::ServiceState;

use crate::manifest::{Manifest, Restart};

/// Between SIGKILL and the end of the wait for the process: a process in the kernel ends when its call does.
pub const KILL_GRACE_MS: u64 = 2_000;
/// All critical services ready for this long make a boot a good one.
pub const HEALTHY_AFTER_MS: u64 = 10_000;

/// What the machine needs to know of a service.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Positions of the services to be started first.
    pub needs: Vec<usize>,
    /// See `manifest::Service`.
    pub ready_within_ms: u64,
    /// See `manifest::Service`.
    pub stop_within_ms: u64,
    /// See `manifest::Service`.
    pub restart: Restart,
    /// See `manifest::Service`.
    pub critical: bool,
}

/// What happened. Services are named by their position in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The service said that it is ready.
    Ready(usize),
    /// Its process ended, or could not be made.
    Ended(usize),
    /// The machine is to stop.
    Stop,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make its process.
    Start(usize),
    /// Tell it to end (SIGTERM).
    Terminate(usize),
    /// End everything in its cgroup (SIGKILL).
    Kill(usize),
    /// Nothing to do; for the log.
    Report(usize, Note),
}

/// For the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// It is ready.
    Ready,
    /// It was not ready in time and is killed.
    ReadyTooLate,
    /// It ended and will be started again after this pause.
    BackOff {
        /// The pause.
        pause_ms: u64,
    },
    /// It did not end in time and is killed.
    StopTooLate,
    /// Not even SIGKILL ended it: the stop goes on without it.
    Abandoned,
}

/// All services of a machine.
#[derive(Clone, Debug)]
pub struct Supervisor {
    units: Vec<Unit>,
    stopping: bool,
    health: Health,
    actions: VecDeque<Action>,
}

#[derive(Clone, Debug)]
struct Unit {
    plan: Plan,
    phase: Phase,
    /// Starts so far.
    starts: u32,
    next_pause_ms: u64,
    /// Was ready once, or failed once: it holds up nobody any more.
    settled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// A critical service is not ready.
    Lacking,
    /// All critical services are ready, not yet for long.
    Settling {
        until_ms: u64,
    },
    Healthy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Starting { deadline_ms: u64 },
    Ready { since_ms: u64 },
    Killing { again_ms: u64 },
    BackOff { until_ms: u64 },
    Stopping { deadline_ms: u64, killed: bool },
    Stopped,
}

impl Supervisor {
    /// Everything waits. The first event starts what needs nothing.
    #[must_use]
    pub fn new(plans: Vec<Plan>) -> Self {
        let unit = |plan: Plan| Unit {
            next_pause_ms: plan.restart.first_ms,
            plan,
            phase: Phase::Waiting,
            starts: 0,
            settled: false,
        };
        Self {
            units: plans.into_iter().map(unit).collect(),
            stopping: false,
            health: Health::Lacking,
            actions: VecDeque::new(),
        }
    }

    /// The plans of a manifest, in its order.
    #[must_use]
    pub fn from_manifest(manifest: &Manifest) -> Self {
        let plan = |service| Plan {
            needs: manifest.needs(service),
            ready_within_ms: service.ready_within_ms,
            stop_within_ms: service.stop_within_ms,
            restart: service.restart,
            critical: service.critical,
        };
        Self::new(manifest.services().iter().map(plan).collect())
    }

    /// What a service is doing.
    #[must_use]
    pub fn state(&self, index: usize) -> Option<ServiceState> {
        self.units.get(index).map(|unit| match unit.phase {
            Phase::Waiting => ServiceState::Waiting,
            Phase::Starting { .. } | Phase::Killing { .. } => ServiceState::Starting,
            Phase::Ready { .. } => ServiceState::Ready,
            Phase::BackOff { .. } => ServiceState::BackOff,
            Phase::Stopping { .. } => ServiceState::Stopping,
            Phase::Stopped => ServiceState::Stopped,
        })
    }

    /// Starts after the first one.
    #[must_use]
    pub fn restarts(&self, index: usize) -> u32 {
        self.units.get(index).map_or(0, |unit| unit.starts.saturating_sub(1))
    }

    /// Whether all critical services have been ready for [`HEALTHY_AFTER_MS`].
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.health == Health::Healthy
    }

    /// Whether any service was ever started.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.units.iter().any(|unit| unit.starts > 0)
    }

    /// Whether a stop was asked for and every service has ended, or was given up.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stopping && self.units.iter().all(|unit| unit.phase == Phase::Stopped)
    }

    /// When [`Event::Tick`] is due at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let healthy_ms = match self.health {
            Health::Settling { until_ms } => Some(until_ms),
            Health::Lacking | Health::Healthy => None,
        };
        self.units.iter().filter_map(Unit::deadline).chain(healthy_ms).min()
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes what happened. Events that do not fit the state of their service are late news, and change nothing.
    pub fn handle_event(&mut self, now_ms: u64, event: Event) {
        match event {
            Event::Ready(index) => self.handle_ready(now_ms, index),
            Event::Ended(index) => self.handle_ended(now_ms, index),
            Event::Stop => self.stopping = true,
            Event::Tick => {}
        }
        for index in 0..self.units.len() {
            self.handle_deadline(now_ms, index);
        }
        if self.stopping {
            self.stop_next(now_ms);
        } else {
            self.start_waiting(now_ms);
        }
        self.note_health(now_ms);
    }

    fn handle_ready(&mut self, now_ms: u64, index: usize) {
        let Some(unit) = self.units.get_mut(index) else { return };
        if let Phase::Starting { .. } = unit.phase {
            unit.phase = Phase::Ready { since_ms: now_ms };
            unit.settled = true;
            self.actions.push_back(Action::Report(index, Note::Ready));
        }
    }

    fn handle_ended(&mut self, now_ms: u64, index: usize) {
        let stopping = self.stopping;
        let Some(unit) = self.units.get_mut(index) else { return };
        match unit.phase {
            Phase::Waiting | Phase::BackOff { .. } | Phase::Stopped => return,
            Phase::Ready { since_ms } if now_ms.saturating_sub(since_ms) >= unit.plan.restart.reset_after_ms => {
                unit.next_pause_ms = unit.plan.restart.first_ms;
            }
            _ => {}
        }
        if stopping {
            unit.phase = Phase::Stopped;
            return;
        }
        unit.settled = true;
        let pause_ms = unit.next_pause_ms;
        unit.next_pause_ms = pause_ms.saturating_mul(2).min(unit.plan.restart.most_ms);
        unit.phase = Phase::BackOff { until_ms: now_ms.saturating_add(pause_ms) };
        self.actions.push_back(Action::Report(index, Note::BackOff { pause_ms }));
    }

    fn handle_deadline(&mut self, now_ms: u64, index: usize) {
        let Some(unit) = self.units.get_mut(index) else { return };
        if unit.deadline().is_none_or(|deadline_ms| now_ms < deadline_ms) {
            return;
        }
        let again_ms = now_ms.saturating_add(KILL_GRACE_MS);
        match unit.phase {
            Phase::Starting { .. } => {
                unit.phase = Phase::Killing { again_ms };
                self.actions.extend([Action::Report(index, Note::ReadyTooLate), Action::Kill(index)]);
            }
            Phase::Killing { .. } => {
                unit.phase = Phase::Killing { again_ms };
                self.actions.push_back(Action::Kill(index));
            }
            Phase::BackOff { .. } if !self.stopping => self.start(now_ms, index),
            Phase::Stopping { killed: false, .. } => {
                unit.phase = Phase::Stopping { deadline_ms: again_ms, killed: true };
                self.actions.extend([Action::Report(index, Note::StopTooLate), Action::Kill(index)]);
            }
            Phase::Stopping { killed: true, .. } => {
                unit.phase = Phase::Stopped;
                self.actions.push_back(Action::Report(index, Note::Abandoned));
            }
            Phase::Waiting | Phase::BackOff { .. } | Phase::Ready { .. } | Phase::Stopped => {}
        }
    }

    /// Starts what waits for nothing any more.
    fn start_waiting(&mut self, now_ms: u64) {
        for index in 0..self.units.len() {
            let settled = |need: &usize| self.units.get(*need).is_none_or(|unit| unit.settled);
            let may_start = self
                .units
                .get(index)
                .is_some_and(|unit| unit.phase == Phase::Waiting && unit.plan.needs.iter().all(settled));
            if may_start {
                self.start(now_ms, index);
            }
        }
    }

    fn start(&mut self, now_ms: u64, index: usize) {
        let Some(unit) = self.units.get_mut(index) else { return };
        unit.phase = Phase::Starting { deadline_ms: now_ms.saturating_add(unit.plan.ready_within_ms) };
        unit.starts = unit.starts.saturating_add(1);
        self.actions.push_back(Action::Start(index));
    }

    /// Tells every service to end that nobody needs any more.
    fn stop_next(&mut self, now_ms: u64) {
        for unit in &mut self.units {
            if matches!(unit.phase, Phase::Waiting | Phase::BackOff { .. }) {
                unit.phase = Phase::Stopped;
            }
        }
        for index in 0..self.units.len() {
            let needed = self.units.iter().any(|user| user.phase != Phase::Stopped && user.plan.needs.contains(&index));
            if !needed {
                self.stop(now_ms, index);
            }
        }
    }

    fn stop(&mut self, now_ms: u64, index: usize) {
        let Some(unit) = self.units.get_mut(index) else { return };
        match unit.phase {
            Phase::Starting { .. } | Phase::Ready { .. } => {
                let deadline_ms = now_ms.saturating_add(unit.plan.stop_within_ms);
                unit.phase = Phase::Stopping { deadline_ms, killed: false };
                self.actions.push_back(Action::Terminate(index));
            }
            Phase::Killing { .. } => {
                unit.phase = Phase::Stopping { deadline_ms: now_ms.saturating_add(KILL_GRACE_MS), killed: true };
                self.actions.push_back(Action::Kill(index));
            }
            Phase::Waiting | Phase::BackOff { .. } | Phase::Stopping { .. } | Phase::Stopped => {}
        }
    }

    fn note_health(&mut self, now_ms: u64) {
        let ready = |unit: &Unit| !unit.plan.critical || matches!(unit.phase, Phase::Ready { .. });
        self.health = match self.health {
            _ if self.stopping || !self.units.iter().all(ready) => Health::Lacking,
            Health::Lacking => Health::Settling { until_ms: now_ms.saturating_add(HEALTHY_AFTER_MS) },
            Health::Settling { until_ms } if now_ms >= until_ms => Health::Healthy,
            health => health,
        };
    }
}

impl Unit {
    fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Waiting | Phase::Ready { .. } | Phase::Stopped => None,
            Phase::Starting { deadline_ms } | Phase::Stopping { deadline_ms, .. } => Some(deadline_ms),
            Phase::Killing { again_ms } => Some(again_ms),
            Phase::BackOff { until_ms } => Some(until_ms),
        }
    }
}

#[cfg(test)]
mod tests;
