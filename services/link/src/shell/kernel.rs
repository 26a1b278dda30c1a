//! Reads the kernel's network state.
//!
//! *Does*: one consistent-enough picture by four dumps; a later notification leads to a newer one.
//! *Never does*: show what this service does not own as if it did: see [`patronus_link::network`].

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use futures_util::TryStreamExt;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType},
    rule::{RuleAttribute, RuleMessage},
};
use patronus_link::{
    Advertised, Network, Port, limit,
    network::{Address, Device, LAN_DEVICE, PROTOCOL, RULE_PRIORITY, Route, Rule, lan_device},
};
use patronus_types::{IpNet, Limit, MacAddr, PortName};
use rtnetlink::{Handle, IpVersion, RouteMessageBuilder};

use super::sysfs;

/// What the kernel says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// What this service owns.
    pub(crate) network: Network,
    /// All Ethernet ports.
    pub(crate) ports: Vec<Port>,
    /// The kernel's numbers of ports and bridge.
    pub(crate) indexes: BTreeMap<PortName, u32>,
    /// Devices with a live cable (the bridge: with a port that forwards), and their Ethernet addresses.
    pub(crate) live: BTreeMap<PortName, MacAddr>,
    /// Addresses, the kernel's own too: at most [`limit::ADDRESSES`] of each device.
    pub(crate) addresses: BTreeMap<PortName, Vec<IpNet>>,
    /// What the kernel made from router advertisements.
    pub(crate) advertised: Advertised,
}

impl Picture {
    /// Takes a new one.
    pub(crate) async fn take(handle: &Handle) -> Result<Self, rtnetlink::Error> {
        let mut picture = Self::default();
        let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
        let lan_index = links.iter().find(|link| name_of(link) == Some(LAN_DEVICE)).map(|link| link.header.index);
        for link in &links {
            picture.add_link(link, lan_index);
        }
        let names: BTreeMap<u32, PortName> =
            picture.indexes.iter().map(|(name, index)| (*index, name.clone())).collect();
        let mut addresses = handle.address().get().execute();
        while let Some(message) = addresses.try_next().await? {
            picture.add_address(&message, &names);
        }
        for filter in [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()] {
            let mut routes = handle.route().get(filter).execute();
            while let Some(message) = routes.try_next().await? {
                picture.add_route(&message, &names);
            }
        }
        for version in [IpVersion::V4, IpVersion::V6] {
            let mut rules = handle.rule().get(version).execute();
            while let Some(message) = rules.try_next().await? {
                picture.network.rules.extend(own_rule(&message));
            }
        }
        Ok(picture)
    }

    fn add_link(&mut self, link: &LinkMessage, lan_index: Option<u32>) {
        let Some(name) = name_of(link).and_then(|name| name.parse::<PortName>().ok()) else { return };
        let Some(mac) = mac_of(link) else { return };
        if Some(link.header.index) == lan_index {
            self.network.bridge = Some(mac);
        } else if is_port(link, name.as_str()) && self.ports.len() < limit::PORTS {
            self.ports.push(port(link, &name, mac));
        } else {
            return;
        }
        self.indexes.insert(name.clone(), link.header.index);
        if link.header.flags.contains(LinkFlags::LowerUp) {
            self.live.insert(name.clone(), mac);
        }
        self.network.devices.insert(name, device(link, lan_index));
    }

    fn add_address(&mut self, message: &AddressMessage, names: &BTreeMap<u32, PortName>) {
        let Some(device) = names.get(&message.header.index) else { return };
        let Some(net) = net_of(message) else { return };
        let permanent = message.header.flags.contains(AddressHeaderFlags::Permanent);
        let is_kept = match net {
            IpNet::V6(net) if net.addr().is_unicast_link_local() => true,
            IpNet::V6(net) if !permanent => self.advertised.add_address(device, net),
            net => self.network.addresses.insert(Address { device: device.clone(), net }),
        };
        let addresses = self.addresses.entry(device.clone()).or_default();
        if is_kept && addresses.len() < limit::ADDRESSES {
            addresses.push(net);
        }
    }

    fn add_route(&mut self, message: &RouteMessage, names: &BTreeMap<u32, PortName>) {
        let Some(route) = route(message, names) else { return };
        match (message.header.protocol, route.gateway) {
            (RouteProtocol::Other(PROTOCOL), _) => {
                self.network.routes.insert(route);
            }
            (RouteProtocol::Ra, Some(IpAddr::V6(router))) if route.prefix.prefix_len() == 0 => {
                self.advertised.add_router(&route.device, router);
            }
            _ => {}
        }
    }
}

/// Real Ethernet ports have no kind; `veth` is the port of a box that runs in a network namespace.
fn is_port(link: &LinkMessage, name: &str) -> bool {
    let kinds = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    });
    let mut kinds = kinds.flatten().filter_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    link.header.link_layer_type == LinkLayerType::Ether
        && kinds.all(|kind| *kind == InfoKind::Veth)
        && !sysfs::is_radio(name)
}

fn port(link: &LinkMessage, name: &PortName, mac: MacAddr) -> Port {
    Port {
        name: name.clone(),
        index: link.header.index,
        mac,
        path: sysfs::path(name.as_str()),
        driver: sysfs::driver(name.as_str()),
        carrier: link.header.flags.contains(LinkFlags::LowerUp),
        speed_mbps: sysfs::speed_mbps(name.as_str()),
    }
}

fn device(link: &LinkMessage, lan_index: Option<u32>) -> Device {
    let mut mtu = None;
    let mut controller = None;
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::Mtu(bytes) => mtu = Some(*bytes),
            LinkAttribute::Controller(index) => controller = Some(*index),
            _ => {}
        }
    }
    Device {
        up: link.header.flags.contains(LinkFlags::Up),
        in_lan: controller.is_some() && controller == lan_index,
        mtu,
        ipv6: sysfs::ipv6_mode(name_of(link).unwrap_or_default()),
    }
}

fn name_of(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

fn mac_of(link: &LinkMessage) -> Option<MacAddr> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok().map(MacAddr),
        _ => None,
    })
}

fn net_of(message: &AddressMessage) -> Option<IpNet> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let other = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    IpNet::new(address.or(other)?, message.header.prefix_len).ok()
}

fn route(message: &RouteMessage, names: &BTreeMap<u32, PortName>) -> Option<Route> {
    if message.header.kind != RouteType::Unicast {
        return None;
    }
    let mut route = Route {
        table: u32::from(message.header.table),
        prefix: if message.header.address_family == AddressFamily::Inet6 {
            IpNet::new(Ipv6Addr::UNSPECIFIED.into(), 0).ok()?
        } else {
            IpNet::new(Ipv4Addr::UNSPECIFIED.into(), 0).ok()?
        },
        gateway: None,
        onlink: message.header.flags.contains(netlink_packet_route::route::RouteFlags::Onlink),
        device: lan_device(),
        metric: 0,
    };
    let mut device = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                route.prefix = IpNet::new((*address).into(), message.header.destination_prefix_length).ok()?;
            }
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => {
                route.prefix = IpNet::new((*address).into(), message.header.destination_prefix_length).ok()?;
            }
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => route.gateway = Some((*address).into()),
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => route.gateway = Some((*address).into()),
            RouteAttribute::Oif(index) => device = names.get(index).cloned(),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            _ => {}
        }
    }
    route.device = device?;
    Some(route)
}

fn own_rule(message: &RuleMessage) -> Option<Rule> {
    let mut source = None;
    let mut table = u32::from(message.header.table);
    let mut priority = 0;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(address) => source = Some(*address),
            RuleAttribute::Table(number) => table = *number,
            RuleAttribute::Priority(number) => priority = *number,
            _ => {}
        }
    }
    let ours = RULE_PRIORITY..RULE_PRIORITY.saturating_add(Limit::UPLINKS as u32);
    Some(Rule { source: source?, table, priority }).filter(|rule| ours.contains(&rule.priority))
}
