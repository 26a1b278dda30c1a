//! What was found, as others are told.

use patronus_ipc::prober::{Measured, PathId, PathReport, Point};

use super::{Entry, Prober};
use crate::limit;

impl Prober {
    /// Whether a liveness has changed, or a path came or went, since this was asked last.
    pub fn poll_news(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }

    /// Every path as it is.
    #[must_use]
    pub fn reports(&self) -> Vec<PathReport> {
        self.entries.iter().map(|(id, entry)| entry.report(*id)).collect()
    }

    /// Datagrams that were not used or not sent, by reason.
    #[must_use]
    pub const fn rejects(&self) -> &crate::Rejects {
        &self.rejects
    }

    /// Ends a stretch of [`limit::POINT_S`] that began at `unix_s`: what was measured in it.
    pub fn poll_points(&mut self, unix_s: u64, now_us: u64) -> Vec<(PathId, Point)> {
        let at = self.moment(now_us);
        let point = |(id, entry): (&PathId, &mut Entry)| {
            entry.path.count_up(at);
            let point = entry.path.now.point(unix_s, limit::POINT_S * 1_000_000);
            entry.path.turn();
            (*id, point)
        };
        self.entries.iter_mut().map(point).collect()
    }
}

impl Entry {
    fn report(&self, id: PathId) -> PathReport {
        let point = self.path.now.with(&self.path.before).point(0, 1);
        PathReport {
            site: id.site,
            local: id.local,
            remote: id.remote,
            liveness: self.path.machine.liveness(),
            since_ms: self.path.machine.since_us() / 1_000,
            measured: Measured {
                rtt_us: point.rtt_us,
                rtt_p95_us: point.rtt_p95_us,
                jitter_us: point.jitter_us,
                loss_out_ppm: point.loss_out_ppm,
                loss_in_ppm: point.loss_in_ppm,
            },
            is_metered: self.is_metered,
        }
    }
}
