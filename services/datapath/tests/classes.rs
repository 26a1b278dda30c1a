//! Compiled rules say what rules mean, and packets take the path that lives.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "support/memory.rs"]
mod memory;

use std::net::Ipv4Addr;

use memory::{Memory, packet};
use patronus_ebpf_abi::{
    Endpoint, Reason,
    steer::{INSURED, RULE_PREFIXES, RULE_SETS, STICKY, STRICT, mode},
};
use patronus_ebpf_core::{
    Packet, Parsed, Shape,
    steer::{Steered, classify, steer},
};
use patronus_types::{Class, ClassRule, Dscp, Ipv4Net, Limit, Policy, PortRange, RuleProtocol, Traffic};
use proptest::prelude::*;

fn any_rule() -> impl Strategy<Value = ClassRule> {
    let class = (0..Class::ALL.len()).prop_map(|number| Class::ALL[number]);
    let protocol = prop::option::of(prop_oneof![
        Just(RuleProtocol::Tcp),
        Just(RuleProtocol::Udp),
        Just(RuleProtocol::Icmp),
        Just(RuleProtocol::Gre),
    ]);
    let range = (1_u16..40, 0_u16..10).prop_map(|(first, more)| PortRange::new(first, first + more).unwrap());
    let dscp = prop::collection::vec((0_u8..8).prop_map(|number| Dscp::try_from(number).unwrap()), 0..3);
    let prefixes = prop::collection::vec(any_prefix(), 0..3);
    (class, protocol, prefixes, prop::collection::vec(range, 0..3), dscp)
        .prop_map(|(class, protocol, prefixes, ports, dscp)| ClassRule { class, protocol, prefixes, ports, dscp })
}

/// Few addresses and all lengths, so that prefixes lie in each other; host bits may be set.
fn any_prefix() -> impl Strategy<Value = Ipv4Net> {
    (any_address(), 0_u8..=32).prop_map(|(address, bits)| Ipv4Net::new(address, bits).unwrap())
}

fn any_address() -> impl Strategy<Value = Ipv4Addr> {
    (0_u8..2, 0_u8..3, 0_u8..4).prop_map(|(net, subnet, host)| Ipv4Addr::new(10, net, subnet << 6, host << 5))
}

proptest! {
    #[test]
    fn what_is_compiled_says_what_the_rules_say(
        rules in prop::collection::vec(any_rule(), 0..150),
        packets in prop::collection::vec(
            (0_usize..3, (any_address(), any_address()), (0_u16..50, 0_u16..50), 0_u8..10), 1..200),
    ) {
        let memory = Memory::new(&rules);
        for (protocol, (source, destination), ports, dscp) in packets {
            let protocol = [1, 6, 17][protocol];
            let addresses = (source.into(), destination.into());
            let traffic = Traffic { protocol, addresses, ports: (protocol != 1).then_some(ports), dscp };
            let first = rules.iter().find(|rule| rule.matches(&traffic));
            let meant = first.map_or(Class::Other, |rule| rule.class);
            let mut packet = packet(protocol, ports, dscp);
            (packet.source.address, packet.destination.address) = (source.to_bits(), destination.to_bits());
            let compiled = classify(&packet, 1, &&memory);
            prop_assert_eq!(compiled as usize, meant.number());
        }
    }
}

#[test]
fn as_many_rules_ports_and_prefixes_as_a_document_may_have_fit() {
    let is_with_prefix = |number: u16| usize::from(number) < Limit::CLASS_PREFIXES;
    let prefix = |number: u16| Ipv4Net::new((0x0b00_0000 + (u32::from(number) << 8)).into(), 24).unwrap();
    let rule = |number: u16| ClassRule {
        ports: vec![PortRange::new(1 + number * 3, 2 + number * 3).unwrap()],
        prefixes: is_with_prefix(number).then(|| prefix(number)).into_iter().collect(),
        ..ClassRule::new(Class::ALL[usize::from(number) % 8])
    };
    let mut rules: Vec<ClassRule> = (0..Limit::CLASS_RULES as u16).map(rule).collect();
    rules.extend(Policy::default().all_rules());
    let memory = Memory::new(&rules);
    assert!(
        memory.classes.sets.len() <= RULE_SETS as usize && memory.classes.prefixes.len() <= RULE_PREFIXES as usize / 2
    );
    for (number, rule) in (0..Limit::CLASS_RULES as u16).zip(&rules) {
        let mut packet = packet(6, (2 + number * 3, 0), 0);
        packet.source.address = prefix(number).addr().to_bits() + 9;
        assert_eq!(classify(&packet, 1, &&memory) as usize, rule.class.number());
    }
}

#[test]
fn the_first_path_that_lives_carries_all_and_one_store_moves_it() {
    let mut memory = Memory::with_paths(mode::FLOW_HASH, 0, 1);
    assert_eq!(memory.by(1), Steered::By(1));
    memory.paths[0].lease_s = 0;
    assert_eq!(memory.by(1), Steered::By(2));
    memory.paths[1].lease_s = memory::NOW_S;
    assert_eq!(memory.by(1), Steered::By(3), "a lease that has run out");
    memory.paths[2].lease_s = 0;
    assert_eq!(memory.by(1), Steered::Kernel, "the kernel's routes");
    memory.group.flags = STRICT;
    assert_eq!(memory.by(1), Steered::Drop, "nothing else is allowed");
    assert_eq!(*memory.refused.borrow(), [Reason::NoAllowedPath]);
}

#[test]
fn flows_are_spread_as_the_mode_says() {
    let spread = |mode, flags| Memory::with_paths(mode, flags, 3).shares(1000);
    assert!(spread(mode::FLOW_HASH, 0).values().all(|flows| (250..420).contains(flows)));
    assert_eq!(spread(mode::ROUND_ROBIN, STICKY), [(1, 333), (2, 334), (3, 333)].into());
    assert_eq!(spread(mode::LEAST_CONNECTIONS, STICKY), [(1, 334), (2, 333), (3, 333)].into());
    let weighted = spread(mode::WEIGHTED, STICKY);
    assert!((520..680).contains(&weighted[&1]) && (230..370).contains(&weighted[&2]), "{weighted:?}");
}

#[test]
fn what_is_sent_twice_goes_by_the_first_two_that_live() {
    let mut memory = Memory::with_paths(mode::DUPLICATE, STRICT, 2);
    assert_eq!(memory.by(1), Steered::Twice(1, 2));
    memory.paths[0].lease_s = 0;
    assert_eq!(memory.by(1), Steered::Twice(2, 3));
    memory.group.spread = 1;
    assert_eq!(memory.by(1), Steered::By(2), "the others are not to carry anything");
    (memory.group.spread, memory.paths[1].lease_s) = (2, 0);
    assert_eq!(memory.by(1), Steered::By(3), "one is left");
    memory.paths[2].lease_s = 0;
    assert_eq!(memory.by(1), Steered::Drop);
}

#[test]
fn what_is_insured_goes_by_the_second_path_too_while_its_own_is_suspected() {
    let mut memory = Memory::with_paths(mode::FLOW_HASH, INSURED, 1);
    assert_eq!(memory.by(1), Steered::By(1));
    memory.paths[0].is_suspected = true;
    assert_eq!(memory.by(1), Steered::Twice(1, 2));
    memory.paths[1].lease_s = 0;
    assert_eq!(memory.by(1), Steered::By(1), "the third may cost more");
    (memory.paths[1].lease_s, memory.paths[0].lease_s) = (memory::NOW_S + 3, 0);
    assert_eq!(memory.by(1), Steered::By(2), "it has died");
    memory.paths[1].is_suspected = true;
    assert_eq!(memory.by(1), Steered::By(2), "the third may cost more than the second, too");
    memory.group.count = 1;
    memory.paths[0].lease_s = memory::NOW_S + 3;
    assert_eq!(memory.by(1), Steered::By(1), "there is no other");
    (memory.group.flags, memory.group.count) = (0, 3);
    assert_eq!(memory.by(1), Steered::By(1), "not insured");
}

#[test]
fn what_sticks_to_a_path_behind_the_second_is_insured_by_the_first() {
    let mut memory = Memory::with_paths(mode::FLOW_HASH, INSURED | STICKY, 1);
    memory.group.paths[..3].copy_from_slice(&[2, 0, 1]);
    assert_eq!(memory.by(1), Steered::By(3));
    memory.group.paths[..3].copy_from_slice(&[0, 1, 2]);
    memory.paths[2].is_suspected = true;
    assert_eq!(memory.by(1), Steered::Twice(3, 1));
    memory.paths[0].lease_s = 0;
    assert_eq!(memory.by(1), Steered::Twice(3, 2), "costs no more than the first");
}

#[test]
fn a_flow_sticks_to_its_path_until_that_dies_or_its_epoch_ends() {
    let mut memory = Memory::with_paths(mode::FLOW_HASH, STICKY, 1);
    assert_eq!(memory.by(1), Steered::By(1));
    memory.group.paths[..3].copy_from_slice(&[1, 0, 2]);
    assert_eq!((memory.by(1), memory.by(2)), (Steered::By(1), Steered::By(2)), "only new ones take the better path");
    memory.paths[0].epoch = 1;
    assert_eq!(memory.by(1), Steered::By(2), "drained to the end");
    memory.paths[1].lease_s = 0;
    assert_eq!(memory.by(1), Steered::By(1));
}

#[test]
fn what_the_kernel_must_have_goes_to_the_kernel() {
    let memory = Memory::with_paths(mode::FLOW_HASH, 0, 1);
    let whole = |packet| steer(&Parsed { packet, shape: Shape::Whole }, &&memory);
    let good = packet(6, (1, 2), 0);
    assert_eq!(whole(good), Steered::By(1));
    assert_eq!(whole(Packet { ttl: 1, ..good }), Steered::Kernel, "it says that its time is over");
    assert_eq!(whole(Packet { is_cut: true, ..good }), Steered::Kernel, "a part of a datagram");
    assert_eq!(whole(packet(17, (1, 51_823), 0)), Steered::Kernel, "what only sites say to each other");
    assert_eq!(whole(packet(17, (1, 51_824), 0)), Steered::Kernel);
    assert_eq!(whole(Packet { destination: Endpoint::new(0x0808_0808, 2), ..good }), Steered::Kernel);
    assert_eq!(steer(&Parsed { packet: good, shape: Shape::Odd(Reason::Fragment) }, &&memory), Steered::Kernel);
}

#[test]
fn what_sites_say_inside_tunnels_is_meant_by_the_same_ports_everywhere() {
    assert_eq!(patronus_ebpf_core::steer::BETWEEN_SITES, patronus_types::ports::INNER_PORTS);
}
