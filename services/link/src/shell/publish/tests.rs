use std::net::{Ipv4Addr, Ipv6Addr};

use patronus_ipc::frame;
use patronus_link::limit;
use patronus_types::{IpNet, Ipv4Net, Ipv6Net, Lan, Limit, MacAddr, PortName};
use tokio::sync::mpsc;

use super::*;

/// Followers read frames of [`frame::MAX_FRAME_BYTES`]; there must be room for what later versions add.
const FAR_BELOW: usize = frame::MAX_FRAME_BYTES / 4;

/// As long as a name can be.
fn name(number: usize) -> PortName {
    format!("enp123s456f7{number:03}").parse().unwrap()
}

/// A box with as many ports, uplinks and neighbours as it can have, of which all give as much as is taken.
fn full_picture() -> Picture {
    let mut picture = Picture::default();
    for number in 0..limit::PORTS {
        picture.ports.push(patronus_link::Port {
            name: name(number),
            index: number as u32,
            mac: MacAddr([0xff; 6]),
            path: String::new(),
            driver: "x".repeat(64),
            carrier: true,
            speed_mbps: Some(u32::MAX),
        });
        let address = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(u128::MAX), 128));
        picture.addresses.insert(name(number), vec![address; limit::ADDRESSES]);
        for router in 0..limit::ADVERTISED_ROUTERS as u128 {
            picture.advertised.add_router(&name(number), Ipv6Addr::from_bits(u128::MAX - router));
        }
    }
    picture
}

#[test]
fn a_state_with_everything_at_its_limit_is_far_below_the_limit_of_a_frame() {
    let uplink = |number| patronus_types::Uplink {
        name: "x".repeat(15).parse().unwrap(),
        port: name(number),
        reachable_at: Vec::new(),
        cost: 0,
        metered: false,
        ipv4: Ipv4Method::Dhcp,
        ipv6: Ipv6Method::Slaac,
    };
    let lan = Lan { ports: Vec::new(), address: Ipv4Net::new_assert([10, 0, 0, 1].into(), 24), address_v6: None };
    let settings = Settings { lan, uplinks: (0..Limit::UPLINKS).map(uplink).collect(), forwarded: Vec::new() };
    let clients = Clients::new(mpsc::channel(1).0);
    let mut state = state(&settings, &full_picture(), &clients, &Resolvers::default());
    for uplink in &mut state.uplinks {
        assert_eq!(uplink.gateways.len(), limit::ADVERTISED_ROUTERS);
        uplink.gateways.extend([IpAddr::V4(Ipv4Addr::BROADCAST); limit::LEASE_ROUTERS]);
        uplink.dns.extend([IpAddr::V4(Ipv4Addr::BROADCAST); limit::LEASE_DNS]);
        uplink.dns.extend([IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)); limit::ADVERTISED_DNS]);
        uplink.ntp.extend([Ipv4Addr::BROADCAST; limit::LEASE_NTP]);
        let server = Some(Ipv4Addr::BROADCAST);
        uplink.lease = Some(Lease { state: "REQUESTING".to_owned(), server, expires_uptime_ms: Some(u64::MAX) });
        uplink.problem = Some(explain(Rejected::ConflictsWithLan));
    }
    let bytes = frame::encode(&state).unwrap().len();
    assert!(bytes < FAR_BELOW, "{bytes} of {FAR_BELOW}");
}
