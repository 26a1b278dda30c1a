//! From settings and what was found to the state the kernel should have.
//!
//! *Does*: one pure function from everything that is known to one [`Network`].
//! *Never does*: remember: the same input gives the same state, so a restart changes nothing.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use patronus_types::{IpNet, Ipv4Method, Ipv4Net, Ipv6Method, Ipv6Net, PortName, Uplink};

use crate::{
    advertised::Advertised,
    dhcp::Lease,
    network::{
        Address, Device, Ipv6Mode, MAIN_TABLE, Network, RULE_PRIORITY, Route, Rule, UPLINK_METRIC, UPLINK_TABLE,
        lan_device,
    },
    port::Port,
    settings::Settings,
};

/// MTU of an uplink whose lease says nothing (RFC 894).
const ETHERNET_MTU: u32 = 1500;

/// What the world says, beside the settings.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Ports in the machine.
    pub ports: Vec<Port>,
    /// Leases by port.
    pub leases: BTreeMap<PortName, Lease>,
    /// What the kernel made from router advertisements.
    pub advertised: Advertised,
}

/// The state that the kernel should have.
#[must_use]
pub fn desired(settings: &Settings, observed: &Observed) -> Network {
    let mut network = Network::default();
    for port in &observed.ports {
        network.devices.insert(port.name.clone(), UNUSED);
    }
    add_lan(&mut network, settings, observed);
    for (slot, uplink) in (0..).zip(&settings.uplinks) {
        if let Some(port) = observed.ports.iter().find(|port| port.name == uplink.port) {
            add_uplink(&mut network, settings.lan.address, (slot, uplink), port, observed);
        }
    }
    network
}

/// Up, so that the page shows its cable, and silent: no address, no IPv6; the packet filter takes nothing from it.
const UNUSED: Device = Device { up: true, in_lan: false, mtu: None, ipv6: Ipv6Mode::Off };

/// The bridge is there even without members: its addresses are what the page listens on.
fn add_lan(network: &mut Network, settings: &Settings, observed: &Observed) {
    let mut members: Vec<&Port> =
        observed.ports.iter().filter(|port| settings.lan.ports.contains(&port.name)).collect();
    members.sort_by(|a, b| a.place().cmp(&b.place()));
    let member = Device { up: true, in_lan: true, mtu: None, ipv6: Ipv6Mode::Off };
    for port in &members {
        network.devices.insert(port.name.clone(), member);
    }
    // The first member's address is stable across boots; without one, any port's is.
    let first = members.first().copied().or_else(|| observed.ports.iter().min_by_key(|port| port.place()));
    network.bridge = first.map(|port| port.mac);
    if network.bridge.is_some() {
        network.devices.insert(lan_device(), Device { up: true, in_lan: false, mtu: None, ipv6: Ipv6Mode::Manual });
        let nets = [Some(IpNet::V4(settings.lan.address)), settings.lan.address_v6.map(IpNet::V6)];
        network.addresses.extend(nets.into_iter().flatten().map(|net| Address { device: lan_device(), net }));
    }
}

fn add_uplink(network: &mut Network, lan: Ipv4Net, (slot, uplink): (u32, &Uplink), port: &Port, observed: &Observed) {
    let lease = match uplink.ipv4 {
        Ipv4Method::Dhcp => observed.leases.get(&port.name),
        _ => None,
    };
    let mtu = lease.and_then(|lease| lease.mtu).map_or(ETHERNET_MTU, u32::from);
    let metric = UPLINK_METRIC.saturating_add(slot);
    let ipv6 = match uplink.ipv6 {
        Ipv6Method::Off => Ipv6Mode::Off,
        Ipv6Method::Static { .. } => Ipv6Mode::Manual,
        Ipv6Method::Slaac => Ipv6Mode::Slaac { metric },
    };
    network.devices.insert(port.name.clone(), Device { up: true, in_lan: false, mtu: Some(mtu), ipv6 });
    let mut way = Way { network, slot, port };
    if let Some((net, gateway)) = ipv4_of(uplink, lease) {
        way.add_own(IpNet::V4(net), gateway.map(IpAddr::V4));
        way.add_lan(lan);
    }
    match &uplink.ipv6 {
        Ipv6Method::Static { address, gateway, .. } => way.add_own(IpNet::V6(*address), Some(IpAddr::V6(*gateway))),
        Ipv6Method::Slaac => way.add_kernels(observed),
        Ipv6Method::Off => {}
    }
}

fn ipv4_of(uplink: &Uplink, lease: Option<&Lease>) -> Option<(Ipv4Net, Option<Ipv4Addr>)> {
    match &uplink.ipv4 {
        Ipv4Method::Dhcp => lease.map(|lease| (lease.address, lease.routers.first().copied())),
        Ipv4Method::Static { address, gateway, .. } => Some((*address, Some(*gateway))),
        Ipv4Method::Off => None,
    }
}

/// One uplink that is being added.
struct Way<'a> {
    network: &'a mut Network,
    slot: u32,
    port: &'a Port,
}

impl Way<'_> {
    /// An address that this service sets, with its routes in the main table and in the uplink's own.
    fn add_own(&mut self, net: IpNet, gateway: Option<IpAddr>) {
        self.network.addresses.insert(Address { device: self.port.name.clone(), net });
        self.add_rule(net.addr());
        // Without carrier nothing leaves here, so another uplink's default route must win.
        if !self.port.carrier {
            return;
        }
        self.add_route(self.table(), net.trunc(), None, false, self.metric());
        if let Some(gateway) = gateway {
            let onlink = !net.contains(&gateway) && !is_link_local(gateway);
            self.add_route(MAIN_TABLE, default_prefix(gateway), Some(gateway), onlink, self.metric());
            self.add_route(self.table(), default_prefix(gateway), Some(gateway), onlink, self.metric());
        }
    }

    /// Back to the LAN for what comes from there with this uplink's address: who asks on the LAN for a port forward.
    fn add_lan(&mut self, lan: Ipv4Net) {
        if self.network.bridge.is_some() {
            let (prefix, metric) = (IpNet::V4(lan.trunc()), self.metric());
            let (table, device) = (self.table(), lan_device());
            self.network.routes.insert(Route { table, prefix, gateway: None, onlink: false, device, metric });
        }
    }

    /// Addresses that the kernel made from advertisements: the main table is the kernel's, the uplink's own table is ours.
    fn add_kernels(&mut self, observed: &Observed) {
        for net in observed.advertised.addresses(&self.port.name) {
            self.add_rule(IpAddr::V6(net.addr()));
            if self.port.carrier {
                self.add_route(self.table(), IpNet::V6(net.trunc()), None, false, self.metric());
            }
        }
        let routers = observed.advertised.routers(&self.port.name);
        if let Some(router) = routers.first().filter(|_| self.port.carrier) {
            let gateway = IpAddr::V6(*router);
            self.add_route(self.table(), default_prefix(gateway), Some(gateway), false, self.metric());
        }
    }

    fn add_route(&mut self, table: u32, prefix: IpNet, gateway: Option<IpAddr>, onlink: bool, metric: u32) {
        let device = self.port.name.clone();
        self.network.routes.insert(Route { table, prefix, gateway, onlink, device, metric });
    }

    fn add_rule(&mut self, source: IpAddr) {
        let priority = RULE_PRIORITY.saturating_add(self.slot);
        self.network.rules.insert(Rule { source, table: self.table(), priority });
    }

    fn table(&self) -> u32 {
        UPLINK_TABLE.saturating_add(self.slot)
    }

    fn metric(&self) -> u32 {
        UPLINK_METRIC.saturating_add(self.slot)
    }
}

fn default_prefix(gateway: IpAddr) -> IpNet {
    match gateway {
        IpAddr::V4(_) => IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
        IpAddr::V6(_) => IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

#[cfg(test)]
mod tests;
