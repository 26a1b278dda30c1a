//! Documents for tests.

use std::net::SocketAddr;

use patronus_types::{
    Action, BlockList, Clock, DOCUMENT_VERSION, Discovery, Document, Forward, Guard, GuardHook, HostPort, IpNet, Ipfix,
    Ipv4Method, Ipv6Method, Lan, Policy, PortRange, Rule, RuleProtocol, RuleZone, Site, Transport, Uplink,
};
use proptest::prelude::*;

/// A valid document; different numbers give different documents.
pub(crate) fn document(number: u16) -> Document {
    let [high, low] = number.to_be_bytes();
    Document {
        version: DOCUMENT_VERSION,
        site: Site { name: format!("site-{number}").parse().unwrap(), timezone: "Europe/Zurich".parse().unwrap() },
        clock: Clock::default(),
        discovery: Discovery::default(),
        lan: Lan {
            ports: vec!["eth1".parse().unwrap()],
            address: format!("10.{high}.{low}.1/24").parse().unwrap(),
            address_v6: None,
        },
        uplinks: vec![uplink("wan", "eth0")],
        forwards: Vec::new(),
        rules: Vec::new(),
        guard: Guard::default(),
        policy: Policy::default(),
        ipfix: None,
    }
}

pub(crate) fn uplink(name: &str, port: &str) -> Uplink {
    let (name, port) = (name.parse().unwrap(), port.parse().unwrap());
    Uplink {
        name,
        port,
        reachable_at: Vec::new(),
        cost: 0,
        metered: false,
        ipv4: Ipv4Method::Dhcp,
        ipv6: Ipv6Method::Slaac,
    }
}

/// Any document that the types allow, valid or not.
pub(crate) fn any_document() -> impl Strategy<Value = Document> {
    let site = ("[a-z0-9]{1,63}", "[A-Za-z]{1,10}(/[A-Za-z_]{1,10})?")
        .prop_map(|(name, zone)| Site { name: name.parse().unwrap(), timezone: zone.parse().unwrap() });
    let clock = prop::collection::vec("[a-z]{1,8}(\\.[a-z]{1,8}){0,2}", 0..10)
        .prop_map(|servers| Clock { servers: servers.iter().map(|server| server.parse().unwrap()).collect() });
    let discovery =
        prop::collection::vec(("[a-z]{1,8}(\\.[a-z]{1,8}){0,2}", 1_u16..), 0..6).prop_map(|servers| Discovery {
            stun: servers.into_iter().map(|(host, port)| HostPort { host: host.parse().unwrap(), port }).collect(),
        });
    let lan = (ports(), ipv4_net(), prop::option::of(ipv6_net())).prop_map(|(ports, address, address_v6)| Lan {
        ports,
        address,
        address_v6,
    });
    let uplinks = prop::collection::vec(any_uplink(), 0..18);
    let forwards = prop::collection::vec(any_forward(), 0..4);
    let rules = prop::collection::vec(any_rule(), 0..4);
    let ipfix =
        prop::option::of((prop::collection::vec(any::<SocketAddr>(), 0..6), any::<u16>(), any::<u32>()).prop_map(
            |(collectors, active_seconds, domain)| Ipfix {
                // Scope and flow label are not written.
                collectors: collectors.iter().map(|to| SocketAddr::new(to.ip(), to.port())).collect(),
                active_seconds,
                domain,
            },
        ));
    let parts = (site, clock, discovery, lan, uplinks, forwards, rules, any_guard(), ipfix);
    parts.prop_map(|(site, clock, discovery, lan, uplinks, forwards, rules, guard, ipfix)| Document {
        version: DOCUMENT_VERSION,
        site,
        clock,
        discovery,
        lan,
        uplinks,
        forwards,
        rules,
        guard,
        policy: Policy::default(),
        ipfix,
    })
}

pub(crate) fn forward(name: &str, outside: &str, inside: &str) -> Forward {
    Forward {
        name: name.parse().unwrap(),
        protocol: Transport::Tcp,
        outside: outside.parse().unwrap(),
        inside: inside.parse().unwrap(),
        uplink: None,
        sources: Vec::new(),
    }
}

pub(crate) fn rule(name: &str, action: Action) -> Rule {
    Rule {
        name: name.parse().unwrap(),
        action,
        from: None,
        to: None,
        source: Vec::new(),
        destination: Vec::new(),
        site: None,
        protocol: None,
        ports: Vec::new(),
        dscp: None,
        log: false,
    }
}

fn any_guard() -> impl Strategy<Value = Guard> {
    let prefix = prop_oneof![ipv4_net().prop_map(IpNet::from), ipv6_net().prop_map(IpNet::from)];
    let prefixes = prop::collection::vec(prefix, 0..4);
    let list = ("[a-z]{1,8}", prefixes.clone())
        .prop_map(|(name, prefixes)| BlockList { name: name.parse().unwrap(), prefixes });
    let hook = prop::sample::select(vec![GuardHook::Auto, GuardHook::Xdp, GuardHook::Tc]);
    let parts = (hook, any::<bool>(), any::<u32>(), any::<u32>(), prefixes, prop::collection::vec(list, 0..3));
    parts.prop_map(|(hook, bogons, syn_per_second, handshakes_per_second, allow, block)| Guard {
        hook,
        bogons,
        syn_per_second,
        handshakes_per_second,
        allow,
        block,
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let zone =
        || prop::option::of(prop::sample::select(vec![RuleZone::Wan, RuleZone::Lan, RuleZone::Mesh, RuleZone::Own]));
    let prefix = prop_oneof![ipv4_net().prop_map(IpNet::from), ipv6_net().prop_map(IpNet::from)];
    let prefixes = prop::collection::vec(prefix, 0..4);
    let protocol = prop::option::of(prop::sample::select(vec![RuleProtocol::Tcp, RuleProtocol::Icmp]));
    let site = prop::option::of(".{0,9}");
    (
        "[a-z]{1,8}",
        zone(),
        zone(),
        prefixes.clone(),
        prefixes,
        site,
        protocol,
        prop::option::of(any::<u8>()),
        any::<bool>(),
    )
        .prop_map(|(name, from, to, source, destination, site, protocol, dscp, log)| Rule {
            from,
            to,
            source,
            destination,
            site,
            protocol,
            ports: vec!["80-90".parse().unwrap()],
            dscp,
            log,
            ..rule(&name, if log { Action::Drop } else { Action::Allow })
        })
}

fn any_forward() -> impl Strategy<Value = Forward> {
    let protocol = prop_oneof![Just(Transport::Tcp), Just(Transport::Udp)];
    let outside = (1_u16.., any::<u8>())
        .prop_map(|(first, more)| PortRange::new(first, first.saturating_add(more.into())).unwrap());
    let sources = prop::collection::vec(ipv4_net(), 0..10);
    let uplink = prop::option::of("[a-z]{1,8}".prop_map(|name| name.parse().unwrap()));
    ("[a-z]{1,8}", protocol, outside, any::<std::net::SocketAddrV4>(), uplink, sources).prop_map(
        |(name, protocol, outside, inside, uplink, sources)| Forward {
            name: name.parse().unwrap(),
            protocol,
            outside,
            inside,
            uplink,
            sources,
        },
    )
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
    ("[a-z]{1,8}", "[a-z]{1,4}[0-9]{1,3}", reachable_at, any::<bool>(), ipv4, ipv6).prop_map(
        |(name, port, reachable_at, metered, ipv4, ipv6)| Uplink {
            name: name.parse().unwrap(),
            port: port.parse().unwrap(),
            reachable_at,
            cost: 0,
            metered,
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
