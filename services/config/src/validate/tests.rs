use patronus_types::{Ipv4Method, Ipv6Method};
use proptest::prelude::*;

use super::*;
use crate::testing::{any_document, document, uplink};

/// What is found after one change to a valid document: `code at`.
fn found(change: impl FnOnce(&mut Document)) -> Vec<String> {
    let mut document = document(1);
    change(&mut document);
    validate(&document).iter().map(|problem| format!("{} {}", problem.code, problem.at)).collect()
}

fn static_v4(address: &str, gateway: &str) -> Ipv4Method {
    Ipv4Method::Static { address: address.parse().unwrap(), gateway: gateway.parse().unwrap(), dns: Vec::new() }
}

fn static_v6(address: &str, gateway: &str) -> Ipv6Method {
    Ipv6Method::Static { address: address.parse().unwrap(), gateway: gateway.parse().unwrap(), dns: Vec::new() }
}

#[test]
fn the_default_of_first_boot_is_valid() {
    assert!(found(|_| ()).is_empty());
    assert!(found(|document| document.uplinks.clear()).is_empty(), "a box with one port has no uplink");
}

#[test]
fn time_zones_exist_and_are_written_exactly() {
    for zone in ["UTC", "Europe/Zurich", "America/Argentina/Buenos_Aires"] {
        assert!(found(|document| document.site.timezone = zone.parse().unwrap()).is_empty(), "{zone}");
    }
    for zone in ["Mars/Base", "europe/zurich"] {
        let found = found(|document| document.site.timezone = zone.parse().unwrap());
        assert_eq!(found, ["time-zone-unknown site.timezone"], "{zone}");
    }
}

#[test]
fn the_lan_has_a_port_and_a_usable_address_of_sane_size() {
    assert_eq!(found(|document| document.lan.ports.clear()), ["lan-without-port lan.ports"]);
    for good in ["192.168.42.1/24", "10.0.0.1/8", "10.0.0.1/30", "100.64.0.1/24"] {
        assert!(found(|document| document.lan.address = good.parse().unwrap()).is_empty(), "{good}");
    }
    for (bad, code) in [
        ("192.168.42.0/24", "lan-address-unusable"),
        ("192.168.42.255/24", "lan-address-unusable"),
        ("127.0.0.1/24", "lan-address-unusable"),
        ("0.0.0.1/24", "lan-address-unusable"),
        ("224.0.0.1/24", "lan-address-unusable"),
        ("255.255.255.254/24", "lan-address-unusable"),
        ("169.254.1.1/24", "lan-address-unusable"),
        ("10.0.0.1/31", "lan-prefix-length"),
        ("10.0.0.1/7", "lan-prefix-length"),
    ] {
        let found = found(|document| document.lan.address = bad.parse().unwrap());
        assert_eq!(found, [format!("{code} lan.address")], "{bad}");
    }
}

#[test]
fn the_lan_may_have_a_usable_ipv6_address_of_sane_size() {
    assert!(found(|document| document.lan.address_v6 = Some("fd00:42::1/64".parse().unwrap())).is_empty());
    for (bad, code) in [
        ("fd00:42::/64", "lan-address-unusable"),
        ("fe80::1/64", "lan-address-unusable"),
        ("ff02::1/64", "lan-address-unusable"),
        ("fd00:42::1/65", "lan-prefix-length"),
        ("fd00:42::1/47", "lan-prefix-length"),
    ] {
        let found = found(|document| document.lan.address_v6 = Some(bad.parse().unwrap()));
        assert_eq!(found, [format!("{code} lan.address_v6")], "{bad}");
    }
}

#[test]
fn a_port_has_one_role_and_an_uplink_a_name_of_its_own() {
    let twice = found(|document| document.uplinks.push(uplink("wan", "eth0")));
    assert_eq!(twice, ["port-used-twice uplink.1.port", "uplink-name-used-twice uplink.1.name"]);
    assert_eq!(found(|document| document.uplinks[0].port = "eth1".parse().unwrap()), ["port-used-twice uplink.0.port"]);
    assert_eq!(found(|document| document.lan.ports.push("eth1".parse().unwrap())), ["port-used-twice lan.ports.1"]);
    assert_eq!(found(|document| document.lan.ports.push("lo".parse().unwrap())), ["port-reserved lan.ports.1"]);
}

#[test]
fn a_forwarded_address_is_one_that_others_can_reach() {
    let set = |addresses: &[&str]| {
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        found(|document| document.uplinks[0].reachable_at = addresses)
    };
    assert!(set(&["198.51.100.1:51830", "[2001:db8::1]:4000"]).is_empty());
    for bad in ["0.0.0.0:1", "127.0.0.1:1", "239.1.1.1:1", "198.51.100.1:0", "[fe80::1]:1", "[::]:1"] {
        assert_eq!(set(&[bad]), ["forwarded-address-unusable uplink.0.reachable_at.0"], "{bad}");
    }
    let three = ["198.51.100.1:1", "198.51.100.1:2", "198.51.100.1:3"];
    assert_eq!(set(&three), ["too-many-forwarded-addresses uplink.0.reachable_at"]);
}

#[test]
fn a_static_uplink_reaches_its_gateway() {
    for (address, gateway) in [("203.0.113.2/29", "203.0.113.1"), ("203.0.113.0/31", "203.0.113.1")] {
        assert!(found(|document| document.uplinks[0].ipv4 = static_v4(address, gateway)).is_empty(), "{address}");
    }
    for (address, gateway, expected) in [
        ("203.0.113.2/29", "203.0.113.9", "gateway-outside-prefix uplink.0.ipv4.gateway"),
        ("203.0.113.2/29", "203.0.113.2", "gateway-unusable uplink.0.ipv4.gateway"),
        ("203.0.113.2/29", "203.0.113.7", "gateway-unusable uplink.0.ipv4.gateway"),
        ("203.0.113.0/29", "203.0.113.1", "address-unusable uplink.0.ipv4.address"),
    ] {
        assert_eq!(found(|document| document.uplinks[0].ipv4 = static_v4(address, gateway)), [expected]);
    }
    for (address, gateway) in [("2001:db8::2/64", "2001:db8::1"), ("2001:db8::2/64", "fe80::1")] {
        assert!(found(|document| document.uplinks[0].ipv6 = static_v6(address, gateway)).is_empty(), "{gateway}");
    }
    for (address, gateway, expected) in [
        ("2001:db8::2/64", "2001:db9::1", "gateway-outside-prefix uplink.0.ipv6.gateway"),
        ("2001:db8::2/64", "2001:db8::2", "gateway-unusable uplink.0.ipv6.gateway"),
        ("fe80::2/64", "fe80::1", "address-unusable uplink.0.ipv6.address"),
    ] {
        assert_eq!(found(|document| document.uplinks[0].ipv6 = static_v6(address, gateway)), [expected]);
    }
}

#[test]
fn an_uplink_without_any_protocol_is_no_uplink() {
    let off = found(|document| {
        document.uplinks[0].ipv4 = Ipv4Method::Off;
        document.uplinks[0].ipv6 = Ipv6Method::Off;
    });
    assert_eq!(off, ["uplink-without-address uplink.0"]);
}

#[test]
fn prefixes_do_not_overlap_across_sides() {
    let inside = found(|document| document.uplinks[0].ipv4 = static_v4("10.0.1.130/30", "10.0.1.129"));
    assert_eq!(inside, ["prefixes-overlap uplink.0.ipv4.address"]);
    let around = found(|document| document.uplinks[0].ipv4 = static_v4("10.9.9.2/8", "10.9.9.1"));
    assert_eq!(around, ["prefixes-overlap uplink.0.ipv4.address"]);
    let between = found(|document| {
        document.uplinks[0].ipv4 = static_v4("203.0.113.2/29", "203.0.113.1");
        document.uplinks.push(uplink("dsl", "eth2"));
        document.uplinks[1].ipv4 = static_v4("203.0.113.3/29", "203.0.113.1");
    });
    assert_eq!(between, ["prefixes-overlap uplink.1.ipv4.address"]);
}

#[test]
fn every_list_is_valid_at_its_limit_and_refused_one_above() {
    let uplinks = |count: usize| {
        move |document: &mut Document| {
            document.uplinks = (0..count).map(|i| uplink(&format!("up{i}"), &format!("wan{i}"))).collect();
        }
    };
    assert!(found(uplinks(Limit::UPLINKS)).is_empty());
    assert_eq!(found(uplinks(Limit::UPLINKS + 1)), ["too-many-uplinks uplink"]);
    let ports = |count: usize| {
        move |document: &mut Document| {
            document.lan.ports = (0..count).map(|i| format!("p{i}").parse().unwrap()).collect()
        }
    };
    assert!(found(ports(Limit::LAN_PORTS)).is_empty());
    assert_eq!(found(ports(Limit::LAN_PORTS + 1)), ["too-many-lan-ports lan.ports"]);
    let clocks = |count: usize| {
        move |document: &mut Document| {
            document.clock.servers = (0..count).map(|i| format!("t{i}").parse().unwrap()).collect()
        }
    };
    assert!(found(clocks(Limit::CLOCK_SERVERS)).is_empty());
    assert_eq!(found(clocks(Limit::CLOCK_SERVERS + 1)), ["too-many-time-servers clock.servers"]);
    let resolvers = |count: usize| {
        move |document: &mut Document| {
            let dns = (1..=count).map(|i| format!("9.9.9.{i}").parse().unwrap()).collect();
            let (address, gateway) = ("203.0.113.2/29".parse().unwrap(), "203.0.113.1".parse().unwrap());
            document.uplinks[0].ipv4 = Ipv4Method::Static { address, gateway, dns };
        }
    };
    assert!(found(resolvers(Limit::DNS_SERVERS)).is_empty());
    assert_eq!(found(resolvers(Limit::DNS_SERVERS + 1)), ["too-many-dns-servers uplink.0.ipv4.dns"]);
}

#[test]
fn servers_are_machines_and_are_named_once() {
    let found = found(|document| {
        document.clock.servers =
            ["127.0.0.1", "ntp.test", "ntp.test", "ff02::1"].map(|name| name.parse().unwrap()).to_vec();
    });
    assert_eq!(
        found,
        ["repeated clock.servers.2", "time-server-unusable clock.servers.0", "time-server-unusable clock.servers.3"]
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let found = found(|document| {
        document.version = 7;
        document.site.timezone = "Mars/Base".parse().unwrap();
        document.lan.ports.clear();
        document.uplinks[0].ipv4 = static_v4("203.0.113.2/29", "9.9.9.9");
    });
    assert_eq!(found.len(), 4, "{found:?}");
}

proptest! {
    #[test]
    fn every_problem_has_a_name_a_place_and_advice(document in any_document()) {
        for problem in validate(&document) {
            prop_assert!(problem.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
            prop_assert!(!problem.at.is_empty() && !problem.message.is_empty());
        }
    }
}
