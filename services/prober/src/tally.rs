//! What was measured on a path in one stretch of time.
//!
//! *Does*: sums, of which a report or a point of the history is made.
//! *Never does*: grow with the number of measurements beyond [`limit::SAMPLES`].

use patronus_ipc::prober::Point;

use crate::limit;

/// The measurements of one stretch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    rtt_sum_us: u64,
    rtt_count: u64,
    rtt_min_us: Option<u32>,
    /// The latest round-trip times.
    samples_us: Vec<u32>,
    jitter_sum_us: u64,
    jitter_count: u64,
    out: Share,
    back: Share,
    reordered: u64,
    up_us: u64,
}

/// Packets of one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    sent: u64,
    lost: u64,
}

impl Share {
    fn add(&mut self, sent: u64, lost: u64) {
        self.sent += sent;
        self.lost += lost;
    }

    fn ppm(self) -> Option<u32> {
        let ppm = self.lost.min(self.sent).saturating_mul(1_000_000).checked_div(self.sent)?;
        u32::try_from(ppm).ok()
    }
}

impl Tally {
    /// A round-trip time.
    pub(crate) fn handle_rtt(&mut self, rtt_us: u32) {
        let place = usize::try_from(self.rtt_count).unwrap_or_default() % limit::SAMPLES;
        match self.samples_us.get_mut(place) {
            Some(sample) => *sample = rtt_us,
            None => self.samples_us.push(rtt_us),
        }
        self.rtt_sum_us += u64::from(rtt_us);
        self.rtt_count += 1;
        self.rtt_min_us = Some(self.rtt_min_us.map_or(rtt_us, |least| least.min(rtt_us)));
    }

    /// The jitter after a packet that came.
    pub(crate) fn handle_jitter(&mut self, jitter_us: u32) {
        self.jitter_sum_us += u64::from(jitter_us);
        self.jitter_count += 1;
    }

    /// Packets to the far end.
    pub(crate) fn handle_out(&mut self, sent: u64, lost: u64) {
        self.out.add(sent, lost);
    }

    /// Packets from the far end.
    pub(crate) fn handle_back(&mut self, sent: u64, lost: u64) {
        self.back.add(sent, lost);
    }

    /// A packet that came after one that was sent later.
    pub(crate) fn handle_reordered(&mut self) {
        self.reordered += 1;
    }

    /// The path was alive for so long.
    pub(crate) fn handle_up(&mut self, up_us: u64) {
        self.up_us += up_us;
    }

    /// This stretch and one before it as one.
    #[must_use]
    pub(crate) fn with(&self, before: &Self) -> Self {
        let mut both = self.clone();
        let room = limit::SAMPLES.saturating_sub(both.samples_us.len());
        both.samples_us.extend(before.samples_us.iter().rev().take(room));
        both.rtt_sum_us += before.rtt_sum_us;
        both.rtt_count += before.rtt_count;
        both.rtt_min_us = [both.rtt_min_us, before.rtt_min_us].into_iter().flatten().min();
        both.jitter_sum_us += before.jitter_sum_us;
        both.jitter_count += before.jitter_count;
        both.out.add(before.out.sent, before.out.lost);
        both.back.add(before.back.sent, before.back.lost);
        both.reordered += before.reordered;
        both.up_us += before.up_us;
        both
    }

    /// As a point of a stretch that began then and lasted so long.
    #[must_use]
    pub(crate) fn point(&self, unix_s: u64, lasted_us: u64) -> Point {
        Point {
            unix_s,
            rtt_us: mean(self.rtt_sum_us, self.rtt_count),
            rtt_min_us: self.rtt_min_us,
            rtt_p95_us: self.rtt_us(95),
            jitter_us: mean(self.jitter_sum_us, self.jitter_count),
            loss_out_ppm: self.out.ppm(),
            loss_in_ppm: self.back.ppm(),
            up_ppm: Share { sent: lasted_us, lost: self.up_us }.ppm().unwrap_or_default(),
        }
    }

    /// The smallest that so many of 100 do not exceed (RFC 5481 section 4.5: nearest rank).
    #[must_use]
    pub(crate) fn rtt_us(&self, percent: usize) -> Option<u32> {
        let mut sorted = self.samples_us.clone();
        let rank = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
        let (_, value, _) = sorted.select_nth_unstable(rank);
        Some(*value)
    }
}

fn mean(sum: u64, count: u64) -> Option<u32> {
    sum.checked_div(count).map(|mean| u32::try_from(mean).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_stretch_says_nothing() {
        let point = Tally::default().point(7, 10_000_000);
        assert_eq!((point.unix_s, point.up_ppm), (7, 0));
        assert_eq!((point.rtt_us, point.rtt_p95_us, point.jitter_us, point.loss_out_ppm), (None, None, None, None));
    }

    #[test]
    fn a_point_has_mean_least_and_95th_percentile() {
        let mut tally = Tally::default();
        (1..=100).for_each(|rtt_us| tally.handle_rtt(rtt_us * 10));
        tally.handle_out(200, 10);
        tally.handle_back(3, 0);
        tally.handle_jitter(4);
        tally.handle_jitter(8);
        tally.handle_up(9_000_000);
        let point = tally.point(0, 10_000_000);
        assert_eq!((point.rtt_us, point.rtt_min_us, point.rtt_p95_us), (Some(505), Some(10), Some(950)));
        assert_eq!((point.loss_out_ppm, point.loss_in_ppm), (Some(50_000), Some(0)));
        assert_eq!((point.jitter_us, point.up_ppm), (Some(6), 900_000));
    }

    #[test]
    fn two_stretches_together_are_as_one() {
        let (mut early, mut late, mut all) = (Tally::default(), Tally::default(), Tally::default());
        for n in 0..600 {
            for tally in [if n < 300 { &mut early } else { &mut late }, &mut all] {
                tally.handle_rtt(n * 7 % 1_000);
                tally.handle_out(1, u64::from(n % 9 == 0));
            }
        }
        assert_eq!(late.with(&early).point(0, 1), all.point(0, 1));
    }

    #[test]
    fn of_more_samples_than_are_kept_the_latest_count() {
        let mut tally = Tally::default();
        (0..limit::SAMPLES).for_each(|_| tally.handle_rtt(1));
        assert_eq!(tally.rtt_us(95), Some(1));
        (0..limit::SAMPLES).for_each(|_| tally.handle_rtt(9));
        assert_eq!((tally.rtt_us(95), tally.samples_us.len()), (Some(9), limit::SAMPLES));
        assert_eq!(tally.with(&tally).samples_us.len(), limit::SAMPLES);
    }
}
