//! How long an answer may take before its absence means something.
//!
//! *Does*: learn from each answer, as TCP does for its retransmissions, and remember the slowest of the last seconds: what a loaded box has
//! just needed, it may need again.
//! *Never does*: become certain from few answers: the patience begins long.
//! *Spec*: RFC 6298 section 2.

use crate::limit;

/// What is known of the time that answers take, all that delays them included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Echo {
    smoothed: Option<(f64, f64)>,
    /// The slowest of the present and of the last stretch of [`limit::PEAK_US`].
    peaks: [u64; 2],
    stretch_began_us: u64,
}

impl Echo {
    /// An answer came, so long after its question.
    pub(crate) fn handle_answer(&mut self, took_us: u64, now_us: u64) {
        let took = took_us as f64;
        self.smoothed = Some(match self.smoothed {
            None => (took, took / 2.0),
            Some((mean, variation)) => {
                (mean + (took - mean) / 8.0, variation + ((mean - took).abs() - variation) / 4.0)
            }
        });
        let stretches = now_us.saturating_sub(self.stretch_began_us) / limit::PEAK_US;
        if stretches > 0 {
            self.peaks = [0, if stretches == 1 { self.peaks[0] } else { 0 }];
            self.stretch_began_us = now_us;
        }
        self.peaks[0] = self.peaks[0].max(took_us);
    }

    /// How long an answer takes that nothing unusual holds up.
    #[must_use]
    pub(crate) fn usual_us(&self) -> u64 {
        let Some((mean, variation)) = self.smoothed else { return limit::FIRST_PATIENCE_US };
        (mean + 2.0 * variation) as u64 + limit::DOUBT_US
    }

    /// How long to wait for an answer.
    #[must_use]
    pub(crate) fn patience_us(&self) -> u64 {
        let Some((mean, variation)) = self.smoothed else { return limit::FIRST_PATIENCE_US };
        let (mean, variation) = (mean as u64, (4.0 * variation) as u64);
        let peak = self.peaks[0].max(self.peaks[1]);
        // What was slow may come again and be somewhat slower.
        let slow = peak + peak.saturating_sub(mean) / 4;
        (slow.max(mean + variation) + limit::PATIENCE_US).min(limit::MOST_PATIENCE_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_long_at_first_and_then_a_little_more_than_usual() {
        let mut echo = Echo::default();
        assert_eq!(echo.patience_us(), limit::FIRST_PATIENCE_US);
        (0..100).for_each(|n| echo.handle_answer(300, n * 20_000));
        assert_eq!(echo.patience_us(), 300 + limit::PATIENCE_US);
    }

    #[test]
    fn what_was_slow_once_may_be_so_again_for_some_seconds() {
        let mut echo = Echo::default();
        let mut play = |from: u64, to: u64, took_us: u64| {
            (from..to).for_each(|n| echo.handle_answer(took_us, n * 20_000));
            echo.patience_us()
        };
        play(0, 100, 300);
        assert!((100_000..130_000).contains(&play(100, 101, 80_000)));
        assert!((100_000..110_000).contains(&play(101, 300, 300)));
        assert_eq!(play(300, 800, 300), 300 + limit::PATIENCE_US);
        assert_eq!(play(800, 801, 60_000_000), limit::MOST_PATIENCE_US);
    }
}
