//! When a site announces itself.
//!
//! *Does*: every 30 s with jitter, so that sites do not speak in chorus; at once when something changed, and twice more soon after.
//! *Never does*: speak more often than every [`limit::ANNOUNCE_GAP_MS`], in a large network less often, whatever changes.

use crate::limit;

/// The next times to speak.
#[derive(Clone, Debug)]
pub struct Beacon {
    due_ms: u64,
    /// Of the repetitions after a change, soonest first.
    repeats_ms: Vec<u64>,
    spoke_ms: Option<u64>,
    gap_ms: u64,
}

impl Beacon {
    /// Speaks at once.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        let mut beacon =
            Self { due_ms: now_ms, repeats_ms: Vec::new(), spoke_ms: None, gap_ms: limit::ANNOUNCE_GAP_MS };
        beacon.handle_change(now_ms);
        beacon
    }

    /// As many there are: the more, the less often each speaks when something changes all the time.
    pub fn handle_members(&mut self, count: usize) {
        let each = u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(limit::ANNOUNCE_GAP_EACH_MS);
        self.gap_ms = limit::ANNOUNCE_GAP_MS.max(each);
    }

    /// What is announced is not as it was.
    pub fn handle_change(&mut self, now_ms: u64) {
        let free_ms = self.spoke_ms.map_or(0, |spoke| spoke.saturating_add(self.gap_ms));
        self.due_ms = now_ms.max(free_ms);
        self.repeats_ms = limit::REPEAT_AFTER_MS.iter().map(|after| self.due_ms.saturating_add(*after)).collect();
    }

    /// When to speak next, on the monotonic clock in milliseconds.
    #[must_use]
    pub const fn deadline(&self) -> u64 {
        self.due_ms
    }

    /// Whether it is time to speak; then the next time is set. `random` spreads it.
    pub fn poll_speak(&mut self, now_ms: u64, random: u64) -> bool {
        if now_ms < self.due_ms {
            return false;
        }
        self.spoke_ms = Some(now_ms);
        let repeat = self.repeats_ms.iter().copied().find(|repeat| *repeat > now_ms);
        self.repeats_ms.retain(|repeat| *repeat > now_ms);
        self.due_ms = repeat.unwrap_or_else(|| now_ms.saturating_add(spread(limit::ANNOUNCE_MS, random)));
        true
    }
}

/// A quarter more or less.
pub(crate) const fn spread(ms: u64, random: u64) -> u64 {
    ms - ms / 4 + random % (ms / 2 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The times at which it speaks until `end_ms`, if it is asked whenever it wants.
    fn speaks(beacon: &mut Beacon, end_ms: u64, random: u64) -> Vec<u64> {
        let mut times = Vec::new();
        while beacon.deadline() <= end_ms {
            let now_ms = beacon.deadline();
            assert!(beacon.poll_speak(now_ms, random));
            times.push(now_ms);
        }
        times
    }

    #[test]
    fn a_change_is_said_at_once_and_twice_more() {
        let mut beacon = Beacon::new(0);
        assert_eq!(speaks(&mut beacon, 20_000, 0), [0, 1_000, 3_000]);
        beacon.handle_change(20_500);
        assert_eq!(speaks(&mut beacon, 30_000, 0), [20_500, 21_500, 23_500]);
    }

    #[test]
    fn a_change_with_every_packet_is_no_flood() {
        let mut beacon = Beacon::new(0);
        let mut count = 0;
        for now_ms in 0..10_000 {
            beacon.handle_change(now_ms);
            count += u64::from(beacon.poll_speak(now_ms, now_ms));
        }
        assert!(count <= 10_000 / limit::ANNOUNCE_GAP_MS + 1, "{count}");
    }

    proptest! {
        #[test]
        fn pauses_are_thirty_seconds_and_a_quarter_more_or_less(random: u64) {
            let mut beacon = Beacon::new(0);
            let times = speaks(&mut beacon, 600_000, random);
            for pause in times.windows(2).skip(2).map(|pair| pair[1] - pair[0]) {
                prop_assert!((22_500..=37_500).contains(&pause), "{pause}");
            }
        }
    }
}
