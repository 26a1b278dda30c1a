//! How much each site may have carried to others.
//!
//! *Does*: a share of datagrams and of bytes a second for each source.
//! *Never does*: queue: what is over the share is lost, as on any line.

use std::{collections::BTreeMap, time::Duration};

use patronus_types::SiteId;

use crate::limit;

/// What each site has left. There are no more than sites that are peers.
#[derive(Debug, Default)]
pub(crate) struct Shares(BTreeMap<SiteId, Share>);

/// In thousandths, so that slow rates fill evenly.
#[derive(Clone, Copy, Debug)]
struct Share {
    datagrams: u64,
    bytes: u64,
    at: Duration,
}

impl Share {
    /// A full one is a quarter of a second of the rate.
    const FULL: Self = Self {
        datagrams: limit::RELAY_DATAGRAMS_PER_SECOND * 250,
        bytes: limit::RELAY_BYTES_PER_SECOND * 250,
        at: Duration::ZERO,
    };

    fn refill(&mut self, now: Duration) {
        let passed_ms = u64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        if passed_ms > 0 {
            let gain = |rate: u64| passed_ms.saturating_mul(rate);
            let filled = |left: u64, rate: u64, full: u64| left.saturating_add(gain(rate)).min(full);
            self.datagrams = filled(self.datagrams, limit::RELAY_DATAGRAMS_PER_SECOND, Self::FULL.datagrams);
            self.bytes = filled(self.bytes, limit::RELAY_BYTES_PER_SECOND, Self::FULL.bytes);
            self.at = now;
        }
    }
}

impl Shares {
    /// Takes a datagram of this length out of a site's share. `false` if it is used up.
    pub(crate) fn take(&mut self, now: Duration, source: SiteId, bytes: usize) -> bool {
        let share = self.0.entry(source).or_insert(Share { at: now, ..Share::FULL });
        share.refill(now);
        let bytes = (bytes as u64).saturating_mul(1_000);
        match (share.datagrams.checked_sub(1_000), share.bytes.checked_sub(bytes)) {
            (Some(datagrams), Some(bytes)) => {
                (share.datagrams, share.bytes) = (datagrams, bytes);
                true
            }
            _ => false,
        }
    }

    /// Forgets sites that are no peers any more.
    pub(crate) fn retain(&mut self, is_peer: impl Fn(&SiteId) -> bool) {
        self.0.retain(|site, _| is_peer(site));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const SITE: SiteId = SiteId([1; 32]);

    fn taken(shares: &mut Shares, now: Duration, site: SiteId, bytes: usize) -> u64 {
        (0..1_000_000).take_while(|_| shares.take(now, site, bytes)).count() as u64
    }

    #[test]
    fn a_site_has_its_datagrams_and_its_bytes_a_second_and_others_have_theirs() {
        let mut shares = Shares::default();
        assert_eq!(taken(&mut shares, S, SITE, 100), limit::RELAY_DATAGRAMS_PER_SECOND / 4);
        assert_eq!(taken(&mut shares, S, SITE, 100), 0);
        assert_eq!(taken(&mut shares, S + S / 10, SITE, 100), limit::RELAY_DATAGRAMS_PER_SECOND / 10);
        assert_eq!(taken(&mut shares, S, SiteId([2; 32]), 50_000), limit::RELAY_BYTES_PER_SECOND / 4 / 50_000);
        shares.retain(|site| *site == SITE);
        assert_eq!(shares.0.len(), 1);
    }
}
