//! A share of something that grows back with time.

/// So much at once, and so much a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// In millionths; below zero what was spent without asking.
    filled: i64,
    most: i64,
    per_s: u64,
    at_us: u64,
}

impl Bucket {
    /// Full.
    #[must_use]
    pub(crate) fn new(most: u64, per_s: u64, now_us: u64) -> Self {
        let most = millionths(most);
        Self { filled: most, most, per_s, at_us: now_us }
    }

    /// Takes so much, if it is there.
    pub(crate) fn take(&mut self, amount: u64, now_us: u64) -> bool {
        self.grow(now_us);
        let is_there = self.filled >= millionths(amount);
        if is_there {
            self.filled -= millionths(amount);
        }
        is_there
    }

    /// Takes what others have spent already, also more than is there.
    pub(crate) fn spend(&mut self, amount: u64, now_us: u64) {
        self.grow(now_us);
        self.filled = self.filled.saturating_sub(millionths(amount));
    }

    fn grow(&mut self, now_us: u64) {
        let grown = now_us.saturating_sub(self.at_us).saturating_mul(self.per_s);
        self.filled = self.filled.saturating_add_unsigned(grown).min(self.most);
        self.at_us = self.at_us.max(now_us);
    }
}

fn millionths(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_can_be_taken_and_one_more_cannot() {
        let mut bucket = Bucket::new(3, 10, 0);
        assert_eq!([(); 4].map(|()| bucket.take(1, 5)), [true, true, true, false]);
        assert!(!bucket.take(1, 100_000));
        assert!(bucket.take(1, 100_005));
        assert_eq!([(); 4].map(|()| bucket.take(1, 10_000_000)), [true, true, true, false]);
        bucket.spend(1, 10_050_000);
        assert_eq!(
            [10_150_000, 10_200_000].map(|now_us| bucket.take(1, now_us)),
            [false, true],
            "what was spent counts"
        );
    }
}
