//! How much each site may have carried to others.
//!
//! *Does*: a share of datagrams and of bytes a second for each source.
//! *Never does*: queue: what is over the share is lost, as on any line.

use std::{collections::BTreeMap, time::Duration};

use patronus_types::SiteId;

use crate::{
    bucket::{Bucket, Rate},
    limit,
};

const DATAGRAMS: Rate = quarter_of_a_second(limit::RELAY_DATAGRAMS_PER_SECOND);
const BYTES: Rate = quarter_of_a_second(limit::RELAY_BYTES_PER_SECOND);

const fn quarter_of_a_second(per_s: u64) -> Rate {
    Rate { per_s, burst_thousandths: per_s * 250 }
}

/// What each site has left. There are no more than sites that are peers.
#[derive(Debug, Default)]
pub(crate) struct Shares(BTreeMap<SiteId, Share>);

#[derive(Clone, Copy, Debug)]
struct Share {
    datagrams: Bucket,
    bytes: Bucket,
}

impl Shares {
    /// Takes a datagram of this length out of a site's share. `false` if it is used up.
    pub(crate) fn take(&mut self, now: Duration, source: SiteId, bytes: usize) -> bool {
        let full = Share { datagrams: Bucket::full(DATAGRAMS, now), bytes: Bucket::full(BYTES, now) };
        let share = self.0.entry(source).or_insert(full);
        let datagrams = share.datagrams.refilled(DATAGRAMS, now).without(1);
        let bytes = share.bytes.refilled(BYTES, now).without(bytes as u64);
        let (Some(datagrams), Some(bytes)) = (datagrams, bytes) else { return false };
        *share = Share { datagrams, bytes };
        true
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
