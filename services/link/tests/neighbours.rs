//! What the box and its neighbours on a cable tell each other, in real network namespaces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "neighbours/advertiser.rs"]
mod advertiser;
#[path = "neighbours/ear.rs"]
mod ear;
mod lab;

use std::net::{IpAddr, Ipv6Addr};

use advertiser::{Advertisement, Advertiser};
use ear::Ear;
use lab::Lab;
use patronus_ipc::link::State;
use patronus_lab::Namespace;
use patronus_link::limit;

/// As `init` sets it before any service runs.
fn as_on_a_box(inside: &Namespace) {
    let set = || std::fs::write("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1").unwrap();
    inside.run(set).join().unwrap();
}

/// A kernel setting of one device.
fn setting(lab: &Lab, device: &str, name: &str) -> String {
    let path = format!("/proc/sys/net/ipv6/conf/{device}/{name}");
    lab.inside.run(|| std::fs::read_to_string(path).unwrap()).join().unwrap().trim().to_owned()
}

#[test]
fn all_ports_come_up_first_and_the_bridge_before_a_port_joins_it() {
    let mut lab = Lab::new();
    lab.inside.cable("eth2", &lab.lan, "l2");
    lab.service.start();
    lab.wait_for("the LAN", |state| !state.lan.addresses.is_empty());
    let log = lab.service.log();
    let at = |line: &str| log.find(line).unwrap_or_else(|| panic!("not logged: {line}\n{log}"));
    let ports = ["link set eth0 up", "link set eth1 up", "link set eth2 up"].map(at);
    assert!(ports.into_iter().max() < Some(at("link add lan")), "{log}");
    assert!(at("link set lan up") < at("link set eth1 master lan"), "{log}");
    assert!(at("link set lan up") < at("link set eth2 master lan"), "{log}");
    let forwards = |port| lab.inside.ip(&["-d", "link", "show", port]).contains("state forwarding");
    lab.eventually("the LAN's ports forward", || forwards("eth1") && forwards("eth2"));
}

#[test]
fn neighbours_on_the_lan_are_told_of_its_addresses_before_they_ask() {
    let mut lab = Lab::new();
    as_on_a_box(&lab.inside);
    let ear = Ear::at(&lab.lan, "l0");
    lab.service.start();
    ear.hear("an ARP announcement", |frame| {
        frame[12..14] == [8, 6] && frame[20..22] == [0, 1] && frame[28..32] == [192, 168, 42, 1]
    });
    lab.wait_for("a link-local address", |state| state.lan.addresses.iter().any(|net| net.addr().is_ipv6()));
    assert_eq!(["ndisc_notify", "accept_ra"].map(|name| setting(&lab, "lan", name)), ["1", "0"]);
    // Neighbour advertisement to all nodes, with the address that it is about.
    ear.hear("a neighbour advertisement", |frame| {
        frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 136 && frame[62..64] == [0xfe, 0x80]
    });
}

/// The uplink has an address with this beginning.
fn has_address(state: &State, prefix: &str) -> bool {
    state.uplinks.first().is_some_and(|uplink| uplink.addresses.iter().any(|net| net.to_string().starts_with(prefix)))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_advertised_prefix_router_and_resolver_make_an_uplink() {
    let mut lab = Lab::new();
    as_on_a_box(&lab.inside);
    // A port that was plugged in after `init` had set its defaults.
    lab.inside.ip(&["link", "del", "eth0"]);
    lab.inside.cable("eth0", &lab.wan, "w0");
    let ear = Ear::at(&lab.wan, "w0");
    let _router = Advertiser::start(&lab.wan, "w0", Advertisement::of("2001:db8:1::"));
    lab.service.start();
    ear.hear("a router solicitation", is_solicitation);
    let state = lab.wait_for("all of it", |state| {
        has_address(state, "2001:db8:1:") && !state.uplinks[0].gateways.is_empty() && !state.uplinks[0].dns.is_empty()
    });
    let uplink = &state.uplinks[0];
    assert_eq!(uplink.gateways, [address("fe80::1")]);
    assert_eq!(uplink.dns, [address("2001:db8:1::53")]);
    let main = lab.inside.ip(&["-6", "route", "show", "default"]);
    assert!(main.contains("via fe80::1 dev eth0") && main.contains("metric 100"), "{main}");
    lab.eventually("a default route in the uplink's own table", || {
        lab.inside.ip(&["-6", "route", "show", "table", "1000"]).contains("default via fe80::1 dev eth0")
    });
    assert!(
        lab.inside.ip(&["-6", "rule"]).contains("from 2001:db8:1:"),
        "packets leave by the uplink of their address"
    );
}

/// From a link-local address, by somebody on the link.
fn is_solicitation(frame: &[u8; ear::FRAME_BYTES]) -> bool {
    frame[12..14] == [0x86, 0xdd] && frame[20..24] == [58, 255, 0xfe, 0x80] && frame[54] == 133
}

#[test]
fn after_a_restart_routers_are_asked_for_the_resolvers_that_were_forgotten() {
    let mut lab = Lab::new();
    let _router = Advertiser::start(&lab.wan, "w0", Advertisement::of("2001:db8:1::"));
    lab.service.start();
    lab.wait_for("a resolver", |state| state.uplinks.iter().any(|uplink| !uplink.dns.is_empty()));
    lab.eventually("addresses are checked", || !lab.inside.ip(&["-6", "addr"]).contains("tentative"));
    lab.service.kill();
    let ear = Ear::at(&lab.wan, "w0");
    lab.service.start();
    ear.hear("a router solicitation", is_solicitation);
}

#[test]
fn an_advertisement_on_the_lan_is_ignored() {
    let mut lab = Lab::new();
    as_on_a_box(&lab.inside);
    lab.service.start();
    lab.wait_for("the LAN", |state| state.lan.addresses.iter().any(|net| net.addr().is_ipv6()));
    let _stranger = Advertiser::start(&lab.lan, "l0", Advertisement::of("2001:db8:bad::"));
    lab.eventually("the kernel has seen it", || {
        let counters = "/proc/thread-self/net/dev_snmp6/lan";
        let text = lab.inside.run(move || std::fs::read_to_string(counters).unwrap()).join().unwrap();
        let counter = text.lines().find_map(|line| line.strip_prefix("Icmp6InRouterAdvertisements"));
        counter.is_some_and(|count| count.trim().parse::<u32>().unwrap() > 2)
    });
    // The same bytes do something where they are wanted.
    let _router = Advertiser::start(&lab.wan, "w0", Advertisement::of("2001:db8:1::"));
    let state = lab.wait_for("the real router", |state| has_address(state, "2001:db8:1:"));
    assert!(
        state.uplinks[0]
            .gateways
            .iter()
            .chain(&state.uplinks[0].dns)
            .all(|found| *found != address("2001:db8:bad::53"))
    );
    for arguments in [&["-6", "addr"][..], &["-6", "route", "show", "table", "all"]] {
        let all = lab.inside.ip(arguments);
        assert!(!all.contains("2001:db8:bad:") && !all.contains("via fe80::1 dev lan"), "{all}");
    }
}

#[test]
fn a_forged_advertisement_is_not_believed() {
    let mut lab = Lab::new();
    as_on_a_box(&lab.inside);
    lab.service.start();
    // From beyond the link, and from no router's address (RFC 4861 section 6.1.2).
    let forwarded = Advertisement { hop_limit: 254, ..Advertisement::of("2001:db8:bad1::") };
    let global = Advertisement { source: "2001:db8::66".parse().unwrap(), ..Advertisement::of("2001:db8:bad2::") };
    let _forged = [forwarded, global].map(|forged| Advertiser::start(&lab.wan, "w0", forged));
    let ear = Ear::at(&lab.wan, "w0");
    let is_advertisement = |frame: &[u8]| frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 134;
    for _ in 0..3 {
        ear.hear("the forwarded one", |frame| is_advertisement(frame) && frame[21] == 254);
        ear.hear("the global one", |frame| is_advertisement(frame) && frame[22..24] == [0x20, 0x01]);
    }
    let _router = Advertiser::start(&lab.wan, "w0", Advertisement::of("2001:db8:1::"));
    let state = lab.wait_for("the real router", |state| {
        has_address(state, "2001:db8:1:") && state.uplinks[0].dns.contains(&address("2001:db8:1::53"))
    });
    assert!(!has_address(&state, "2001:db8:bad"));
    assert_eq!(state.uplinks[0].gateways, [address("fe80::1")]);
    assert_eq!(state.uplinks[0].dns, [address("2001:db8:1::53")]);
    assert!(!lab.inside.ip(&["-6", "route", "show", "table", "all"]).contains("2001:db8:bad"));
}

#[test]
fn a_flood_of_prefixes_routers_and_resolvers_stays_within_the_limits() {
    let mut lab = Lab::new();
    as_on_a_box(&lab.inside);
    lab.service.start();
    let numbered = |first: u128, number: u16| Ipv6Addr::from_bits(first << 112 | u128::from(number) << 64);
    let prefixes = (1..=30).map(|number| numbered(0x2001, number)).collect();
    let resolvers = (1..=10).map(|number| numbered(0x2002, number)).collect();
    let flood = Advertisement { prefixes, resolvers, ..Advertisement::of("2001:db8:1::") };
    let others = (0x10..0x10 + 2 * limit::ADVERTISED_ROUTERS as u128).map(|number| {
        let source = Ipv6Addr::from_bits(0xfe80 << 112 | number);
        Advertisement { source, prefixes: Vec::new(), resolvers: Vec::new(), ..Advertisement::of("2001:db8:1::") }
    });
    let _routers: Vec<Advertiser> = others.chain([flood]).map(|one| Advertiser::start(&lab.wan, "w0", one)).collect();
    let state = lab.wait_for("as much as is taken", |state| {
        let Some(uplink) = state.uplinks.first() else { return false };
        uplink.gateways.len() == limit::ADVERTISED_ROUTERS
            && uplink.dns.len() == limit::ADVERTISED_DNS
            && uplink.addresses.len() == limit::ADVERTISED_ADDRESSES + 1
    });
    assert!(state.uplinks[0].addresses.iter().any(|net| net.to_string().starts_with("fe80:")));
    assert_eq!(setting(&lab, "eth0", "max_addresses"), limit::KERNEL_ADDRESSES.to_string());
    let own = lab.inside.ip(&["-6", "-o", "addr", "show", "dev", "eth0"]);
    assert_eq!(own.lines().count(), limit::KERNEL_ADDRESSES as usize, "{own}");
    let rules = lab.inside.ip(&["-6", "rule"]);
    assert_eq!(rules.matches("lookup 1000").count(), limit::ADVERTISED_ADDRESSES, "{rules}");
}
