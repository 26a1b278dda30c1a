//! Servers that want to be asked less, or not at all.
//!
//! *Does*: a day without questions after DENY and RSTR; after RATE a pause that doubles each time and ends with the first answer.
//! *Never does*: remember more than [`limit::PAUSES`] servers; the pause that ends first is forgotten first.
//! *Spec*: RFC 4330 sections 8 and 10 (8).

use std::{collections::BTreeMap, net::IpAddr};

use crate::{limit, sntp::Rejected};

/// Until when which server is not asked.
#[derive(Clone, Debug, Default)]
pub struct Pauses(BTreeMap<IpAddr, Pause>);

#[derive(Clone, Copy, Debug)]
struct Pause {
    until_ms: u64,
    /// How often it said RATE since its last answer.
    rated: u32,
}

impl Pauses {
    /// Whether the server may be asked now.
    #[must_use]
    pub fn allow(&self, server: &IpAddr, uptime_ms: u64) -> bool {
        self.0.get(server).is_none_or(|pause| pause.until_ms <= uptime_ms)
    }

    /// It gave the time.
    pub fn handle_answer(&mut self, server: &IpAddr) {
        self.0.remove(server);
    }

    /// It gave something else; only a kiss of death leads to a pause.
    pub fn handle_rejected(&mut self, server: IpAddr, reason: Rejected, uptime_ms: u64) {
        let rated = self.0.get(&server).map_or(0, |pause| pause.rated);
        let (pause_ms, rated) = match reason {
            Rejected::KissDeny => (limit::BANNED_MS, 0),
            Rejected::KissRate => (rate_pause_ms(rated), rated.saturating_add(1)),
            _ => return,
        };
        self.0.insert(server, Pause { until_ms: uptime_ms.saturating_add(pause_ms), rated });
        if self.0.len() > limit::PAUSES {
            let first = self.0.iter().min_by_key(|(_, pause)| pause.until_ms).map(|(server, _)| *server);
            first.map(|server| self.0.remove(&server));
        }
    }
}

/// Twice the first pause between good rounds, doubled each time, up to the longest between good rounds.
fn rate_pause_ms(rated: u32) -> u64 {
    (limit::POLL_FIRST_MS << rated.saturating_add(1).min(16)).min(limit::POLL_LONGEST_MS)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn server(number: usize) -> IpAddr {
        Ipv4Addr::from_bits(0xcb00_7100 + number as u32).into()
    }

    #[test]
    fn rate_slows_down_more_and_more_and_an_answer_forgives() {
        let (mut pauses, mut now_ms) = (Pauses::default(), 0);
        for pause_ms in [128_000, 256_000, 512_000, 1_024_000, 2_048_000, 2_048_000] {
            pauses.handle_rejected(server(0), Rejected::KissRate, now_ms);
            assert!(!pauses.allow(&server(0), now_ms + pause_ms - 1));
            assert!(pauses.allow(&server(0), now_ms + pause_ms));
            now_ms += pause_ms;
        }
        pauses.handle_answer(&server(0));
        pauses.handle_rejected(server(0), Rejected::KissRate, now_ms);
        assert!(pauses.allow(&server(0), now_ms + 128_000));
    }

    #[test]
    fn deny_is_obeyed_for_a_day_and_other_defects_lead_to_no_pause() {
        let mut pauses = Pauses::default();
        pauses.handle_rejected(server(0), Rejected::KissDeny, 5);
        assert!(!pauses.allow(&server(0), 5 + limit::BANNED_MS - 1));
        assert!(pauses.allow(&server(0), 5 + limit::BANNED_MS));
        pauses.handle_rejected(server(1), Rejected::Unsynchronised, 5);
        assert!(pauses.allow(&server(1), 5));
    }

    #[test]
    fn pauses_at_the_limit_are_kept_and_one_above_takes_the_place_of_the_one_that_ends_first() {
        let mut pauses = Pauses::default();
        let paused = |pauses: &Pauses| (0..=limit::PAUSES).filter(|number| !pauses.allow(&server(*number), 1)).count();
        for number in 0..limit::PAUSES {
            pauses.handle_rejected(server(number), Rejected::KissDeny, number as u64);
        }
        assert_eq!(paused(&pauses), limit::PAUSES);
        pauses.handle_rejected(server(limit::PAUSES), Rejected::KissDeny, limit::PAUSES as u64);
        assert_eq!(paused(&pauses), limit::PAUSES);
        assert!(pauses.allow(&server(0), 1));
    }
}
