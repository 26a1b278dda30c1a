//! Telling IPv4 neighbours of an address at once, rather than when they next ask.
//!
//! *Does*: one announcement each time an address becomes usable: it is new, its device got a live cable or another Ethernet address.
//! *Never does*: announce what the kernel does not have, or speak for IPv6: there the kernel announces (`ndisc_notify`). For IPv4 it does so
//! only when a device comes up (`arp_notify`), which here is before it has an address.
//! *Spec*: RFC 5227 sections 1.1 and 3 (ARP announcement), RFC 826.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use patronus_types::{MacAddr, PortName};

use crate::network::Address;

/// Bytes of an ARP packet for IPv4 over Ethernet.
const ARP_BYTES: usize = 28;

/// "This address is here."
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Announcement {
    /// Where it is said.
    pub device: PortName,
    /// By which Ethernet address the IP address is reached.
    pub mac: MacAddr,
    /// The address.
    pub address: Ipv4Addr,
}

impl Announcement {
    /// The ARP packet, without Ethernet header: a request for one's own address, to all.
    #[must_use]
    pub fn packet(&self) -> [u8; ARP_BYTES] {
        let ([m0, m1, m2, m3, m4, m5], [a, b, c, d]) = (self.mac.0, self.address.octets());
        // Ethernet, IPv4, their address lengths, request; sender; target.
        [0, 1, 8, 0, 6, 4, 0, 1, m0, m1, m2, m3, m4, m5, a, b, c, d, 0, 0, 0, 0, 0, 0, a, b, c, d]
    }
}

/// What has been announced and still holds.
#[derive(Clone, Debug, Default)]
pub struct Announcer {
    holding: BTreeSet<Announcement>,
}

impl Announcer {
    /// Takes the addresses as they are, and the devices with a live cable; gives what neighbours do not know yet.
    pub fn handle_addresses(
        &mut self,
        addresses: &BTreeSet<Address>,
        live: &BTreeMap<PortName, MacAddr>,
    ) -> Vec<Announcement> {
        let announcement = |address: &Address| match address.net.addr() {
            IpAddr::V4(own) => {
                let mac = *live.get(&address.device)?;
                Some(Announcement { device: address.device.clone(), mac, address: own })
            }
            IpAddr::V6(_) => None,
        };
        let holding: BTreeSet<Announcement> = addresses.iter().filter_map(announcement).collect();
        let new = holding.difference(&self.holding).cloned().collect();
        self.holding = holding;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> BTreeSet<Address> {
        let device: PortName = "lan".parse().unwrap();
        texts.iter().map(|text| Address { device: device.clone(), net: text.parse().unwrap() }).collect()
    }

    fn live(last: u8) -> BTreeMap<PortName, MacAddr> {
        BTreeMap::from([("lan".parse().unwrap(), MacAddr([2, 0, 0, 0, 0, last]))])
    }

    #[test]
    fn an_address_is_announced_once_it_can_be_heard_and_not_again() {
        let (mut announcer, own) = (Announcer::default(), addresses(&["192.0.2.1/24"]));
        assert_eq!(announcer.handle_addresses(&own, &BTreeMap::new()), []);
        assert_eq!(announcer.handle_addresses(&own, &live(1)).len(), 1);
        assert_eq!(announcer.handle_addresses(&own, &live(1)), []);
    }

    #[test]
    fn a_new_address_a_new_cable_and_a_new_ethernet_address_are_announced() {
        let (mut announcer, own) = (Announcer::default(), addresses(&["192.0.2.1/24"]));
        announcer.handle_addresses(&own, &live(1));
        let two = addresses(&["192.0.2.1/24", "192.0.2.2/24"]);
        let new = announcer.handle_addresses(&two, &live(1));
        assert_eq!(new.iter().map(|new| new.address).collect::<Vec<_>>(), [Ipv4Addr::new(192, 0, 2, 2)]);
        assert_eq!(announcer.handle_addresses(&two, &live(2)).len(), 2);
        announcer.handle_addresses(&two, &BTreeMap::new());
        assert_eq!(announcer.handle_addresses(&two, &live(2)).len(), 2);
    }

    #[test]
    fn ipv6_is_left_to_the_kernel() {
        assert_eq!(Announcer::default().handle_addresses(&addresses(&["2001:db8::1/64"]), &live(1)), []);
    }

    #[test]
    fn sender_and_target_are_the_same_address() {
        let (mut announcer, own) = (Announcer::default(), addresses(&["192.0.2.1/24"]));
        let packet = announcer.handle_addresses(&own, &live(9))[0].packet();
        assert_eq!(packet[..8], [0, 1, 8, 0, 6, 4, 0, 1]);
        assert_eq!(packet[8..14], [2, 0, 0, 0, 0, 9]);
        assert_eq!((&packet[14..18], &packet[24..28]), (&[192, 0, 2, 1][..], &[192, 0, 2, 1][..]));
    }
}
