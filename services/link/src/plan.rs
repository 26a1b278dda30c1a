//! The steps from the actual to the desired state.
//!
//! *Does*: an ordered list of changes; nothing at all where actual and desired agree, so that a restart disturbs no connection.
//! *Never does*: touch devices that the desired state does not name.

mod words;

use patronus_types::{MacAddr, PortName};

use crate::network::{Address, Device, Ipv6Mode, Network, Route, Rule, lan_device};

/// One step. The shell turns each into one request to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Remove a policy rule.
    RemoveRule(Rule),
    /// Remove a route.
    RemoveRoute(Route),
    /// Remove an address.
    RemoveAddress(Address),
    /// Make the LAN bridge, down and without members.
    AddBridge(MacAddr),
    /// Give the LAN bridge another address.
    SetBridgeMac(MacAddr),
    /// Take a port out of the LAN bridge.
    LeaveLan(PortName),
    /// Set a device down.
    SetDown(PortName),
    /// Set what the kernel does with IPv6.
    SetIpv6(PortName, Ipv6Mode),
    /// Set the size of the largest packet.
    SetMtu(PortName, u32),
    /// Put a port into the LAN bridge.
    JoinLan(PortName),
    /// Set a device up.
    SetUp(PortName),
    /// Add an address.
    AddAddress(Address),
    /// Add a route.
    AddRoute(Route),
    /// Add a policy rule.
    AddRule(Rule),
}

/// What must be done, in this order, to come from `actual` to `desired`.
///
/// The order matters: a port loses its old role (addresses, membership) before it gets a new one and before it comes up. The bridge is up
/// before ports join it, so that a port with a live cable forwards from that moment on.
#[must_use]
pub fn plan(desired: &Network, actual: &Network) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(actual.rules.difference(&desired.rules).cloned().map(Change::RemoveRule));
    changes.extend(actual.routes.difference(&desired.routes).cloned().map(Change::RemoveRoute));
    changes.extend(actual.addresses.difference(&desired.addresses).cloned().map(Change::RemoveAddress));
    changes.extend(bridge_change(desired, actual));
    for step in [leave_old_role, set_up_device, set_up_bridge, take_new_role] {
        for (name, device) in &desired.devices {
            step(name, device, actual_device(name, actual), &mut changes);
        }
    }
    changes.extend(desired.addresses.difference(&actual.addresses).cloned().map(Change::AddAddress));
    changes.extend(in_order_of_need(desired.routes.difference(&actual.routes)).map(Change::AddRoute));
    changes.extend(desired.rules.difference(&actual.rules).cloned().map(Change::AddRule));
    changes
}

/// What can be done before anybody has said what the ports are for: each comes up, silent (no IPv6, no address), so that the page shows its
/// cable, and the slow part of getting a link (up to three seconds on copper) is under way. Ports that are up, or still in a bridge from before,
/// are left alone.
#[must_use]
pub fn rouse(actual: &Network) -> Vec<Change> {
    let asleep = |(name, device): &(&PortName, &Device)| **name != lan_device() && !device.up && !device.in_lan;
    let ports: Vec<(&PortName, &Device)> = actual.devices.iter().filter(asleep).collect();
    let speaking = ports.iter().filter(|(_, device)| device.ipv6 != Ipv6Mode::Off);
    let silence = speaking.map(|(name, _)| Change::SetIpv6((*name).clone(), Ipv6Mode::Off));
    silence.chain(ports.iter().map(|(name, _)| Change::SetUp((*name).clone()))).collect()
}

fn bridge_change(desired: &Network, actual: &Network) -> Option<Change> {
    match (desired.bridge, actual.bridge) {
        (Some(mac), None) => Some(Change::AddBridge(mac)),
        (Some(mac), Some(old)) if mac != old => Some(Change::SetBridgeMac(mac)),
        _ => None,
    }
}

/// A device that is about to be made is like a new one: down, with the kernel's defaults.
fn actual_device(name: &PortName, actual: &Network) -> Device {
    let new = Device { up: false, in_lan: false, mtu: None, ipv6: Ipv6Mode::Other };
    if *name == lan_device() && actual.bridge.is_none() {
        new
    } else {
        actual.devices.get(name).copied().unwrap_or(new)
    }
}

fn leave_old_role(name: &PortName, desired: &Device, actual: Device, changes: &mut Vec<Change>) {
    if actual.in_lan && !desired.in_lan {
        changes.push(Change::LeaveLan(name.clone()));
    }
    if actual.up && !desired.up {
        changes.push(Change::SetDown(name.clone()));
    }
}

fn set_up_device(name: &PortName, desired: &Device, actual: Device, changes: &mut Vec<Change>) {
    if actual.ipv6 != desired.ipv6 {
        changes.push(Change::SetIpv6(name.clone(), desired.ipv6));
    }
    if let Some(mtu) = desired.mtu.filter(|mtu| actual.mtu != Some(*mtu)) {
        changes.push(Change::SetMtu(name.clone(), mtu));
    }
}

fn set_up_bridge(name: &PortName, desired: &Device, actual: Device, changes: &mut Vec<Change>) {
    if *name == lan_device() {
        set_up(name, desired, actual, changes);
    }
}

fn take_new_role(name: &PortName, desired: &Device, actual: Device, changes: &mut Vec<Change>) {
    if desired.in_lan && !actual.in_lan {
        changes.push(Change::JoinLan(name.clone()));
    }
    if *name != lan_device() {
        set_up(name, desired, actual, changes);
    }
}

fn set_up(name: &PortName, desired: &Device, actual: Device, changes: &mut Vec<Change>) {
    if desired.up && !actual.up {
        changes.push(Change::SetUp(name.clone()));
    }
}

/// Routes on the link first: the kernel takes a next hop only if it can be reached.
fn in_order_of_need<'a>(routes: impl Iterator<Item = &'a Route>) -> impl Iterator<Item = Route> {
    let mut routes: Vec<Route> = routes.cloned().collect();
    routes.sort_by_key(|route| route.gateway.is_some());
    routes.into_iter()
}

#[cfg(test)]
mod tests;
