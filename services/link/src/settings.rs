//! Which port is for what: from the document, or the default of first boot.
//!
//! *Does*: the two ways to the same value.
//! *Never does*: change a document to fit the ports that happen to be plugged in.

use std::net::Ipv4Addr;

use patronus_types::{Document, Ipv4Net, Lan, PortName, PortRange, Uplink};

use crate::port::Port;

/// The LAN's address at first boot, printed on the console.
const FIRST_BOOT_LAN: (Ipv4Addr, u8) = (Ipv4Addr::new(192, 168, 42, 1), 24);
/// The uplink's name at first boot.
const FIRST_BOOT_UPLINK: &str = "wan";

/// What ports are for, and with which addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The trusted side.
    pub lan: Lan,
    /// The ways out in slot order.
    pub uplinks: Vec<Uplink>,
    /// Ports that lead to computers on the LAN, so that the box takes none of them for a question of its own.
    pub forwarded: Vec<PortRange>,
}

impl Settings {
    /// What a person decided.
    #[must_use]
    pub fn from_document(document: &Document) -> Self {
        let forwarded = document.forwards.iter().map(|forward| forward.outside).collect();
        Self { lan: document.lan.clone(), uplinks: document.uplinks.clone(), forwarded }
    }

    /// First boot: the first port is WAN by DHCP and SLAAC, all others are LAN. A single port is LAN: without one there would be
    /// no way to the page.
    #[must_use]
    pub fn first_boot(ports: &[Port]) -> Self {
        let mut ports: Vec<&Port> = ports.iter().collect();
        ports.sort_by(|a, b| a.place().cmp(&b.place()));
        let mut names: Vec<PortName> = ports.into_iter().map(|port| port.name.clone()).collect();
        let wan = (names.len() > 1).then(|| names.remove(0));
        let uplinks = wan.and_then(first_boot_uplink).into_iter().collect();
        Self { lan: first_boot_lan(names), uplinks, forwarded: Vec::new() }
    }
}

fn first_boot_lan(ports: Vec<PortName>) -> Lan {
    let (address, prefix_length) = FIRST_BOOT_LAN;
    Lan { ports, address: Ipv4Net::new_assert(address, prefix_length), address_v6: None }
}

fn first_boot_uplink(port: PortName) -> Option<Uplink> {
    let name = FIRST_BOOT_UPLINK.parse().ok()?;
    Some(Uplink {
        name,
        port,
        reachable_at: Vec::new(),
        cost: 0,
        metered: false,
        ipv4: Default::default(),
        ipv6: Default::default(),
    })
}

#[cfg(test)]
mod tests {
    use patronus_types::{Ipv4Method, Ipv6Method};

    use super::*;
    use crate::port::tests::port;

    #[test]
    fn the_first_port_by_place_is_wan_and_the_others_are_lan() {
        let settings = Settings::first_boot(&[port("eth0", "pci/2"), port("eth1", "pci/1"), port("eth2", "pci/3")]);
        let [uplink] = settings.uplinks.as_slice() else { panic!("one uplink") };
        assert_eq!((uplink.name.as_str(), uplink.port.as_str()), ("wan", "eth1"));
        assert_eq!((&uplink.ipv4, &uplink.ipv6), (&Ipv4Method::Dhcp, &Ipv6Method::Slaac));
        assert_eq!(settings.lan.ports, ["eth0", "eth2"].map(|name| name.parse().unwrap()));
        assert_eq!(settings.lan.address.to_string(), "192.168.42.1/24");
    }

    #[test]
    fn a_single_port_is_lan() {
        let settings = Settings::first_boot(&[port("eth0", "pci/1")]);
        assert_eq!(settings.uplinks, []);
        assert_eq!(settings.lan.ports.len(), 1);
    }
}
