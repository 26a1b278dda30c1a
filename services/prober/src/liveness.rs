//! Whether a path carries packets: one small machine.
//!
//! ```text
//!           session          answers             unanswered
//!  Unknown --------> Probing --------> Up <-------------------> Suspect
//!                                       ^        an answer         |
//!                              hold over|                          | certain
//!                                       |        certain           v
//!                                    Holding <-----------------> Down
//!                                                an answer
//! ```
//! *Does*: fail at once when it is certain, recover slowly: each failure doubles the time for which a path is watched before it counts.
//! *Never does*: look at a clock, judge quality, or leave a path for silence while nothing was asked.
//! *Spec*: `docs/prober.md`, section "Liveness".

use patronus_ipc::prober::Liveness;

use crate::limit;

/// The machine of one path. Moments are microseconds of one clock that does not go back.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    liveness: Liveness,
    since_us: u64,
    answers: u32,
    failures: u32,
    forgiven_us: u64,
}

impl Machine {
    /// Of a path of which nothing is known.
    #[must_use]
    pub const fn new(now_us: u64) -> Self {
        Self { liveness: Liveness::Unknown, since_us: now_us, answers: 0, failures: 0, forgiven_us: now_us }
    }

    /// Where it is.
    #[must_use]
    pub const fn liveness(&self) -> Liveness {
        self.liveness
    }

    /// Since when.
    #[must_use]
    pub const fn since_us(&self) -> u64 {
        self.since_us
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        (self.liveness == Liveness::Holding).then(|| self.since_us.saturating_add(self.hold_us()))
    }

    /// There is a session: probes can go.
    pub fn handle_session(&mut self, now_us: u64) {
        if self.liveness == Liveness::Unknown {
            self.enter(Liveness::Probing, now_us);
        }
    }

    /// The far end has heard what was sent last, and this end has heard so.
    pub fn handle_answer(&mut self, now_us: u64) {
        self.handle_session(now_us);
        match self.liveness {
            Liveness::Unknown | Liveness::Probing => {
                self.answers += 1;
                if self.answers >= limit::ANSWERS_TO_BE_UP {
                    self.enter(Liveness::Up, now_us);
                }
            }
            Liveness::Suspect => self.enter(Liveness::Up, now_us),
            Liveness::Down => self.enter(Liveness::Holding, now_us),
            Liveness::Up | Liveness::Holding => {}
        }
    }

    /// So many probes in a row were not answered although it was time, and so many make it certain.
    pub fn handle_unanswered(&mut self, unanswered: u32, certain: u32, now_us: u64) {
        match self.liveness {
            Liveness::Up | Liveness::Suspect | Liveness::Holding if unanswered >= certain => self.fail(now_us),
            Liveness::Up if unanswered >= limit::SUSPECT_AFTER => self.enter(Liveness::Suspect, now_us),
            Liveness::Probing if unanswered > 0 => self.answers = 0,
            _ => {}
        }
    }

    /// What time demands.
    pub fn handle_timeout(&mut self, now_us: u64) {
        if self.deadline().is_some_and(|deadline| now_us >= deadline) {
            self.forgiven_us = now_us;
            self.enter(Liveness::Up, now_us);
        }
        if self.liveness == Liveness::Up && now_us.saturating_sub(self.forgiven_us) >= limit::FORGIVEN_US {
            self.failures = self.failures.saturating_sub(1);
            self.forgiven_us = now_us;
        }
    }

    /// For how long a path that was down is watched.
    fn hold_us(&self) -> u64 {
        let doublings = self.failures.saturating_sub(1).min(16);
        (limit::HOLD_US << doublings).min(limit::MOST_HOLD_US)
    }

    fn fail(&mut self, now_us: u64) {
        self.failures = self.failures.saturating_add(1);
        self.forgiven_us = now_us;
        self.enter(Liveness::Down, now_us);
    }

    fn enter(&mut self, liveness: Liveness, now_us: u64) {
        self.liveness = liveness;
        self.since_us = now_us;
    }
}

#[cfg(test)]
mod tests;
