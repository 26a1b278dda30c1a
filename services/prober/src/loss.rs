//! How much a path loses, by chance, and how many losses in a row are no chance any more.
//!
//! *Does*: average the loss of each direction over the last packets.
//! *Never does*: take an outage for chance: while probes are overdue nothing is counted (the caller sees to it).
//! *Spec*: `docs/prober.md`, section "Liveness".

use crate::limit;

/// The share of lost packets, one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss(f64);

impl Default for Loss {
    fn default() -> Self {
        // Each direction alone, so that there and back is as bad as is reckoned with at first.
        Self(1.0 - (1.0 - limit::FIRST_LOSS).sqrt())
    }
}

impl Loss {
    /// So many more were sent, of which so many were lost.
    pub(crate) fn handle(&mut self, sent: u64, lost: u64) {
        if sent > 0 {
            let weight = (sent as f64 / limit::LOSS_PACKETS).min(1.0);
            self.0 += (lost.min(sent) as f64 / sent as f64 - self.0) * weight;
        }
    }
}

/// How many unanswered probes in a row are no chance on a path that loses so much there and back.
#[must_use]
pub(crate) fn certain(out: Loss, back: Loss) -> u32 {
    let both = 1.0 - (1.0 - out.0) * (1.0 - back.0);
    let both = both.clamp(limit::LEAST_LOSS, limit::MOST_LOSS);
    (limit::CERTAINTY * std::f64::consts::LN_10 / -both.ln()).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(percent: u64, packets: u64) -> Loss {
        let mut loss = Loss::default();
        (0..packets).for_each(|n| loss.handle(1, u64::from(n * 37 % 100 < percent)));
        loss
    }

    #[test]
    fn a_path_that_loses_more_must_be_silent_for_longer() {
        let needed = [0, 1, 5, 10, 30, 90].map(|percent| certain(after(percent, 5_000), after(percent, 5_000)));
        assert_eq!(needed[0], 8);
        assert!(needed.is_sorted() && (11..=14).contains(&needed[2]), "{needed:?}");
        // Also of one that loses nearly all there is an end.
        assert_eq!(needed[5], 40);
    }

    #[test]
    fn a_path_of_which_little_is_known_is_taken_to_lose_some() {
        assert!((12..=13).contains(&certain(Loss::default(), Loss::default())));
        assert!(certain(after(0, 50), after(0, 50)) > 8);
    }

    #[test]
    fn one_report_of_many_packets_weighs_no_more_than_all() {
        let mut loss = Loss::default();
        loss.handle(1_000_000, 2_000_000);
        assert!((loss.0 - 1.0).abs() < 1e-9);
        loss.handle(0, 0);
        assert!((loss.0 - 1.0).abs() < 1e-9);
    }
}
