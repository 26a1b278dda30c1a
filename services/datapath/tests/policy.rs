//! Compiled rules against rules that are read one after the other, on random rules and packets.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::Ipv4Addr;

use patronus_datapath::policy::{Rule, book, compile};
use patronus_ebpf_abi::policy::{Opening, PORT_UNKNOWN, Zone, service};
use patronus_ebpf_core::{Judgement, Query, policy::judge};
use patronus_types::{Ipv4Net, Limit};
use proptest::prelude::*;

/// The naive answer: the first rule that fits.
fn read(rules: &[Rule], query: &Query) -> (u32, bool) {
    let fits = |rule: &Rule| {
        let Opening { from, to, dscp } = query.opening;
        let holds = |prefixes: &Option<Vec<Ipv4Net>>, address: u32| {
            prefixes.as_ref().is_none_or(|list| list.iter().any(|net| net.contains(&Ipv4Addr::from(address))))
        };
        let (protocol, port) = (query.service >> 17, query.service & 0x1_ffff);
        let is_port = rule.ports.is_empty()
            || (port == PORT_UNKNOWN && !rule.allows)
            || rule.ports.iter().any(|ports| port <= 0xffff && ports.contains(&(port as u16)));
        rule.from.is_none_or(|zone| zone == from)
            && rule.to.is_none_or(|zone| zone == to)
            && rule.dscp.is_none_or(|code| u32::from(code) == dscp)
            && holds(&rule.sources, query.source)
            && holds(&rule.destinations, query.destination)
            && rule.protocol.is_none_or(|number| u32::from(number) == protocol && is_port)
    };
    match rules.iter().position(fits) {
        Some(rule) => (rule as u32, rules[rule].allows),
        None => (Judgement::NONE.rule, false),
    }
}

/// Few different numbers, so that rules and packets meet; their neighbours, so that ends of ranges are met.
fn address() -> impl Strategy<Value = u32> {
    let base = prop::sample::select(vec![0, 0x0a00_0000, 0x0a01_0000, 0x0a01_0100, 0xc0a8_2a00, 0xdfff_ff00, u32::MAX]);
    (base, prop_oneof![Just(0_u32), 0..4_u32, 250..260_u32], any::<bool>())
        .prop_map(|(base, more, is_below)| if is_below { base.wrapping_sub(more) } else { base.wrapping_add(more) })
}

fn prefixes() -> impl Strategy<Value = Option<Vec<Ipv4Net>>> {
    let prefix = (address(), 0_u8..=32)
        .prop_map(|(address, length)| Ipv4Net::new(Ipv4Addr::from(address.min(0xdfff_ffff)), length).unwrap().trunc());
    prop::option::of(prop::collection::vec(prefix, 0..4))
}

fn port() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![0, 1, 22, 79, 80, 81, 443, 444, 65_534, 65_535])
}

fn zone() -> impl Strategy<Value = Zone> {
    prop::sample::select(Zone::ALL.to_vec())
}

fn rule() -> impl Strategy<Value = Rule> {
    let ports = prop::collection::vec((port(), port()).prop_map(|(one, other)| one.min(other)..=one.max(other)), 0..3);
    let zones = (prop::option::weighted(0.3, zone()), prop::option::weighted(0.3, zone()));
    let protocol = prop::option::of(prop::sample::select(vec![1_u8, 6, 17, 255]));
    (zones, prefixes(), prefixes(), protocol, ports, prop::option::weighted(0.2, 0_u8..64), any::<bool>()).prop_map(
        |((from, to), sources, destinations, protocol, ports, dscp, allows)| {
            let ports = if protocol.is_some() { ports } else { Vec::new() };
            Rule { from, to, sources, destinations, protocol, ports, dscp, allows, logs: allows }
        },
    )
}

fn query() -> impl Strategy<Value = Query> {
    let port = prop_oneof![port().prop_map(u32::from), Just(PORT_UNKNOWN)];
    (zone(), zone(), 0..64_u32, address(), address(), prop::sample::select(vec![1, 6, 17, 50, 255]), port).prop_map(
        |(from, to, dscp, source, destination, protocol, port)| {
            let service = service(protocol, port);
            Query { opening: Opening { from, to, dscp }, source, destination, service }
        },
    )
}

fn agree(rules: &[Rule], queries: &[Query]) -> Result<(), TestCaseError> {
    let compiled = compile(rules).unwrap();
    for query in queries {
        let said = judge(&compiled, query);
        prop_assert_eq!((said.rule, said.allows()), read(rules, query), "{:?}", query);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// 100,000 packets.
    #[test]
    fn the_first_rule_that_fits_is_found(
        rules in prop::collection::vec(rule(), 0..80),
        queries in prop::collection::vec(query(), 1000),
    ) {
        agree(&rules, &queries)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn also_among_as_many_as_may_be(
        some in prop::collection::vec(rule(), 64),
        spread in any::<u32>(),
        queries in prop::collection::vec(query(), 300),
    ) {
        // The same rules at ever other places of the address space, then a person's with the box's own behind them.
        let moved = |number: u32| some.iter().cloned().map(move |mut rule| {
            let place = |net: &Ipv4Net| {
                let at = u32::from(net.network()).wrapping_add(spread.wrapping_mul(number)) % 0xe000_0000;
                Ipv4Net::new(at.into(), net.prefix_len().max(20)).unwrap().trunc()
            };
            rule.sources = rule.sources.map(|nets| nets.iter().map(place).collect());
            rule.destinations = Some(rule.destinations.iter().flatten().map(place).collect());
            rule
        });
        let mut rules: Vec<Rule> = (1..=63).flat_map(moved).chain(some.clone()).take(Limit::RULES).collect();
        prop_assert_eq!(rules.len(), Limit::RULES);
        rules.extend(book(&[], &Vec::new()).rules());
        agree(&rules, &queries)?;
    }
}

#[test]
fn without_a_rule_that_fits_nothing_passes() {
    let compiled = compile(&[]).unwrap();
    let opening = Opening { from: Zone::Lan, to: Zone::Wan, dscp: 0 };
    let said = judge(&compiled, &Query { opening, source: 1, destination: 2, service: service(6, 80) });
    assert_eq!(said, Judgement::NONE);
}

#[test]
fn the_same_rules_are_the_same_generation_and_others_another() {
    let rules = book(&[], &Vec::new()).rules();
    let generation = compile(&rules).unwrap().generation();
    assert_eq!(compile(&rules).unwrap().generation(), generation);
    assert_ne!(compile(&rules[1..]).unwrap().generation(), generation);
    assert_ne!(compile(&[]).unwrap().generation(), 0);
}
