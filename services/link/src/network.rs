//! The part of the kernel's network state that this service owns.
//!
//! *Does*: one shape for the actual and the desired state, so that the difference is a set difference.
//! *Never does*: hold what belongs to the kernel: link-local addresses, SLAAC addresses, routes with other protocols than [`PROTOCOL`].

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use patronus_types::{IpNet, MacAddr, PortName};

/// Name of the LAN bridge.
pub const LAN_DEVICE: &str = "lan";
/// Marks routes of this service in the kernel (`rtm_protocol`; unassigned in `linux/rtnetlink.h`).
pub const PROTOCOL: u8 = 80;
/// Rules with priorities from here belong to this service: one for each slot.
pub const RULE_PRIORITY: u32 = 1000;
/// The routing table of slot 0; slot N has this plus N.
pub const UPLINK_TABLE: u32 = 1000;
/// The kernel's main table.
pub const MAIN_TABLE: u32 = 254;
/// Metric of the default route of slot 0; later slots have larger ones.
pub const UPLINK_METRIC: u32 = 100;

/// The beginning of the names of `tunnel`'s devices (`docs/tunnel.md`, section "Paths").
pub const TUNNEL_DEVICES: &str = "mesh";

/// Devices, addresses, routes and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The bridge's own address, if there is a bridge.
    pub bridge: Option<MacAddr>,
    /// Ports, and the bridge if there is one.
    pub devices: BTreeMap<PortName, Device>,
    /// Addresses on these devices.
    pub addresses: BTreeSet<Address>,
    /// Routes of this service.
    pub routes: BTreeSet<Route>,
    /// Rules of this service.
    pub rules: BTreeSet<Rule>,
}

/// How a device is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Administratively up.
    pub up: bool,
    /// Member of the LAN bridge.
    pub in_lan: bool,
    /// Largest packet in bytes; `None` as desired state means "as it is".
    pub mtu: Option<u32>,
    /// What the kernel does with IPv6 here.
    pub ipv6: Ipv6Mode,
}

/// What the kernel does with IPv6 on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Mode {
    /// Nothing: `disable_ipv6`.
    Off,
    /// Link-local address and what is given; router advertisements are ignored.
    Manual,
    /// Router advertisements make addresses and a default route with this metric.
    Slaac {
        /// `ra_defrtr_metric`.
        metric: u32,
    },
    /// None of the above, such as the kernel's default for a new port. Never desired.
    Other,
}

/// An address on a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The device.
    pub device: PortName,
    /// Address and prefix length.
    pub net: IpNet,
}

/// A route of this service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Routing table.
    pub table: u32,
    /// Destination.
    pub prefix: IpNet,
    /// Next hop; `None`: on the link itself.
    pub gateway: Option<IpAddr>,
    /// The next hop is on the link although no prefix says so.
    pub onlink: bool,
    /// The device.
    pub device: PortName,
    /// Smaller is preferred.
    pub metric: u32,
}

/// A policy rule: packets from this address look into this table first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Own address.
    pub source: IpAddr,
    /// Table to look into.
    pub table: u32,
    /// Position in the kernel's list.
    pub priority: u32,
}

/// The name of the LAN bridge as a value.
///
/// # Panics
/// Never: the name is a valid constant, which a test shows.
#[must_use]
pub fn lan_device() -> PortName {
    match LAN_DEVICE.parse() {
        Ok(name) => name,
        Err(_) => unreachable!("a constant"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_of_the_bridge_is_a_valid_port_name() {
        assert_eq!(super::lan_device().as_str(), "lan");
    }
}
