//! What other services are told.

use std::net::IpAddr;

use patronus_ipc::link::{Lan, Lease, Port, Role, State, Uplink};
use patronus_link::{Resolvers, Settings, dhcp::Rejected, network::lan_device};
use patronus_types::{Ipv4Method, Ipv6Method};

use super::{dhcp::Clients, kernel::Picture};

/// The state as it is now; the generation is set by the caller.
pub(crate) fn state(settings: &Settings, picture: &Picture, clients: &Clients, resolvers: &Resolvers) -> State {
    let mut ports: Vec<_> = picture.ports.iter().collect();
    ports.sort_by(|a, b| a.place().cmp(&b.place()));
    State {
        generation: Default::default(),
        ports: ports.into_iter().map(|found| port(found, settings)).collect(),
        uplinks: settings.uplinks.iter().map(|found| uplink(found, picture, clients, resolvers)).collect(),
        lan: Lan {
            device: picture.network.bridge.map(|_| lan_device()),
            addresses: picture.addresses.get(&lan_device()).cloned().unwrap_or_default(),
        },
        rejected: clients.rejected(),
    }
}

fn port(port: &patronus_link::Port, settings: &Settings) -> Port {
    let role = if settings.uplinks.iter().any(|uplink| uplink.port == port.name) {
        Role::Wan
    } else if settings.lan.ports.contains(&port.name) {
        Role::Lan
    } else {
        Role::Unused
    };
    Port {
        name: port.name.clone(),
        mac: port.mac,
        driver: port.driver.clone(),
        role,
        carrier: port.carrier,
        speed_mbps: port.speed_mbps,
    }
}

fn uplink(uplink: &patronus_types::Uplink, picture: &Picture, clients: &Clients, resolvers: &Resolvers) -> Uplink {
    let client = clients.get(&uplink.port).filter(|_| uplink.ipv4 == Ipv4Method::Dhcp);
    let lease = client.and_then(|client| client.lease());
    let mut addresses = picture.addresses.get(&uplink.port).cloned().unwrap_or_default();
    addresses.sort();
    let (mut gateways, mut dns): (Vec<IpAddr>, Vec<IpAddr>) = Default::default();
    match &uplink.ipv4 {
        Ipv4Method::Static { gateway, dns: given, .. } => {
            gateways.push((*gateway).into());
            dns.extend(given.iter().copied().map(IpAddr::from));
        }
        Ipv4Method::Dhcp => {
            gateways.extend(lease.iter().flat_map(|lease| &lease.routers).copied().map(IpAddr::from));
            dns.extend(lease.iter().flat_map(|lease| &lease.dns).copied().map(IpAddr::from));
        }
        Ipv4Method::Off => {}
    }
    match &uplink.ipv6 {
        Ipv6Method::Static { gateway, dns: given, .. } => {
            gateways.push((*gateway).into());
            dns.extend(given.iter().copied().map(IpAddr::from));
        }
        Ipv6Method::Slaac => {
            gateways.extend(picture.advertised.routers(&uplink.port).iter().copied().map(IpAddr::from));
            let index = picture.indexes.get(&uplink.port);
            dns.extend(index.into_iter().flat_map(|index| resolvers.of(*index)).map(IpAddr::from));
        }
        Ipv6Method::Off => {}
    }
    Uplink {
        name: uplink.name.clone(),
        port: uplink.port.clone(),
        carrier: picture.ports.iter().any(|port| port.name == uplink.port && port.carrier),
        addresses,
        gateways,
        dns,
        ntp: lease.map(|lease| lease.ntp.clone()).unwrap_or_default(),
        lease: client.map(|client| Lease {
            state: client.state().name().to_owned(),
            server: lease.map(|lease| lease.server),
            expires_uptime_ms: lease.map(|lease| lease.expires_ms),
        }),
        problem: client.and_then(|client| client.problem()).map(explain),
    }
}

/// For people: what is wrong and what to do.
fn explain(reason: Rejected) -> String {
    match reason {
        Rejected::ConflictsWithLan => {
            "the provider offers an address inside the LAN's prefix: give the LAN another prefix, \
                                       such as 192.168.43.1/24"
                .to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
