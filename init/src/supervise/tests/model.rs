//! The naive model: it keeps the whole life of every service as a list and judges each action by looking back over it.

use super::{Action, Event, HEALTHY_AFTER_MS, Note, Plan, ServiceState, Supervisor};

/// A moment in the life of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Start,
    Ready,
    ToldToEnd,
    Killed,
    Ended,
    Abandoned,
}

pub(super) struct Model {
    plans: Vec<Plan>,
    lives: Vec<Vec<(u64, Moment)>>,
    stop_ms: Option<u64>,
    /// Since when all critical services are ready.
    good_since_ms: Option<u64>,
}

impl Model {
    pub(super) fn new(plans: Vec<Plan>) -> Self {
        let good_since_ms = None;
        Self { lives: vec![Vec::new(); plans.len()], plans, stop_ms: None, good_since_ms }
    }

    pub(super) fn count(&self) -> usize {
        self.plans.len()
    }

    pub(super) fn was_told_to_end(&self, index: usize) -> bool {
        matches!(self.last(index), Some(Moment::ToldToEnd | Moment::Killed))
    }

    /// Takes the event and the machine's answer to it, and says what is wrong with the answer.
    pub(super) fn check(
        &mut self,
        now_ms: u64,
        event: Event,
        actions: &[Action],
        machine: &Supervisor,
    ) -> Result<(), String> {
        self.note_event(now_ms, event);
        for action in actions {
            self.check_action(now_ms, *action).map_err(|why| format!("{action:?} at {now_ms}: {why}"))?;
        }
        self.check_nothing_forgotten(now_ms)?;
        self.check_states(machine)?;
        self.check_health(now_ms, machine)
    }

    fn note_event(&mut self, now_ms: u64, event: Event) {
        match event {
            Event::Ready(index) if self.last(index) == Some(Moment::Start) => self.note(now_ms, index, Moment::Ready),
            Event::Ended(index) if self.has_process(index) => self.note(now_ms, index, Moment::Ended),
            Event::Stop => self.stop_ms = self.stop_ms.or(Some(now_ms)),
            Event::Ready(_) | Event::Ended(_) | Event::Tick => {}
        }
    }

    fn check_action(&mut self, now_ms: u64, action: Action) -> Result<(), String> {
        match action {
            Action::Start(index) => {
                ensure(self.stop_ms.is_none(), "started while the machine stops")?;
                ensure(!self.has_process(index), "started twice")?;
                ensure(self.start_due_ms(index).is_some_and(|due_ms| due_ms <= now_ms), "started before its time")?;
                self.note(now_ms, index, Moment::Start);
            }
            Action::Terminate(index) => {
                ensure(self.stop_ms.is_some(), "told to end without a stop")?;
                ensure(self.has_process(index), "told to end without a process")?;
                ensure(!self.has_running_users(index), "told to end before its users")?;
                self.note(now_ms, index, Moment::ToldToEnd);
            }
            Action::Kill(index) => {
                ensure(self.has_process(index), "killed without a process")?;
                ensure(self.last(index) != Some(Moment::Ready), "killed while it was ready")?;
                let patience_ms = match self.last(index) {
                    Some(Moment::Start) => self.plans[index].ready_within_ms,
                    Some(Moment::ToldToEnd) => self.plans[index].stop_within_ms,
                    _ => 0,
                };
                ensure(self.last_ms(index) + patience_ms <= now_ms, "killed before its deadline")?;
                self.note(now_ms, index, Moment::Killed);
            }
            Action::Report(index, Note::Abandoned) => {
                ensure(self.last(index) == Some(Moment::Killed), "given up without SIGKILL")?;
                self.note(now_ms, index, Moment::Abandoned);
            }
            Action::Report(index, Note::BackOff { pause_ms }) => {
                ensure(pause_ms == self.pause_ms(index), "announced the wrong pause")?;
            }
            Action::Report(..) => {}
        }
        Ok(())
    }

    /// Whatever is due has been done.
    fn check_nothing_forgotten(&self, now_ms: u64) -> Result<(), String> {
        for (index, plan) in self.plans.iter().enumerate() {
            let forgotten = match self.last(index) {
                None | Some(Moment::Ended) => {
                    self.stop_ms.is_none() && self.start_due_ms(index).is_some_and(|due_ms| due_ms <= now_ms)
                }
                Some(Moment::Start) => self.last_ms(index) + plan.ready_within_ms <= now_ms,
                Some(Moment::ToldToEnd) => self.last_ms(index) + plan.stop_within_ms <= now_ms,
                Some(Moment::Ready) => self.stop_ms.is_some() && !self.has_running_users(index),
                Some(Moment::Killed | Moment::Abandoned) => false,
            };
            ensure(!forgotten, &format!("service {index} is forgotten: {:?} at {now_ms}", self.lives[index].last()))?;
        }
        Ok(())
    }

    fn check_states(&self, machine: &Supervisor) -> Result<(), String> {
        for index in 0..self.count() {
            let state = machine.state(index).ok_or("a service is missing")?;
            let possible = match self.last(index) {
                None if self.stop_ms.is_none() => state == ServiceState::Waiting,
                Some(Moment::Ended) if self.stop_ms.is_none() => state == ServiceState::BackOff,
                None | Some(Moment::Ended | Moment::Abandoned) => state == ServiceState::Stopped,
                Some(Moment::Start) => state == ServiceState::Starting,
                Some(Moment::Ready) => state == ServiceState::Ready,
                Some(Moment::ToldToEnd) => state == ServiceState::Stopping,
                Some(Moment::Killed) => matches!(state, ServiceState::Starting | ServiceState::Stopping),
            };
            ensure(possible, &format!("service {index} is {state:?} after {:?}", self.last(index)))?;
        }
        let all_over = (0..self.count()).all(|index| !self.has_process(index));
        ensure(machine.is_finished() == (self.stop_ms.is_some() && all_over), "the stop is not finished when all ended")
    }

    fn check_health(&mut self, now_ms: u64, machine: &Supervisor) -> Result<(), String> {
        let critical = |index: &usize| self.plans[*index].critical;
        let good = (0..self.count()).filter(critical).all(|index| self.last(index) == Some(Moment::Ready));
        let good = good && self.stop_ms.is_none();
        self.good_since_ms = good.then(|| self.good_since_ms.unwrap_or(now_ms));
        let healthy = self.good_since_ms.is_some_and(|since_ms| since_ms + HEALTHY_AFTER_MS <= now_ms);
        ensure(machine.is_healthy() == healthy, "health is wrong")
    }

    /// When the service may and must be started next; `None` while it waits for others.
    fn start_due_ms(&self, index: usize) -> Option<u64> {
        if self.lives[index].is_empty() {
            let settled = |need: &usize| {
                self.lives[*need].iter().any(|(_, moment)| matches!(moment, Moment::Ready | Moment::Ended))
            };
            return self.plans[index].needs.iter().all(settled).then_some(0);
        }
        Some(self.last_ms(index) + self.pause_ms(index))
    }

    /// The pause after the last end: 100 ms, doubled for each end before it back to the last long service, at most a minute.
    fn pause_ms(&self, index: usize) -> u64 {
        let restart = self.plans[index].restart;
        let mut ends = 0;
        let mut ended_ms = None;
        for (at_ms, moment) in self.lives[index].iter().rev() {
            match moment {
                Moment::Ended => {
                    ends += 1;
                    ended_ms = Some(*at_ms);
                }
                Moment::Ready if ended_ms.is_some_and(|end_ms| end_ms - at_ms >= restart.reset_after_ms) => break,
                _ => {}
            }
            if ends > 10 {
                break;
            }
        }
        (restart.first_ms << (ends - 1)).min(restart.most_ms)
    }

    fn has_running_users(&self, index: usize) -> bool {
        (0..self.count()).any(|user| self.plans[user].needs.contains(&index) && self.has_process(user))
    }

    fn has_process(&self, index: usize) -> bool {
        !matches!(self.last(index), None | Some(Moment::Ended | Moment::Abandoned))
    }

    fn last(&self, index: usize) -> Option<Moment> {
        self.lives[index].last().map(|(_, moment)| *moment)
    }

    fn last_ms(&self, index: usize) -> u64 {
        self.lives[index].last().map_or(0, |(at_ms, _)| *at_ms)
    }

    fn note(&mut self, now_ms: u64, index: usize, moment: Moment) {
        self.lives[index].push((now_ms, moment));
    }
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
