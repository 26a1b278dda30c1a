//! Documents for tests.

use patronus_types::{Clock, DOCUMENT_VERSION, Document, Ipv4Method, Ipv6Method, Lan, Site, Uplink};
use proptest::prelude::*;

/// A valid document; different numbers give different documents.
pub(crate) fn document(number: u16) -> Document {
    let [high, low] = number.to_be_bytes();
    Document {
        version: DOCUMENT_VERSION,
        site: Site { name: format!("site-{number}").parse().unwrap(), timezone: "Europe/Zurich".parse().unwrap() },
        clock: Clock::default(),
        lan: Lan {
            ports: vec!["eth1".parse().unwrap()],
            address: format!("10.{high}.{low}.1/24").parse().unwrap(),
            address_v6: None,
        },
        uplinks: vec![uplink("wan", "eth0")],
    }
}

pub(crate) fn uplink(name: &str, port: &str) -> Uplink {
    let (name, port) = (name.parse().unwrap(), port.parse().unwrap());
    Uplink { name, port, reachable_at: Vec::new(), ipv4: Ipv4Method::Dhcp, ipv6: Ipv6Method::Slaac }
}

/// Any document that the types allow, valid or not.
pub(crate) fn any_document() -> impl Strategy<Value = Document> {
    let site = ("[a-z0-9]{1,63}", "[A-Za-z]{1,10}(/[A-Za-z_]{1,10})?")
        .prop_map(|(name, zone)| Site { name: name.parse().unwrap(), timezone: zone.parse().unwrap() });
    let clock = prop::collection::vec("[a-z]{1,8}(\\.[a-z]{1,8}){0,2}", 0..10)
        .prop_map(|servers| Clock { servers: servers.iter().map(|server| server.parse().unwrap()).collect() });
    let lan = (ports(), ipv4_net(), prop::option::of(ipv6_net())).prop_map(|(ports, address, address_v6)| Lan {
        ports,
        address,
        address_v6,
    });
    (site, clock, lan, prop::collection::vec(any_uplink(), 0..18)).prop_map(|(site, clock, lan, uplinks)| Document {
        version: DOCUMENT_VERSION,
        site,
        clock,
        lan,
        uplinks,
    })
}

fn any_uplink() -> impl Strategy<Value = Uplink> {
    let ipv4 = prop_oneof![
        Just(Ipv4Method::Dhcp),
        Just(Ipv4Method::Off),
        (ipv4_net(), any::<std::net::Ipv4Addr>(), prop::collection::vec(any::<std::net::Ipv4Addr>(), 0..6))
            .prop_map(|(address, gateway, dns)| Ipv4Method::Static { address, gateway, dns }),
    ];
    let ipv6 = prop_oneof![
        Just(Ipv6Method::Slaac),
        Just(Ipv6Method::Off),
        (ipv6_net(), any::<std::net::Ipv6Addr>(), prop::collection::vec(any::<std::net::Ipv6Addr>(), 0..6))
            .prop_map(|(address, gateway, dns)| Ipv6Method::Static { address, gateway, dns }),
    ];
    let reachable_at = prop::collection::vec(any::<std::net::SocketAddrV4>().prop_map(Into::into), 0..4);
    ("[a-z]{1,8}", "[a-z]{1,4}[0-9]{1,3}", reachable_at, ipv4, ipv6).prop_map(
        |(name, port, reachable_at, ipv4, ipv6)| Uplink {
            name: name.parse().unwrap(),
            port: port.parse().unwrap(),
            reachable_at,
            ipv4,
            ipv6,
        },
    )
}

fn ports() -> impl Strategy<Value = Vec<patronus_types::PortName>> {
    prop::collection::vec("[a-z]{1,4}[0-9]{1,3}", 0..34)
        .prop_map(|ports| ports.iter().map(|port| port.parse().unwrap()).collect())
}

fn ipv4_net() -> impl Strategy<Value = patronus_types::Ipv4Net> {
    (any::<std::net::Ipv4Addr>(), 0_u8..=32)
        .prop_map(|(address, length)| patronus_types::Ipv4Net::new(address, length).unwrap())
}

fn ipv6_net() -> impl Strategy<Value = patronus_types::Ipv6Net> {
    (any::<std::net::Ipv6Addr>(), 0_u8..=128)
        .prop_map(|(address, length)| patronus_types::Ipv6Net::new(address, length).unwrap())
}
