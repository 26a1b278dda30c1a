//! Rules of the trusted side.

use std::ops::RangeInclusive;

use patronus_types::{Ipv4Net, Ipv6Net, Lan, Limit};

use super::{
    Findings,
    address::{is_host_in_v4, is_host_in_v6, is_usable_v4, is_usable_v6},
};

/// From a whole 10/8 down to two machines.
const PREFIX_V4: RangeInclusive<u8> = 8..=30;
/// From what a provider gives to a site (RFC 6177) down to one LAN: address autoconfiguration needs /64 (RFC 4862).
const PREFIX_V6: RangeInclusive<u8> = 48..=64;

pub(super) fn check(lan: &Lan, findings: &mut Findings) {
    if lan.ports.is_empty() {
        findings.add("lan-without-port", "lan.ports", "give the LAN a port: without one nobody could reach this box");
    }
    if lan.ports.len() > Limit::LAN_PORTS {
        let message = format!("{} ports; at most {} are allowed", lan.ports.len(), Limit::LAN_PORTS);
        findings.add("too-many-lan-ports", "lan.ports", message);
    }
    address_v4(lan.address, findings);
    if let Some(address) = lan.address_v6 {
        address_v6(address, findings);
    }
}

fn address_v4(own: Ipv4Net, findings: &mut Findings) {
    let at = "lan.address";
    if !PREFIX_V4.contains(&own.prefix_len()) {
        let message = format!("/{} is no size for a LAN; use /8 to /30, such as /24", own.prefix_len());
        findings.add("lan-prefix-length", at, message);
    }
    let address = own.addr();
    if !is_usable_v4(address) || address.is_link_local() || !is_host_in_v4(own, address) {
        let message = format!("a machine cannot have {own}; use the box's own address, such as 192.168.42.1/24");
        findings.add("lan-address-unusable", at, message);
    }
}

fn address_v6(own: Ipv6Net, findings: &mut Findings) {
    let at = "lan.address_v6";
    if !PREFIX_V6.contains(&own.prefix_len()) {
        let message = format!("/{} is no size for a LAN; use /48 to /64", own.prefix_len());
        findings.add("lan-prefix-length", at, message);
    }
    let address = own.addr();
    if !is_usable_v6(address) || address.is_unicast_link_local() || !is_host_in_v6(own, address) {
        let message = format!("a machine cannot have {own}; use the box's own address, such as fd00:42::1/64");
        findings.add("lan-address-unusable", at, message);
    }
}
