//! How good a path has been for a class: the means that decisions are made from, and whether it meets the SLA.
//!
//! *Does*: smooth what is measured; say "not good enough" after seconds, "good enough again" after many.
//! *Never does*: compare paths.
//! *Spec*: `docs/router.md`, section "How good".

use patronus_ipc::router::SlaState;

use crate::{limit, measure::Measure};

/// One path for one class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grade {
    seen_ms: u64,
    /// What was measured last; it holds until the next report.
    last: Measure,
    fast: Measure,
    slow: Measure,
    /// How far the fast mean is from the slow one, on average.
    noise: f64,
    pub(crate) sla: SlaState,
    /// Since when the other state would be right.
    turned_ms: Option<u64>,
    hold: Hold,
}

/// A path that was left because it was not good enough: how it was then counts for a while, since traffic makes paths worse.
#[derive(Clone, Copy, Debug, Default)]
struct Hold {
    until_ms: u64,
    length_ms: u64,
    /// The sum when it was left.
    sum: f64,
}

impl Grade {
    pub(crate) fn new(now_ms: u64, first: Measure) -> Self {
        let sla = if first.worst > 1.0 { SlaState::Violated } else { SlaState::Met };
        let hold = Hold::default();
        Self { seen_ms: now_ms, last: first, fast: first, slow: first, noise: 0.0, sla, turned_ms: None, hold }
    }

    /// Time has gone on, and this is measured now.
    pub(crate) fn handle(&mut self, now_ms: u64, measure: Measure) {
        self.pass(now_ms);
        self.last = Measure { worst: measure.worst.min(limit::MOST_WORST), ..measure };
    }

    /// What was measured last has held until now.
    pub(crate) fn pass(&mut self, now_ms: u64) {
        let elapsed_ms = now_ms.saturating_sub(self.seen_ms);
        if elapsed_ms == 0 {
            return;
        }
        self.seen_ms = now_ms;
        follow(&mut self.fast, &self.last, share(elapsed_ms, limit::FAST_MS));
        // However bad a moment is, it is a moment.
        let sum = self.last.sum.min(self.slow.sum + limit::MOST_SURPRISE);
        follow(&mut self.slow, &Measure { sum, ..self.last }, share(elapsed_ms, limit::SLOW_MS));
        let apart = (self.fast.sum - self.slow.sum).abs();
        self.noise += (apart - self.noise) * share(elapsed_ms, limit::NOISE_MS);
        self.judge(now_ms);
    }

    fn judge(&mut self, now_ms: u64) {
        let (is_wrong, after_ms) = match self.sla {
            SlaState::Met => (self.fast.worst > 1.0, limit::VIOLATED_AFTER_MS),
            SlaState::Violated => (self.fast.worst < 1.0 && self.slow.worst < limit::WELL_BELOW, limit::MET_AFTER_MS),
        };
        if !is_wrong {
            self.turned_ms = None;
        } else if now_ms.saturating_sub(*self.turned_ms.get_or_insert(now_ms)) >= after_ms {
            self.turned_ms = None;
            self.sla = match self.sla {
                SlaState::Met => SlaState::Violated,
                SlaState::Violated => SlaState::Met,
            };
        }
    }

    /// Whether something will change with time alone.
    pub(crate) fn is_turning(&self) -> bool {
        self.turned_ms.is_some()
    }

    /// The class leaves it because another is better.
    pub(crate) fn leave(&mut self, now_ms: u64) {
        let quiet_ms = now_ms.saturating_sub(self.hold.until_ms);
        let halvings = (quiet_ms / limit::HOLD_DECAYS_MS).min(32);
        let before_ms = self.hold.length_ms >> halvings;
        let length_ms = (before_ms * 2).clamp(limit::HOLD_MS, limit::MOST_HOLD_MS);
        self.hold = Hold { until_ms: now_ms + length_ms, length_ms, sum: self.fast.sum };
    }

    /// Until when it is held, if it is.
    pub(crate) fn held_until_ms(&self, now_ms: u64) -> Option<u64> {
        (self.hold.until_ms > now_ms).then_some(self.hold.until_ms)
    }

    /// The mean, for people and weights.
    pub(crate) const fn mean(&self) -> f64 {
        self.slow.sum
    }

    /// What is compared: the mean, or what it was when it was left.
    pub(crate) fn sum(&self, now_ms: u64) -> f64 {
        if self.hold.until_ms > now_ms { self.slow.sum.max(self.hold.sum) } else { self.slow.sum }
    }

    /// Whether the SLA is met, as far as this path can be believed.
    pub(crate) fn sla(&self, now_ms: u64) -> SlaState {
        if self.hold.until_ms > now_ms { SlaState::Violated } else { self.sla }
    }

    /// Whether this path is clearly better than another by what is seen at once.
    pub(crate) fn beats_at_once(&self, other: &Self) -> bool {
        is_clear(other.fast.sum, self.fast.sum, limit::NOISE_TIMES * (self.noise + other.noise))
    }

    /// The same by what was seen for a while.
    pub(crate) fn beats(&self, other: &Self, now_ms: u64) -> bool {
        let noise = limit::NOISE_TIMES * limit::SLOW_NOISE * (self.noise + other.noise);
        is_clear(other.sum(now_ms), self.sum(now_ms), noise)
    }
}

fn is_clear(worse: f64, better: f64, noise: f64) -> bool {
    worse - better > (worse * limit::GAIN).max(limit::LEAST_GAIN).max(noise)
}

/// How far a mean moves in this time.
fn share(elapsed_ms: u64, constant_ms: f64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let elapsed_ms = elapsed_ms as f64;
    1.0 - (-elapsed_ms / constant_ms).exp()
}

fn follow(mean: &mut Measure, measure: &Measure, share: f64) {
    mean.worst += (measure.worst - mean.worst) * share;
    mean.sum += (measure.sum - mean.sum) * share;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(value: f64) -> Measure {
        Measure { worst: value, sum: value }
    }

    /// Reports of this every half second until then.
    fn run(grade: &mut Grade, from_ms: u64, to_ms: u64, value: f64) {
        for now_ms in (from_ms..=to_ms).step_by(500) {
            grade.handle(now_ms, measure(value));
        }
    }

    #[test]
    fn a_path_is_not_good_enough_after_seconds_and_good_enough_again_after_many() {
        let mut grade = Grade::new(0, measure(0.1));
        run(&mut grade, 500, 60_000, 0.1);
        run(&mut grade, 60_500, 67_000, 5.0);
        assert_eq!(grade.sla, SlaState::Violated);
        run(&mut grade, 70_500, 90_000, 0.1);
        assert_eq!(grade.sla, SlaState::Violated, "too early");
        run(&mut grade, 90_500, 240_000, 0.1);
        assert_eq!(grade.sla, SlaState::Met);
    }

    #[test]
    fn a_short_dip_changes_nothing() {
        let mut grade = Grade::new(0, measure(0.1));
        run(&mut grade, 500, 60_000, 0.1);
        run(&mut grade, 60_500, 61_500, 3.0);
        run(&mut grade, 62_000, 70_000, 0.1);
        assert_eq!(grade.sla, SlaState::Met);
    }

    #[test]
    fn the_hold_grows_with_each_leave_up_to_its_limit_and_decays() {
        let mut grade = Grade::new(0, measure(2.0));
        let (mut now_ms, mut lengths) = (1_000, Vec::new());
        for _ in 0..6 {
            grade.leave(now_ms);
            let until_ms = grade.held_until_ms(now_ms).unwrap();
            lengths.push((until_ms - now_ms) / 1000);
            now_ms = until_ms;
        }
        assert_eq!(lengths, [60, 120, 240, 480, 600, 600]);
        assert_eq!(grade.held_until_ms(now_ms), None);
        now_ms += 5 * limit::HOLD_DECAYS_MS;
        grade.leave(now_ms);
        assert_eq!(grade.held_until_ms(now_ms), Some(now_ms + 60_000));
    }
}
