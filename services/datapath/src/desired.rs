//! From what `link` says to what the programs must know.

use std::{collections::BTreeSet, net::Ipv4Addr};

use patronus_ebpf_abi as abi;
use patronus_ipc::link;
use patronus_types::{IpNet, Ipv4Net, Ipv6Net, PortName, UplinkName, UplinkSlot};

use crate::guard;

/// Where packets are taken, and where they may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The LAN's bridge and its prefix with the box's own address.
    pub lan: Option<(PortName, Ipv4Net)>,
    /// Its prefix of IPv6, if the world knows it.
    pub lan_six: Option<Ipv6Net>,
    /// Uplinks by slot, also those that cannot be used now.
    pub uplinks: Vec<Uplink>,
}

/// An uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Its name.
    pub name: UplinkName,
    /// Its port.
    pub port: PortName,
    /// The address that flows have outside; `None` while nothing can leave.
    pub address: Option<Ipv4Addr>,
    /// Sources that are nobody's where it leads: bits of [`patronus_ebpf_abi::guard`].
    pub bogons: u32,
}

/// What `link` says, as far as it matters here.
#[must_use]
pub fn desired(link: &link::State) -> Desired {
    let device = link.lan.device.clone();
    let lan = device.zip(link.lan.addresses.iter().find_map(v4));
    let uplinks = link.uplinks.iter().take(abi::UPLINKS as usize);
    Desired { lan, lan_six: link.lan.addresses.iter().find_map(global), uplinks: uplinks.map(uplink).collect() }
}

/// Without a cable an uplink has no route, so its flows go on by another.
fn uplink(uplink: &link::Uplink) -> Uplink {
    let address = uplink.addresses.iter().find_map(v4).map(|net| net.addr());
    Uplink {
        name: uplink.name.clone(),
        port: uplink.port.clone(),
        address: address.filter(|_| uplink.carrier),
        bogons: guard::bogons(uplink.addresses.iter()),
    }
}

/// Uplinks that carry nothing, whatever was measured: without a cable, or without an address.
#[must_use]
pub fn dead_uplinks(link: &link::State) -> BTreeSet<UplinkSlot> {
    let is_dead = |uplink: &link::Uplink| !uplink.carrier || uplink.addresses.is_empty();
    let uplinks = (0..).zip(&link.uplinks).filter(|(_, uplink)| is_dead(uplink));
    uplinks.filter_map(|(number, _)| UplinkSlot::new(number)).collect()
}

fn v4(net: &IpNet) -> Option<Ipv4Net> {
    match net {
        IpNet::V4(net) => Some(*net),
        IpNet::V6(_) => None,
    }
}

/// RFC 4291 section 2.4; the packet filter lets out no other sources.
fn global(net: &IpNet) -> Option<Ipv6Net> {
    match net {
        IpNet::V6(net) if net.addr().segments().first().is_some_and(|first| first >> 13 == 1) => Some(*net),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use patronus_ipc::link::{Lan, State};

    use super::*;

    fn state(carrier: bool, addresses: &[&str]) -> State {
        let uplink = link::Uplink {
            name: "fibre".parse().unwrap(),
            port: "eth0".parse().unwrap(),
            carrier,
            addresses: addresses.iter().map(|net| net.parse().unwrap()).collect(),
            gateways: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            lease: None,
            problem: None,
        };
        let lan = Lan {
            device: Some("lan".parse().unwrap()),
            addresses: vec!["fd00::1/64".parse().unwrap(), "192.168.42.1/24".parse().unwrap()],
        };
        State { uplinks: vec![uplink], lan, ..State::default() }
    }

    #[test]
    fn the_lan_is_its_ipv4_prefix() {
        let desired = desired(&state(true, &[]));
        assert_eq!(desired.lan, Some(("lan".parse().unwrap(), "192.168.42.1/24".parse().unwrap())));
        assert_eq!(desired.lan_six, None, "nobody outside would answer to fd00::/8");
    }

    #[test]
    fn an_uplink_is_used_with_an_ipv4_address_and_a_cable_and_keeps_its_slot_without() {
        let address = |carrier, addresses: &[&str]| desired(&state(carrier, addresses)).uplinks[0].address;
        assert_eq!(address(true, &["2001:db8::2/64", "203.0.113.2/24"]), Some(Ipv4Addr::new(203, 0, 113, 2)));
        assert_eq!(address(false, &["203.0.113.2/24"]), None);
        assert_eq!(address(true, &["2001:db8::2/64"]), None);
    }

    #[test]
    fn uplinks_beyond_the_last_slot_are_not_used() {
        let mut many = state(true, &["203.0.113.2/24"]);
        many.uplinks = vec![many.uplinks[0].clone(); abi::UPLINKS as usize + 1];
        assert_eq!(desired(&many).uplinks.len(), abi::UPLINKS as usize);
    }
}
