//! A token bucket: so much at once, so much a second.
//!
//! *Does*: fill with time, give what it has. *Never does*: owe.

use std::time::Duration;

/// How much a bucket holds, and how soon it fills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) per_s: u64,
    /// In thousandths, as everything in the bucket, so that slow rates fill evenly.
    pub(crate) burst_thousandths: u64,
}

/// What is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    thousandths: u64,
    at: Duration,
}

impl Bucket {
    pub(crate) const fn full(rate: Rate, now: Duration) -> Self {
        Self { thousandths: rate.burst_thousandths, at: now }
    }

    pub(crate) fn refilled(self, rate: Rate, now: Duration) -> Self {
        let passed_ms = u64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        if passed_ms == 0 {
            return self;
        }
        let filled = self.thousandths.saturating_add(passed_ms.saturating_mul(rate.per_s));
        Self { thousandths: filled.min(rate.burst_thousandths), at: now }
    }

    pub(crate) const fn is_full(self, rate: Rate) -> bool {
        self.thousandths == rate.burst_thousandths
    }

    /// Less so much, if it has that.
    #[must_use]
    pub(crate) fn without(self, count: u64) -> Option<Self> {
        let thousandths = self.thousandths.checked_sub(count.saturating_mul(1_000))?;
        Some(Self { thousandths, ..self })
    }
}
