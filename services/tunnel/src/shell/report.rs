//! What a thread tells the service.

use std::{io, net::SocketAddr, time::Duration};

use patronus_ipc::tunnel::PathState;
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
    pub(crate) rejects: Rejects,
}

impl Report {
    /// As it is now.
    pub(crate) fn of<E: Engine>(slot: UplinkSlot, shard: &mut Shard<E>, now: Duration) -> Self {
        Self { slot, paths: shard.state(slot, now), seen: shard.seen(now).to_vec(), rejects: shard.rejects().clone() }
    }

    /// Whether it differs in counters and ages at most.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let news = |path: &PathState| (path.peer, path.remote, path.status, path.endpoint, path.via);
        self.seen == other.seen && self.paths.iter().map(news).eq(other.paths.iter().map(news))
    }
}
