//! The short way against the long one: two boxes hear the same, and only one keeps answers.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use etherparse::PacketBuilder;
use patronus_ebpf_abi::{FlowKey, Reason, answer::GOOD_FOR_S};
use patronus_ebpf_core::{Fate, answers};
use proptest::prelude::*;
use support::{Memory, OUTSIDE, allow_all, drop_all};

const COMPUTER: [u8; 4] = [192, 168, 42, 2];
const FAR: [u8; 4] = [198, 51, 100, 7];
const SITE: [u8; 4] = [support::SITES, 0, 1, 2];

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A packet from the LAN, or to it.
    Packet { from_lan: bool, is_site: bool, flow: u16, says: Says, bytes: usize, ttl: u8, dont_fragment: bool },
    /// So much later.
    Later(u32),
    /// The service has changed something.
    Changed,
    /// Other rules; `false`: they let nothing pass.
    Rules(bool),
}

#[derive(Clone, Copy, Debug)]
enum Says {
    Udp,
    Data,
    Syn,
    Fin,
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    let says = prop_oneof![
        4 => Just(Says::Udp), 6 => Just(Says::Data), 2 => Just(Says::Syn), 1 => Just(Says::Fin), 1 => Just(Says::Reset)
    ];
    let sizes = prop_oneof![8 => Just(5_usize), 1 => Just(1600)];
    let ttls = prop_oneof![8 => Just(64_u8), 1 => Just(1)];
    let packet = (any::<bool>(), any::<bool>(), 0..12_u16, says, sizes, ttls, any::<bool>()).prop_map(
        |(from_lan, is_site, flow, says, bytes, ttl, dont_fragment)| Step::Packet {
            from_lan,
            is_site,
            flow,
            says,
            bytes,
            ttl,
            dont_fragment,
        },
    );
    prop_oneof![
        40 => packet,
        4 => (0..12_u32).prop_map(Step::Later),
        1 => Just(Step::Changed),
        1 => prop::bool::weighted(0.8).prop_map(Step::Rules),
    ]
}

fn packet(from: ([u8; 4], u16), to: ([u8; 4], u16), says: Says, bytes: usize, ttl: u8, whole: bool) -> Vec<u8> {
    let mut packet = Vec::new();
    let (ip, content) = (PacketBuilder::ipv4(from.0, to.0, ttl), vec![7; bytes]);
    let tcp = |ip: etherparse::PacketBuilderStep<etherparse::IpHeaders>| ip.tcp(from.1, to.1, 1, 1000);
    match says {
        Says::Udp => ip.udp(from.1, to.1).write(&mut packet, &content),
        Says::Data => tcp(ip).ack(1).write(&mut packet, &content),
        Says::Syn => tcp(ip).syn().write(&mut packet, &content),
        Says::Fin => tcp(ip).fin().ack(1).write(&mut packet, &content),
        Says::Reset => tcp(ip).rst().write(&mut packet, &content),
    }
    .unwrap();
    packet[6] = if whole { 0x40 } else { 0 };
    packet
}

/// Packets and bytes of each flow in both directions, with what answers have not told it yet.
fn counted(memory: &Memory) -> BTreeMap<FlowKey, [u64; 4]> {
    let flows = memory.flows.borrow();
    let count = |(key, flow): (&FlowKey, &std::rc::Rc<patronus_ebpf_abi::Flow>)| {
        let flow = patronus_ebpf_abi::Flow::clone(flow);
        answers::count(key, &flow, |place| memory.answer_at(place));
        (*key, [flow.packets_out.get(), flow.bytes_out.get(), flow.packets_in.get(), flow.bytes_in.get()])
    };
    flows.iter().map(count).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_short_way_ends_where_the_long_one_does(story in prop::collection::vec(step(), 1..1000)) {
        let mut short = Memory::default();
        let mut long = Memory::default();
        long.keeps_answers = false;
        let (mut heard, mut generation) = (BTreeMap::new(), 1);
        for step in story {
            match step {
                Step::Later(s) => [&short, &long].iter().for_each(|memory| memory.now_s.set(memory.now_s.get() + s)),
                Step::Changed => short.epoch.set(short.epoch.get() + 1),
                Step::Rules(allow) => {
                    generation += 1;
                    for memory in [&mut short, &mut long] {
                        memory.policy = if allow { allow_all(generation) } else { drop_all(generation) };
                    }
                }
                Step::Packet { from_lan, is_site, flow, says, bytes, ttl, dont_fragment } => {
                    let is_tcp = !matches!(says, Says::Udp);
                    let (inside, far) = ((COMPUTER, 5000 + flow), (if is_site { SITE } else { FAR }, 80));
                    // Both know of silence to the second, but only one of every packet: flows end here before either says so.
                    let now_s = short.now_s.get();
                    if heard.insert((is_tcp, is_site, flow), now_s).is_some_and(|then| now_s - then > 100) {
                        for memory in [&short, &long] {
                            memory.forget(5000 + flow);
                            memory.epoch.set(memory.epoch.get() + 1);
                        }
                    }
                    let (from, to) = match (from_lan, is_site) {
                        (true, _) => (inside, far),
                        (false, true) => (far, inside),
                        (false, false) => (far, (OUTSIDE.to_be_bytes(), inside.1)),
                    };
                    let sent = packet(from, to, says, bytes, ttl, dont_fragment);
                    let [(here, one), (there, other)] = [&short, &long].map(|memory| {
                        let mut packet = sent.clone();
                        let verdict = match (from_lan, is_site) {
                            (true, _) => memory.hears_lan(&mut packet),
                            (false, true) => memory.hears_mesh(&mut packet),
                            (false, false) => memory.hears_wan(&mut packet),
                        };
                        (verdict.fate, packet)
                    });
                    prop_assert_eq!(here, there, "{:?}", step);
                    prop_assert_eq!(one, other, "{:?}", step);
                }
            }
        }
        prop_assert_eq!(counted(&short), counted(&long));
    }
}

/// A box on which a connection goes on, so that there is an answer.
fn talking() -> Memory {
    let memory = Memory::default();
    for says in [Says::Syn, Says::Data] {
        assert_eq!(memory.hears_lan(&mut outward(says)).fate, Fate::Translate);
    }
    // What the long way would say from here on.
    memory.forget(5000);
    memory
}

fn outward(says: Says) -> Vec<u8> {
    packet((COMPUTER, 5000), (FAR, 80), says, 5, 64, false)
}

#[test]
fn an_answer_is_given_without_the_flow_until_something_changes() {
    let memory = talking();
    assert_eq!(memory.hears_lan(&mut outward(Says::Data)).fate, Fate::Translate);
    memory.epoch.set(2);
    assert_eq!(memory.hears_lan(&mut outward(Says::Data)).fate, Fate::Drop);
    assert_eq!(memory.reasons.borrow().get(&Reason::NoSuchConnection), Some(&1));
}

#[test]
fn an_answer_is_not_given_by_other_rules_or_for_longer_than_it_is_good() {
    let mut memory = talking();
    memory.policy = allow_all(9);
    assert_eq!(memory.hears_lan(&mut outward(Says::Data)).fate, Fate::Drop);
    let memory = talking();
    memory.now_s.set(GOOD_FOR_S);
    assert_eq!(memory.hears_lan(&mut outward(Says::Data)).fate, Fate::Drop);
}

#[test]
fn what_ends_a_connection_is_heard_by_its_flow() {
    for says in [Says::Fin, Says::Reset] {
        assert_eq!(talking().hears_lan(&mut outward(says)).fate, Fate::Drop, "{says:?}");
    }
}
