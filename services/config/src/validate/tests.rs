use patronus_types::{
    Action, BlockList, Class, ClassRule, Guard, Ipfix, Ipv4Method, Ipv6Method, Policy, Rule, RuleProtocol, RuleZone,
};
use proptest::prelude::*;

use super::*;
use crate::testing::{any_document, document, forward, rule, uplink};

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
    let stun = |count: usize| {
        move |document: &mut Document| {
            document.discovery.stun = (0..count).map(|i| format!("s{i}:3478").parse().unwrap()).collect()
        }
    };
    assert!(found(stun(Limit::STUN_SERVERS)).is_empty());
    assert_eq!(found(stun(Limit::STUN_SERVERS + 1)), ["too-many-stun-servers discovery.stun"]);
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
fn flows_are_told_to_a_few_other_machines_neither_too_often_nor_too_seldom() {
    let set = |collectors: &[&str], active_seconds| {
        let collectors = collectors.iter().map(|collector| collector.parse().unwrap()).collect();
        found(|document| document.ipfix = Some(Ipfix { collectors, active_seconds, domain: 1 }))
    };
    for good in ["10.0.1.20:4739", "198.51.100.7:2055", "[2001:db8::1]:4739"] {
        assert!(set(&[good], 10).is_empty() && set(&[good], 3600).is_empty(), "{good}");
    }
    assert_eq!(set(&[], 60), ["ipfix-without-collector ipfix.collectors"]);
    for bad in ["0.0.0.0:4739", "127.0.0.1:4739", "224.0.0.1:4739", "10.0.1.20:0", "[fe80::1]:4739", "[::1]:4739"] {
        assert_eq!(set(&[bad], 60), ["collector-unusable ipfix.collectors.0"], "{bad}");
    }
    assert_eq!(set(&["10.0.1.1:4739"], 60), ["collector-is-router ipfix.collectors.0"]);
    assert_eq!(set(&["10.0.1.2:1", "10.0.1.2:1"], 60), ["repeated ipfix.collectors.1"]);
    for seconds in [0, 9, 3601] {
        assert_eq!(set(&["10.0.1.20:4739"], seconds), ["active-seconds-out-of-range ipfix.active_seconds"]);
    }
}

#[test]
fn collectors_are_valid_at_their_limit_and_refused_one_above() {
    let set = |count: usize| {
        let collectors = (0..count).map(|i| format!("10.9.0.{}:4739", i + 1).parse().unwrap()).collect();
        found(|document| document.ipfix = Some(Ipfix { collectors, active_seconds: 60, domain: 0 }))
    };
    assert!(set(Limit::COLLECTORS).is_empty());
    assert_eq!(set(Limit::COLLECTORS + 1), ["too-many-collectors ipfix.collectors"]);
}

#[test]
fn a_port_forward_leads_from_ports_that_are_free_to_a_computer_on_the_lan() {
    let set = |forwards: &[(&str, &str, &str)]| {
        let forwards: Vec<_> = forwards.iter().map(|(name, outside, inside)| forward(name, outside, inside)).collect();
        found(|document| document.forwards = forwards)
    };
    assert!(set(&[("web", "80", "10.0.1.9:8080"), ("games", "8000-8010", "10.0.1.9:65525")]).is_empty());
    for (outside, inside, expected) in [
        ("80", "10.0.2.9:80", "forward-inside-not-on-lan forward.0.inside"),
        ("80", "10.0.1.255:80", "forward-inside-not-on-lan forward.0.inside"),
        ("80", "10.0.1.1:80", "forward-inside-router forward.0.inside"),
        ("80", "10.0.1.9:0", "forward-inside-ports forward.0.inside"),
        ("8000-8010", "10.0.1.9:65526", "forward-inside-ports forward.0.inside"),
        ("51822", "10.0.1.9:80", "forward-port-own forward.0.outside"),
        ("51000-51830", "10.0.1.9:80", "forward-port-own forward.0.outside"),
        ("51845", "10.0.1.9:80", "forward-port-own forward.0.outside"),
    ] {
        assert_eq!(set(&[("web", outside, inside)]), [expected], "{outside} {inside}");
    }
    let twice = set(&[("web", "80", "10.0.1.9:80"), ("web", "70-90", "10.0.1.8:70")]);
    assert_eq!(twice, ["forward-name-used-twice forward.1.name", "forwards-overlap forward.1.outside"]);
}

#[test]
fn port_forwards_share_a_port_on_other_uplinks_or_with_another_protocol_only() {
    let set = |first: Option<&str>, second: Option<&str>, protocol| {
        found(|document| {
            document.uplinks.push(uplink("dsl", "eth2"));
            document.forwards = vec![forward("one", "80", "10.0.1.9:80"), forward("two", "80", "10.0.1.8:80")];
            document.forwards[0].uplink = first.map(|name| name.parse().unwrap());
            document.forwards[1].uplink = second.map(|name| name.parse().unwrap());
            document.forwards[1].protocol = protocol;
        })
    };
    use patronus_types::Transport::{Tcp, Udp};
    assert!(set(None, None, Udp).is_empty());
    assert!(set(Some("wan"), Some("dsl"), Tcp).is_empty());
    for (first, second) in [(None, None), (Some("wan"), None), (None, Some("dsl")), (Some("dsl"), Some("dsl"))] {
        assert_eq!(set(first, second, Tcp), ["forwards-overlap forward.1.outside"], "{first:?} {second:?}");
    }
    assert_eq!(set(Some("lte"), Some("dsl"), Tcp), ["forward-uplink-unknown forward.0.uplink"]);
}

#[test]
fn port_forwards_and_their_sources_are_valid_at_their_limit_and_refused_one_above() {
    let forwards = |count: usize| {
        found(|document| {
            let one = |i: usize| forward(&format!("f{i}"), &format!("{}", i + 1), "10.0.1.9:80");
            document.forwards = (0..count).map(one).collect();
        })
    };
    assert!(forwards(Limit::FORWARDS).is_empty());
    assert_eq!(forwards(Limit::FORWARDS + 1), ["too-many-forwards forward"]);
    let sources = |count: usize| {
        found(|document| {
            document.forwards = vec![forward("web", "80", "10.0.1.9:80")];
            document.forwards[0].sources = (0..count).map(|i| format!("10.{i}.0.0/16").parse().unwrap()).collect();
        })
    };
    assert!(sources(Limit::FORWARD_SOURCES).is_empty());
    assert_eq!(sources(Limit::FORWARD_SOURCES + 1), ["too-many-forward-sources forward.0.sources"]);
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
fn stun_servers_are_machines_and_are_named_once() {
    let stun = |servers: [&str; 3]| {
        found(|document| document.discovery.stun = servers.map(|server| server.parse().unwrap()).to_vec())
    };
    assert!(stun(["stun.test:1", "stun.test:2", "[2001:db8::1]:1"]).is_empty());
    assert_eq!(stun(["stun.test:1", "stun.test:2", "stun.test:1"]), ["repeated discovery.stun.2"]);
    assert_eq!(
        stun(["127.0.0.1:3478", "stun.test:1", "[ff02::1]:3478"]),
        ["stun-server-unusable discovery.stun.0", "stun-server-unusable discovery.stun.2"]
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

#[test]
fn a_policy_names_what_there_is_and_wants_what_can_be() {
    let found = |toml: &str| found(|document| document.policy = toml::from_str::<Policy>(toml).unwrap());
    assert!(found("preset = \"cost-optimised\"\n[class.voip]\nuplinks = [\"wan\"]\nstrategy = \"pin\"\n").is_empty());
    assert_eq!(found("[class.web]\nuplinks = [\"lte\"]\n"), ["class-uplink-unknown policy.class.web.uplinks.0"]);
    assert_eq!(found("[class.web]\nstrategy = \"pin\"\n"), ["pin-without-uplinks policy.class.web.strategy"]);
    assert!(found("[class.voip]\nstrategy = \"duplicate\"\n").is_empty());
    let by_one = "[class.voip]\nstrategy = \"duplicate\"\nuplinks = [\"wan\"]\n";
    assert_eq!(found(by_one), ["duplicate-by-one-uplink policy.class.voip.uplinks"]);
    assert_eq!(found("[class.web]\nlatency_ms = 0\n"), ["sla-out-of-range policy.class.web.latency_ms"]);
    assert_eq!(found("[class.web]\nloss_permille = 1001\n"), ["sla-out-of-range policy.class.web.loss_permille"]);
}

#[test]
fn as_many_class_rules_ports_and_prefixes_as_the_limits_are_taken_and_not_one_more() {
    let rules = |count: usize, ports: usize, prefixes: usize| {
        found(|document| {
            document.policy.rules = vec![ClassRule::new(Class::Web); count];
            document.policy.rules[0].ports = vec!["443".parse().unwrap(); ports];
            document.policy.rules[0].prefixes = vec!["10.2.0.0/16".parse().unwrap(); prefixes];
        })
    };
    assert!(rules(Limit::CLASS_RULES, Limit::CLASS_PORT_RANGES, Limit::CLASS_PREFIXES).is_empty());
    assert_eq!(rules(Limit::CLASS_RULES + 1, 1, 1), ["too-many-class-rules policy.rule"]);
    assert_eq!(rules(1, Limit::CLASS_PORT_RANGES + 1, 1), ["too-many-class-ports policy.rule"]);
    assert_eq!(rules(1, 1, Limit::CLASS_PREFIXES + 1), ["too-many-class-prefixes policy.rule"]);
    assert_eq!(found(|document| document.uplinks[0].cost = 101), ["cost-out-of-range uplink.0.cost"]);
}

fn found_in_rule(change: impl FnOnce(&mut Rule)) -> Vec<String> {
    let mut changed = rule("no-telnet", Action::Drop);
    change(&mut changed);
    found(|document| document.rules = vec![changed])
}

#[test]
fn rules_are_about_flows_from_and_to_the_lan() {
    use RuleZone::{Lan, Mesh, Own, Wan};
    let zones = |from, to| found_in_rule(|rule| (rule.from, rule.to) = (from, to));
    for good in
        [(None, None), (Some(Lan), Some(Wan)), (Some(Lan), Some(Own)), (Some(Mesh), Some(Lan)), (Some(Wan), Some(Lan))]
    {
        assert!(zones(good.0, good.1).is_empty(), "{good:?}");
    }
    for bad in [
        (Some(Own), None),
        (Some(Lan), Some(Lan)),
        (Some(Wan), Some(Own)),
        (Some(Mesh), Some(Own)),
        (Some(Mesh), Some(Wan)),
    ] {
        assert_eq!(zones(bad.0, bad.1), ["rule-zones-unusable rule.0.from"], "{bad:?}");
    }
}

#[test]
fn a_rule_asks_only_what_a_flow_can_be() {
    let nets = |texts: &[&str]| texts.iter().map(|net| net.parse().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        found_in_rule(|rule| rule.ports = vec!["80".parse().unwrap()]),
        ["rule-ports-without-protocol rule.0.ports"]
    );
    let of_tcp = |rule: &mut Rule| (rule.protocol, rule.ports) = (Some(RuleProtocol::Tcp), vec!["80".parse().unwrap()]);
    assert!(found_in_rule(of_tcp).is_empty());
    assert!(found_in_rule(|rule| rule.dscp = Some(63)).is_empty());
    assert_eq!(found_in_rule(|rule| rule.dscp = Some(64)), ["rule-dscp-unusable rule.0.dscp"]);
    assert_eq!(found_in_rule(|rule| rule.source = nets(&["10.0.0.1/8"])), ["rule-prefix-unusable rule.0.source.0"]);
    assert_eq!(found_in_rule(|rule| rule.source = nets(&["224.0.0.0/4"])), ["rule-prefix-unusable rule.0.source.0"]);
    let mixed = |rule: &mut Rule| (rule.source, rule.destination) = (nets(&["10.0.0.0/8"]), nets(&["fd00::/8"]));
    assert_eq!(found_in_rule(mixed), ["rule-families-differ rule.0.destination"]);
    assert_eq!(found_in_rule(|rule| rule.site = Some("hq".to_owned())), ["rule-site-without-mesh rule.0.site"]);
    assert!(found_in_rule(|rule| (rule.site, rule.to) = (Some("hq".to_owned()), Some(RuleZone::Mesh))).is_empty());
    let unreadable = |rule: &mut Rule| (rule.site, rule.to) = (Some("H Q".to_owned()), Some(RuleZone::Mesh));
    assert_eq!(found_in_rule(unreadable), ["rule-site-unreadable rule.0.site"]);
}

#[test]
fn rules_hold_at_their_limits_and_not_one_above() {
    let many = |count: usize| (0..count).map(|number| rule(&format!("r{number}"), Action::Allow)).collect::<Vec<_>>();
    assert!(found(|document| document.rules = many(Limit::RULES)).is_empty());
    assert_eq!(found(|document| document.rules = many(Limit::RULES + 1)), ["too-many-rules rule"]);
    let nets = |count: u32| {
        (0..count).map(|number| patronus_types::Ipv4Net::new((number << 8).into(), 24).unwrap().into()).collect()
    };
    assert!(found_in_rule(|rule| rule.source = nets(Limit::RULE_ENTRIES as u32)).is_empty());
    assert_eq!(
        found_in_rule(|rule| rule.source = nets(Limit::RULE_ENTRIES as u32 + 1)),
        ["too-many-rule-prefixes rule.0.source"]
    );
    let full = |document: &mut Document, more: u32| {
        document.rules = many(Limit::RULES_ENTRIES / Limit::RULE_ENTRIES);
        document.rules.iter_mut().for_each(|rule| rule.source = nets(Limit::RULE_ENTRIES as u32));
        document.rules[0].destination = nets(more);
    };
    assert!(found(|document| full(document, 0)).is_empty());
    assert_eq!(found(|document| full(document, 1)), ["too-many-rule-entries rule"]);
    assert_eq!(
        found(|document| document.rules = vec![rule("same", Action::Drop), rule("same", Action::Allow)]),
        ["rule-name-used-twice rule.1.name"]
    );
}

fn found_in_guard(change: impl FnOnce(&mut Guard)) -> Vec<String> {
    found(|document| change(&mut document.guard))
}

fn blocked(name: &str, prefixes: &[&str]) -> BlockList {
    BlockList { name: name.parse().unwrap(), prefixes: prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect() }
}

#[test]
fn lists_block_somebody_and_not_everybody() {
    let list = |prefixes: &[&str]| found_in_guard(|guard| guard.block = vec![blocked("bad", prefixes)]);
    assert!(list(&["198.51.100.0/24", "2001:db8:bad::/48", "10.0.0.0/8"]).is_empty());
    assert!(list(&[]).is_empty());
    assert_eq!(list(&["198.51.100.0/24", "0.0.0.0/0"]), ["block-everybody guard.block.0.prefixes.1"]);
    assert_eq!(list(&["::/0"]), ["block-everybody guard.block.0.prefixes.0"]);
    let twice = found_in_guard(|guard| guard.block = vec![blocked("bad", &[]), blocked("bad", &[])]);
    assert_eq!(twice, ["block-list-name-used-twice guard.block.1.name"]);
}

#[test]
fn nobody_blocks_the_routers_and_resolvers_of_an_uplink() {
    let with = |allow: &[&str]| {
        found(|document| {
            document.uplinks[0].ipv4 = Ipv4Method::Static {
                address: "203.0.113.2/24".parse().unwrap(),
                gateway: "203.0.113.254".parse().unwrap(),
                dns: vec!["198.51.100.53".parse().unwrap()],
            };
            document.guard.block = vec![blocked("bad", &["203.0.113.0/25", "203.0.113.0/24", "198.51.100.53/32"])];
            document.guard.allow = allow.iter().map(|prefix| prefix.parse().unwrap()).collect();
        })
    };
    let own = |index: usize| format!("block-own-provider guard.block.0.prefixes.{index}");
    assert_eq!(with(&[]), [own(1), own(2)]);
    assert_eq!(with(&["203.0.113.254/32", "198.51.100.0/24"]), [own(2)], "the longest prefix decides");
    assert!(with(&["203.0.113.254/32", "198.51.100.53/32"]).is_empty());
}

#[test]
fn as_many_lists_prefixes_and_packets_a_second_as_the_limits_are_taken_and_not_one_more() {
    let lists = |lists: usize, prefixes: usize, allowed: usize| {
        found_in_guard(|guard| {
            guard.block = (0..lists).map(|number| blocked(&format!("list-{number}"), &[])).collect();
            guard.block[0].prefixes = vec!["198.51.100.0/24".parse().unwrap(); prefixes];
            guard.allow = vec!["198.51.100.7/32".parse().unwrap(); allowed];
        })
    };
    assert!(lists(Limit::BLOCK_LISTS, Limit::BLOCKED_PREFIXES - 1, 1).is_empty());
    assert_eq!(lists(Limit::BLOCK_LISTS + 1, 1, 0), ["too-many-block-lists guard.block"]);
    assert_eq!(lists(1, Limit::BLOCKED_PREFIXES, 1), ["too-many-blocked-prefixes guard.block"]);
    let rates = |syn, handshakes| {
        found_in_guard(|guard| (guard.syn_per_second, guard.handshakes_per_second) = (syn, handshakes))
    };
    assert!(rates(0, Limit::GUARD_RATE).is_empty());
    assert_eq!(rates(Limit::GUARD_RATE + 1, 0), ["guard-rate-too-high guard.syn_per_second"]);
    assert_eq!(rates(0, Limit::GUARD_RATE + 1), ["guard-rate-too-high guard.handshakes_per_second"]);
}
