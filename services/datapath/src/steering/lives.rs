//! Which paths live, and until when that is known.
//!
//! *Does*: believe `prober` on a path, and `link` on an uplink that has no cable or no address.
//! *Never does*: renew what nobody has vouched for lately: a lease that runs out is how the programs leave a path when all services are dead.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use patronus_ebpf_abi::steer::PathWord;
use patronus_ipc::prober::{Liveness, PathId, State};
use patronus_types::UplinkSlot;

use crate::limit;

/// What is known of the paths.
#[derive(Debug, Default)]
pub struct Lives {
    /// Paths of which `prober` says something definite.
    known: BTreeMap<PathId, Life>,
    heard: Option<Duration>,
    /// Uplinks that carry nothing.
    dead: BTreeSet<UplinkSlot>,
}

/// What `prober` says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Alive,
    Suspected,
    Dead,
}

impl Lives {
    /// What `prober` says. A path of which it knows nothing yet keeps its lease, and gets no other.
    pub fn handle_reports(&mut self, now: Duration, state: &State) {
        self.heard = Some(now);
        let known = |liveness| match liveness {
            Liveness::Up | Liveness::Holding => Some(Life::Alive),
            Liveness::Suspect => Some(Life::Suspected),
            Liveness::Down => Some(Life::Dead),
            Liveness::Unknown | Liveness::Probing => None,
        };
        self.known = state.paths.iter().filter_map(|path| Some((path.id(), known(path.liveness)?))).collect();
    }

    /// Uplinks that surely carry nothing.
    pub fn handle_uplinks(&mut self, dead: BTreeSet<UplinkSlot>) {
        self.dead = dead;
    }

    /// What must stand in a path's word; `None`: what stands there stays.
    #[must_use]
    pub fn word(&self, now: Duration, path: &PathId, device: u32, epoch: u8) -> Option<PathWord> {
        let dead = PathWord { device, is_suspected: false, epoch, lease_s: 0 };
        if self.dead.contains(&path.local) {
            return Some(dead);
        }
        let is_fresh = self.heard.is_some_and(|heard| now.saturating_sub(heard) <= limit::BELIEVED_FOR);
        match self.known.get(path) {
            Some(Life::Dead) => Some(dead),
            Some(life) if is_fresh => {
                let lease_s = u32::try_from((now + limit::LEASE).as_secs()).unwrap_or(u32::MAX);
                Some(PathWord { lease_s, is_suspected: *life == Life::Suspected, ..dead })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use patronus_ipc::prober::{Measured, PathReport};
    use patronus_types::SiteId;

    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn state(liveness: Liveness) -> State {
        let slot = UplinkSlot::new(0).unwrap();
        let path = PathReport {
            site: SiteId([1; 32]),
            local: slot,
            remote: slot,
            liveness,
            since_ms: 0,
            measured: Measured::default(),
            is_metered: false,
        };
        State { paths: vec![path], ..State::default() }
    }

    fn lease(lives: &Lives, now: Duration) -> Option<u32> {
        lives.word(now, &state(Liveness::Up).paths[0].id(), 7, 0).map(|word| word.lease_s)
    }

    #[test]
    fn a_path_has_a_lease_while_somebody_vouches_for_it_and_none_from_the_moment_it_is_down() {
        let mut lives = Lives::default();
        assert_eq!(lease(&lives, NOW), None);
        for alive in [Liveness::Up, Liveness::Suspect, Liveness::Holding] {
            lives.handle_reports(NOW, &state(alive));
            assert_eq!(lease(&lives, NOW), Some(103));
        }
        lives.handle_reports(NOW, &state(Liveness::Down));
        assert_eq!(lease(&lives, NOW), Some(0));
    }

    #[test]
    fn a_suspected_path_is_marked_until_it_has_answered_or_is_down() {
        let mut lives = Lives::default();
        for (liveness, expected) in [(Liveness::Suspect, true), (Liveness::Up, false), (Liveness::Down, false)] {
            lives.handle_reports(NOW, &state(liveness));
            let word = lives.word(NOW, &state(liveness).paths[0].id(), 7, 0).unwrap();
            assert_eq!(word.is_suspected, expected, "{liveness:?}");
            assert_eq!(PathWord::unpack(word.pack()), word);
        }
    }

    #[test]
    fn what_nobody_knows_keeps_its_lease_and_gets_no_other() {
        let mut lives = Lives::default();
        lives.handle_reports(NOW, &state(Liveness::Up));
        let late = NOW + limit::BELIEVED_FOR;
        assert!(lease(&lives, late).is_some());
        assert_eq!(lease(&lives, late + Duration::from_millis(1)), None, "prober is silent");
        lives.handle_reports(late, &state(Liveness::Probing));
        assert_eq!(lease(&lives, late), None, "prober was just started");
    }

    #[test]
    fn an_uplink_without_a_cable_carries_nothing_whatever_prober_says() {
        let mut lives = Lives::default();
        lives.handle_reports(NOW, &state(Liveness::Up));
        lives.handle_uplinks([UplinkSlot::new(0).unwrap()].into());
        assert_eq!(lease(&lives, NOW), Some(0));
    }
}
