//! How many handshakes one address may ask for.
//!
//! *Does*: a token bucket for each address, in a table of fixed size.
//! *Never does*: grow; forget an address that has used up its budget in favour of a new one while there is one at rest.
//!
//! It stands behind the cookie: while there is load, an address is only looked at here once it has proved that it can be reached.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use crate::{
    bucket::{Bucket, Rate},
    limit,
};

const RATE: Rate =
    Rate { per_s: limit::SOURCE_HANDSHAKES_PER_SECOND as u64, burst_thousandths: limit::SOURCE_BURST as u64 * 1_000 };

/// The buckets.
#[derive(Debug, Default)]
pub(crate) struct Budget(HashMap<[u8; 8], Bucket>);

impl Budget {
    /// Takes one handshake out of the budget of an address. `false` if nothing is left.
    pub(crate) fn take(&mut self, now: Duration, source: IpAddr) -> bool {
        let key = holder(source);
        if !self.0.contains_key(&key) && self.0.len() >= limit::SOURCES {
            self.0.retain(|_, bucket| !bucket.refilled(RATE, now).is_full(RATE));
            if self.0.len() >= limit::SOURCES {
                return false;
            }
        }
        let bucket = self.0.entry(key).or_insert(Bucket::full(RATE, now));
        let Some(rest) = bucket.refilled(RATE, now).without(1) else { return false };
        *bucket = rest;
        true
    }
}

#[cfg(test)]
impl Budget {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Who shares a budget: an IPv4 address, or an IPv6 network of 64 bits, which one machine has for itself.
fn holder(source: IpAddr) -> [u8; 8] {
    let bytes = match source {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets().last_chunk::<8>().copied(),
        IpAddr::V6(address) => address.octets().first_chunk::<8>().copied(),
    };
    bytes.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn an_address_gets_its_burst_and_then_its_rate() {
        let (mut budget, source) = (Budget::default(), IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)));
        let granted = |budget: &mut Budget, now| (0..1000).filter(|_| budget.take(now, source)).count() as u32;
        assert_eq!(granted(&mut budget, S), limit::SOURCE_BURST);
        assert_eq!(granted(&mut budget, S * 2), limit::SOURCE_HANDSHAKES_PER_SECOND);
        assert_eq!(granted(&mut budget, S * 3600), limit::SOURCE_BURST);
    }

    #[test]
    fn one_machine_cannot_multiply_itself_by_ipv6() {
        let mut budget = Budget::default();
        let source = |host: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, host));
        let granted = (0..1000).filter(|host| budget.take(S, source(*host))).count();
        assert_eq!(granted as u32, limit::SOURCE_BURST);
        assert!(budget.take(S, Ipv6Addr::new(0x2001, 0xdb8, 0, 8, 0, 0, 0, 1).into()));
    }

    #[test]
    fn the_table_holds_its_number_of_busy_addresses_and_those_at_rest_make_room() {
        let mut budget = Budget::default();
        let source = |number: usize| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + number as u32));
        assert!((0..limit::SOURCES).all(|number| budget.take(S, source(number))));
        assert!(!budget.take(S, source(limit::SOURCES)), "one above the limit");
        assert!(budget.take(S * 10, source(limit::SOURCES)), "the others are at rest");
        assert!(budget.0.len() <= limit::SOURCES);
    }
}
