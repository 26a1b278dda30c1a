//! What a thread tells the service.

use std::{collections::BTreeMap, io, net::SocketAddr, time::Duration};

use patronus_ipc::tunnel::{PathState, StunAnswer};
use patronus_tunnel::{Rejects, Shard, noise::Engine};
use patronus_types::UplinkSlot;

/// Between two reports.
pub(crate) const EVERY: Duration = Duration::from_millis(100);

/// Paths as they are, or the end.
#[derive(Debug)]
pub(crate) enum FromSlot {
    /// Paths as they are.
    Report(Box<Report>),
    /// The thread has ended: as it was told if there is no error.
    Ended(UplinkSlot, io::Result<()>),
}

/// One thread's view.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) slot: UplinkSlot,
    pub(crate) paths: Vec<PathState>,
    /// Where others see the slot.
    pub(crate) seen: Vec<SocketAddr>,
    /// What STUN servers say of it.
    pub(crate) stun: Vec<StunAnswer>,
    pub(crate) rejects: Rejects,
    /// Whether it was asked for.
    pub(crate) is_answer: bool,
}

impl Report {
    /// As it is now; each device was found empty when `emptied` says.
    pub(crate) fn of<E: Engine>(
        slot: UplinkSlot,
        shard: &mut Shard<E>,
        emptied: &BTreeMap<UplinkSlot, Duration>,
        now: Duration,
    ) -> Self {
        let ago_ms = |at: &Duration| u64::try_from(now.saturating_sub(*at).as_millis()).unwrap_or(u64::MAX);
        let mut paths = shard.state(slot, now);
        for path in &mut paths {
            path.emptied_ago_ms = emptied.get(&path.remote).map(ago_ms);
        }
        let (seen, stun) = (shard.seen(now).to_vec(), shard.stun());
        Self { slot, paths, seen, stun, rejects: shard.rejects().clone(), is_answer: false }
    }

    /// Whether it differs in counters and ages at most.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let news = |path: &PathState| (path.peer, path.remote, path.status, path.endpoint, path.via, path.longest);
        (&self.seen, &self.stun) == (&other.seen, &other.stun)
            && self.paths.iter().map(news).eq(other.paths.iter().map(news))
    }
}
