//! What router advertisements brought.
//!
//! *Does*: keep the first few of each port in the kernel's order, which is the order of arrival: newcomers do not displace anybody.
//! *Never does*: grow with the number of those who advertise; anybody on the WAN cable can claim to be a router.
//! *Spec*: RFC 4861 section 6.3.4; RFC 6104 for why.

use std::{collections::BTreeMap, net::Ipv6Addr};

use patronus_types::{Ipv6Net, PortName};

use crate::limit;

/// Routers and addresses by port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertised {
    routers: BTreeMap<PortName, Vec<Ipv6Addr>>,
    addresses: BTreeMap<PortName, Vec<Ipv6Net>>,
}

impl Advertised {
    /// A router; whether it is kept.
    pub fn add_router(&mut self, port: &PortName, router: Ipv6Addr) -> bool {
        keep(self.routers.entry(port.clone()).or_default(), router, limit::ADVERTISED_ROUTERS)
    }

    /// An address that the kernel made from an advertised prefix; whether it is kept.
    pub fn add_address(&mut self, port: &PortName, net: Ipv6Net) -> bool {
        keep(self.addresses.entry(port.clone()).or_default(), net, limit::ADVERTISED_ADDRESSES)
    }

    /// The routers of a port, at most [`limit::ADVERTISED_ROUTERS`].
    #[must_use]
    pub fn routers(&self, port: &PortName) -> &[Ipv6Addr] {
        self.routers.get(port).map_or(&[], Vec::as_slice)
    }

    /// The addresses of a port, at most [`limit::ADVERTISED_ADDRESSES`].
    #[must_use]
    pub fn addresses(&self, port: &PortName) -> &[Ipv6Net] {
        self.addresses.get(port).map_or(&[], Vec::as_slice)
    }
}

fn keep<T: PartialEq>(list: &mut Vec<T>, item: T, most: usize) -> bool {
    let is_kept = list.len() < most && !list.contains(&item);
    if is_kept {
        list.push(item);
    }
    is_kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_at_the_limit_are_kept_and_one_above_displaces_nobody() {
        let (mut advertised, port) = (Advertised::default(), "eth0".parse().unwrap());
        let router = |number: usize| Ipv6Addr::from_bits(0xfe80 << 112 | number as u128);
        // The last one has the smallest address.
        let numbers: Vec<usize> = (0..=limit::ADVERTISED_ROUTERS).rev().collect();
        let kept: Vec<bool> = numbers.iter().map(|number| advertised.add_router(&port, router(*number))).collect();
        assert_eq!(kept.iter().filter(|kept| **kept).count(), limit::ADVERTISED_ROUTERS);
        assert_eq!(kept.last(), Some(&false));
        assert_eq!(advertised.routers(&port).first(), Some(&router(limit::ADVERTISED_ROUTERS)));
    }

    #[test]
    fn addresses_at_the_limit_are_kept_and_one_above_is_not_and_other_ports_have_their_own() {
        let (mut advertised, port, other) = (Advertised::default(), "eth0".parse().unwrap(), "eth1".parse().unwrap());
        let net = |number: usize| format!("2001:db8:{number:x}::1/64").parse().unwrap();
        assert!((0..limit::ADVERTISED_ADDRESSES).all(|number| advertised.add_address(&port, net(number))));
        assert!(!advertised.add_address(&port, net(limit::ADVERTISED_ADDRESSES)));
        assert!(advertised.add_address(&other, net(limit::ADVERTISED_ADDRESSES)));
        assert_eq!(advertised.addresses(&port).len(), limit::ADVERTISED_ADDRESSES);
    }
}
