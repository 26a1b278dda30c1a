//! What is done to the clock, and when the servers are asked again.
//!
//! *Does*: first correction by step; later ones by slew if small, by a confirmed and rare step if not; pauses with jitter.
//! *Never does*: let the clock leave its bounds, whatever the servers say.
//! *Spec*: `docs/ARCHITECTURE.md`, section "clock"; RFC 4330 section 10.

use thiserror::Error;

use crate::{Choice, Disagreement, limit};

/// Between these the clock may be set, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The later of build time and stored mark.
    pub floor_s: i64,
    /// Twenty years after the build.
    pub ceiling_s: i64,
}

impl Bounds {
    /// From the time of the build and the stored mark. A mark after the ceiling is the mark of a broken disk: it does not count.
    #[must_use]
    pub fn new(build_s: i64, mark_s: Option<i64>) -> Self {
        let ceiling_s = build_s.saturating_add(limit::CEILING_AFTER_BUILD_S);
        let mark_s = mark_s.filter(|mark| *mark < ceiling_s);
        Self { floor_s: mark_s.map_or(build_s, |mark| mark.max(build_s)), ceiling_s }
    }

    /// Whether a time in microseconds since 1970 lies within.
    #[must_use]
    pub fn hold(&self, unix_us: i64) -> bool {
        (self.floor_s..=self.ceiling_s).contains(&unix_us.div_euclid(1_000_000))
    }

    /// The step that brings a clock that starts outside to the floor: an empty battery, or a battery that lies.
    #[must_use]
    pub fn first_step(&self, now_us: i64) -> Option<i64> {
        let floor_us = self.floor_s.saturating_mul(1_000_000);
        (!self.hold(now_us)).then(|| floor_us.saturating_sub(now_us))
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// The clock is right.
    None,
    /// Let the kernel drift the clock by this many microseconds, at most 500 parts per million.
    Slew(i64),
    /// Set the clock ahead by this many microseconds; negative: back.
    Step(i64),
}

/// Why a round led to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Nobody is to be believed.
    #[error("{0}")]
    Disagreement(#[from] Disagreement),
    /// The time would leave the bounds.
    #[error("outside-bounds")]
    OutsideBounds,
    /// A large jump that the next round must confirm.
    #[error("step-unconfirmed")]
    StepUnconfirmed,
    /// A large jump too soon after another.
    #[error("step-too-soon")]
    StepTooSoon,
}

/// What is remembered between rounds.
#[derive(Clone, Debug)]
pub struct Discipline {
    bounds: Bounds,
    was_set: bool,
    unconfirmed_us: Option<i64>,
    stepped_ms: Option<u64>,
    trusted_ms: Option<u64>,
    good_rounds: u32,
    bad_rounds: u32,
}

impl Discipline {
    /// Nothing was heard yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            was_set: false,
            unconfirmed_us: None,
            stepped_ms: None,
            trusted_ms: None,
            good_rounds: 0,
            bad_rounds: 0,
        }
    }

    /// A round is over. `now_us` is the clock in microseconds since 1970, `uptime_ms` the monotonic one.
    ///
    /// # Errors
    /// [`Refused`]; the clock is left alone.
    pub fn handle_round(
        &mut self,
        outcome: Result<Choice, Disagreement>,
        now_us: i64,
        uptime_ms: u64,
    ) -> Result<Correction, Refused> {
        let decision =
            outcome.map_err(Refused::from).and_then(|choice| self.decide(choice.offset_us, now_us, uptime_ms));
        match decision {
            Ok(correction) => {
                (self.was_set, self.unconfirmed_us) = (true, None);
                self.trusted_ms = Some(uptime_ms);
                self.good_rounds = self.good_rounds.saturating_add(1);
                self.bad_rounds = 0;
                if matches!(correction, Correction::Step(_)) {
                    self.stepped_ms = Some(uptime_ms);
                    self.good_rounds = 1;
                }
            }
            Err(_) => {
                self.bad_rounds = self.bad_rounds.saturating_add(1);
                self.good_rounds = 0;
            }
        }
        decision
    }

    /// Whether a good round was recent enough.
    #[must_use]
    pub fn is_synchronised(&self, uptime_ms: u64) -> bool {
        self.trusted_ms.is_some_and(|trusted| uptime_ms.saturating_sub(trusted) < limit::TRUST_MS)
    }

    /// The pause before the next round; `random` spreads boxes that were started together by up to a quarter.
    #[must_use]
    pub fn pause_ms(&self, random: u64) -> u64 {
        let (first, longest, round) = match self.bad_rounds {
            0 => (limit::POLL_FIRST_MS, limit::POLL_LONGEST_MS, self.good_rounds),
            bad => (limit::RETRY_FIRST_MS, limit::RETRY_LONGEST_MS, bad),
        };
        let pause = (first << round.saturating_sub(1).min(16)).min(longest);
        pause - random % (pause / 4)
    }

    fn decide(&mut self, offset_us: i64, now_us: i64, uptime_ms: u64) -> Result<Correction, Refused> {
        if !self.bounds.hold(now_us.saturating_add(offset_us)) {
            return Err(Refused::OutsideBounds);
        }
        let size_us = offset_us.saturating_abs();
        if size_us < limit::IGNORE_US {
            return Ok(Correction::None);
        }
        if !self.was_set {
            return Ok(Correction::Step(offset_us));
        }
        if size_us < limit::SLEW_MAX_US {
            return Ok(Correction::Slew(offset_us));
        }
        if self.stepped_ms.is_some_and(|stepped| uptime_ms.saturating_sub(stepped) < limit::STEP_INTERVAL_MS) {
            return Err(Refused::StepTooSoon);
        }
        match self.unconfirmed_us.replace(offset_us) {
            Some(before) if before.saturating_sub(offset_us).saturating_abs() < limit::STEP_AGREEMENT_US => {
                Ok(Correction::Step(offset_us))
            }
            _ => Err(Refused::StepUnconfirmed),
        }
    }
}

#[cfg(test)]
mod tests;
