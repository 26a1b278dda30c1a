//! With whom a site compares what it knows inside tunnels, and when.
//!
//! *Does*: after news a few at random, a few times; otherwise one now and then. Who hears news so does the same: it spreads like a rumour.
//! *Never does*: say more because there are more sites; speak more often than every [`limit::GOSSIP_GAP_MS`].
//! *Spec*: `docs/membership.md`, section "Inside tunnels"; `docs/adr/0006-gossip.md`.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use patronus_types::SiteId;

use crate::{beacon::spread, limit};

/// Whom to tell next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gossip {
    /// Sites whose tunnels answer.
    peers: BTreeSet<SiteId>,
    /// Of them those that came last: they are told first.
    newcomers: Vec<SiteId>,
    rounds: u32,
    due_ms: u64,
    spoke_ms: Option<u64>,
}

impl Gossip {
    /// The sites whose tunnels answer now. With one that did not before this one compares soon: either may know other things.
    pub(crate) fn handle_peers(&mut self, peers: BTreeSet<SiteId>, now_ms: u64) {
        let room = limit::GOSSIP_FANOUT * limit::GOSSIP_ROUNDS as usize;
        let newcomers: Vec<SiteId> = peers.difference(&self.peers).copied().take(room).collect();
        self.peers = peers;
        if !newcomers.is_empty() {
            self.newcomers = newcomers;
            self.hurry(now_ms);
        }
    }

    /// There is something that others may not know.
    pub(crate) fn handle_news(&mut self, now_ms: u64) {
        self.rounds = limit::GOSSIP_ROUNDS;
        self.hurry(now_ms);
    }

    fn hurry(&mut self, now_ms: u64) {
        self.due_ms = now_ms.max(self.spoke_ms.map_or(0, |spoke| spoke.saturating_add(limit::GOSSIP_GAP_MS)));
    }

    /// When to compare next, on the monotonic clock in milliseconds; never without peers.
    pub(crate) fn deadline(&self) -> Option<u64> {
        (!self.peers.is_empty()).then_some(self.due_ms)
    }

    /// With whom to compare now. `random` chooses.
    pub(crate) fn poll_tell(&mut self, now_ms: u64, random: u64) -> Vec<SiteId> {
        if self.deadline().is_none_or(|due| now_ms < due) {
            return Vec::new();
        }
        let mut chosen: Vec<SiteId> = self.newcomers.drain(..limit::GOSSIP_FANOUT.min(self.newcomers.len())).collect();
        chosen.retain(|site| self.peers.contains(site));
        let count = if self.rounds > 0 { limit::GOSSIP_FANOUT } else { 1 };
        self.fill(&mut chosen, count, random);
        self.rounds = self.rounds.saturating_sub(1);
        self.spoke_ms = Some(now_ms);
        let is_busy = self.rounds > 0 || !self.newcomers.is_empty();
        let pause_ms = if is_busy { limit::GOSSIP_GAP_MS } else { spread(limit::GOSSIP_EVERY_MS, random) };
        self.due_ms = now_ms.saturating_add(pause_ms);
        chosen
    }

    /// Others at random, until there are so many.
    fn fill(&self, chosen: &mut Vec<SiteId>, count: usize, random: u64) {
        let mut others: Vec<(u64, SiteId)> =
            self.peers.iter().filter(|site| !chosen.contains(site)).map(|site| (lot(site, random), *site)).collect();
        others.sort_unstable();
        let room = count.saturating_sub(chosen.len());
        chosen.extend(others.into_iter().take(room).map(|(_, site)| site));
    }
}

/// Another order of the sites for each random number.
fn lot(site: &SiteId, random: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (site, random).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(number: u8) -> SiteId {
        SiteId([number; 32])
    }

    fn with_peers(count: u8) -> Gossip {
        let mut gossip = Gossip::default();
        gossip.handle_peers((0..count).map(site).collect(), 0);
        while gossip.deadline().unwrap() < 20_000 {
            let due = gossip.deadline().unwrap();
            gossip.poll_tell(due, due);
        }
        gossip
    }

    #[test]
    fn news_is_told_to_a_few_a_few_times_and_then_there_is_peace() {
        let mut gossip = with_peers(100);
        gossip.handle_news(50_000);
        let mut told = Vec::new();
        for round in 0..u64::from(limit::GOSSIP_ROUNDS) {
            let now_ms = 50_000 + round * limit::GOSSIP_GAP_MS;
            assert_eq!(gossip.deadline(), Some(now_ms));
            told.push(gossip.poll_tell(now_ms, round));
        }
        assert!(told.iter().all(|round| round.len() == limit::GOSSIP_FANOUT));
        assert!(told.windows(2).any(|pair| pair[0] != pair[1]), "not always the same ones");
        let next = gossip.deadline().unwrap();
        let pause_ms = next - 50_000 - u64::from(limit::GOSSIP_ROUNDS - 1) * limit::GOSSIP_GAP_MS;
        assert!((3_750..=6_250).contains(&pause_ms), "{pause_ms}");
        assert_eq!(gossip.poll_tell(next, 7).len(), 1);
    }

    #[test]
    fn news_all_the_time_is_no_flood() {
        let mut gossip = with_peers(100);
        let mut count = 0;
        for now_ms in 50_000..60_000 {
            gossip.handle_news(now_ms);
            count += gossip.poll_tell(now_ms, now_ms).len();
        }
        assert!(count <= 10 * limit::GOSSIP_FANOUT, "{count}");
    }

    #[test]
    fn who_has_come_is_told_first() {
        let mut gossip = with_peers(100);
        gossip.handle_peers((0..101).map(site).collect(), 40_000);
        assert_eq!(gossip.poll_tell(40_000, 1), [site(100)], "and nobody else, unless there is news");
    }

    #[test]
    fn nobody_is_told_where_nobody_is() {
        let mut gossip = Gossip::default();
        gossip.handle_news(0);
        assert_eq!((gossip.deadline(), gossip.poll_tell(1_000, 1)), (None, Vec::new()));
    }
}
