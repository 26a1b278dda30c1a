//! How much others may ask of this site.
//!
//! *Does*: token buckets, one for each source and one for all.
//! *Never does*: look at what is sent; let one source use up the share of all; remember more than [`limit::SOURCES`] sources.

use std::{collections::BTreeMap, net::IpAddr};

use crate::limit;

/// A number in a second, and how many at once.
type Rate = (u32, u32);

/// The shares of one guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of one source.
    pub source: Rate,
    /// Of all together.
    pub total: Rate,
}

/// Whose share is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Source,
    Total,
}

/// Counts what sources ask.
#[derive(Clone, Debug)]
pub struct Guard {
    rates: Rates,
    sources: BTreeMap<IpAddr, Bucket>,
    total: Bucket,
}

impl Guard {
    /// All shares are whole.
    #[must_use]
    pub const fn new(rates: Rates) -> Self {
        Self { rates, sources: BTreeMap::new(), total: Bucket::full(rates.total, 0) }
    }

    /// Takes `count` from the shares, or nothing.
    pub(crate) fn take(&mut self, source: IpAddr, count: u32, now_ms: u64) -> Result<(), Over> {
        let source = group(source);
        if !self.sources.contains_key(&source) && self.sources.len() >= limit::SOURCES {
            self.forget_one();
        }
        let rate = self.rates.source;
        let bucket = self.sources.entry(source).or_insert(Bucket::full(rate, now_ms));
        if !bucket.has(rate, count, now_ms) {
            return Err(Over::Source);
        }
        // A source over its share takes nothing from that of all.
        if !self.total.has(self.rates.total, count, now_ms) {
            return Err(Over::Total);
        }
        bucket.take(count);
        self.total.take(count);
        Ok(())
    }

    fn forget_one(&mut self) {
        let oldest = self.sources.iter().min_by_key(|(_, bucket)| bucket.filled_ms).map(|(source, _)| *source);
        oldest.and_then(|source| self.sources.remove(&source));
    }
}

/// A provider's customer has a whole /64 of IPv6: its addresses are one source.
fn group(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

/// In thousandths, so that slow rates fill evenly.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left_milli: u64,
    filled_ms: u64,
}

impl Bucket {
    const fn full((_, burst): Rate, now_ms: u64) -> Self {
        Self { left_milli: burst as u64 * 1_000, filled_ms: now_ms }
    }

    fn has(&mut self, (per_second, burst): Rate, count: u32, now_ms: u64) -> bool {
        let gained = now_ms.saturating_sub(self.filled_ms).saturating_mul(u64::from(per_second));
        self.left_milli = self.left_milli.saturating_add(gained).min(u64::from(burst) * 1_000);
        self.filled_ms = self.filled_ms.max(now_ms);
        self.left_milli >= u64::from(count) * 1_000
    }

    fn take(&mut self, count: u32) {
        self.left_milli = self.left_milli.saturating_sub(u64::from(count) * 1_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates { source: (10, 20), total: (30, 50) };

    fn taken(guard: &mut Guard, source: [u8; 4], tries: u32, now_ms: u64) -> u32 {
        (0..tries).map(|_| u32::from(guard.take(source.into(), 1, now_ms).is_ok())).sum()
    }

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        let mut guard = Guard::new(RATES);
        assert_eq!(taken(&mut guard, [10, 0, 0, 1], 100, 0), 20);
        assert_eq!(taken(&mut guard, [10, 0, 0, 1], 100, 1_000), 10);
        assert_eq!(taken(&mut guard, [10, 0, 0, 1], 100, 1_099), 0);
        assert_eq!(taken(&mut guard, [10, 0, 0, 1], 100, 1_100), 1);
    }

    #[test]
    fn a_loud_source_leaves_the_others_their_share() {
        let mut guard = Guard::new(RATES);
        assert_eq!(taken(&mut guard, [10, 0, 0, 1], 1_000_000, 0), 20);
        assert_eq!(taken(&mut guard, [10, 0, 0, 2], 20, 0), 20);
        assert_eq!(guard.take([10, 0, 0, 3].into(), 11, 0), Err(Over::Total));
        assert_eq!(guard.take([10, 0, 0, 3].into(), 10, 0), Ok(()));
    }

    #[test]
    fn addresses_of_one_customer_are_one_source() {
        let mut guard = Guard::new(RATES);
        for host in 0..20_u16 {
            assert_eq!(guard.take(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]), 1, 0), Ok(()));
        }
        assert_eq!(guard.take("2001:db8:0:1::ffff".parse().unwrap(), 1, 0), Err(Over::Source));
    }

    #[test]
    fn no_more_sources_are_remembered_than_the_limit() {
        let mut guard = Guard::new(Rates { source: (1, 1), total: (1_000_000, 1_000_000) });
        for number in 0..=limit::SOURCES as u32 {
            assert_eq!(guard.take(std::net::Ipv4Addr::from(number).into(), 1, u64::from(number)), Ok(()));
        }
        assert_eq!(guard.sources.len(), limit::SOURCES);
        // The first was forgotten, the second was not.
        let now_ms = limit::SOURCES as u64;
        assert_eq!(guard.take([0, 0, 0, 1].into(), 2, now_ms), Err(Over::Source));
    }
}
