//! Random traffic against what a person would say of it, and single packets of each kind.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use patronus_ebpf_abi::Reason;
use patronus_ebpf_core::Verdict;
use proptest::prelude::*;
use support::{Memory, OUTSIDE};

const OUTSIDE_BYTES: [u8; 4] = OUTSIDE.to_be_bytes();

/// Somebody says something to somebody.
#[derive(Clone, Copy, Debug)]
struct Said {
    from_lan: bool,
    is_tcp: bool,
    computer: u8,
    port: u16,
    remote: u8,
    remote_port: u16,
    later_s: u32,
}

fn said() -> impl Strategy<Value = Said> {
    let ports = prop_oneof![Just(80_u16), Just(5000), Just(40_000), Just(33_000)];
    (any::<bool>(), any::<bool>(), 2..5_u8, ports, 1..4_u8, prop_oneof![Just(53_u16), Just(443)], 0..90_u32).prop_map(
        |(from_lan, is_tcp, computer, port, remote, remote_port, later_s)| Said {
            from_lan,
            is_tcp,
            computer,
            port,
            remote,
            remote_port,
            later_s,
        },
    )
}

fn packet(is_tcp: bool, from: ([u8; 4], u16), to: ([u8; 4], u16), syn: bool) -> Vec<u8> {
    let ip = PacketBuilder::ipv4(from.0, to.0, 64);
    let mut bytes = Vec::new();
    if is_tcp {
        let tcp = ip.tcp(from.1, to.1, 1, 1000);
        let tcp = if syn { tcp.syn() } else { tcp.ack(1) };
        tcp.options_raw(&[2, 4, 0x05, 0xb4]).unwrap().write(&mut bytes, b"words").unwrap();
    } else {
        ip.udp(from.1, to.1).write(&mut bytes, b"words").unwrap();
    }
    bytes
}

/// Both ends, if all checksums hold.
fn ends(packet: &[u8]) -> (([u8; 4], u16), ([u8; 4], u16)) {
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let Some(etherparse::NetSlice::Ipv4(ip)) = &sliced.net else { panic!("no IPv4") };
    let header = ip.header().to_header();
    assert_eq!(header.calc_header_checksum(), header.header_checksum, "IP checksum");
    let (from, to) = match sliced.transport.unwrap() {
        TransportSlice::Tcp(tcp) => {
            assert_eq!(
                tcp.calc_checksum_ipv4(header.source, header.destination).unwrap(),
                tcp.checksum(),
                "TCP checksum"
            );
            (tcp.source_port(), tcp.destination_port())
        }
        TransportSlice::Udp(udp) => {
            let header = udp.to_header();
            assert_eq!(header.calc_checksum_ipv4(&ip.header().to_header(), udp.payload()).unwrap(), udp.checksum());
            (udp.source_port(), udp.destination_port())
        }
        other => panic!("{other:?}"),
    };
    ((header.source, from), (header.destination, to))
}

type End = ([u8; 4], u16);

/// The naive answer: a list of who speaks to whom since when, and who has which port.
#[derive(Default)]
struct Naive {
    ports: BTreeMap<(bool, End), u16>,
    spoken: BTreeMap<(bool, End, End), u32>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// 64 cases of up to 2,000 packets.
    #[test]
    fn what_passes_is_what_a_list_of_flows_says(story in prop::collection::vec(said(), 1..2000)) {
        let memory = Memory::default();
        let mut naive = Naive::default();
        for said in story {
            memory.now_s.set(memory.now_s.get() + said.later_s);
            let now_s = memory.now_s.get();
            let computer = ([192, 168, 42, said.computer], said.port);
            let remote = ([198, 51, 100, said.remote], said.remote_port);
            let key = (said.is_tcp, computer, remote);
            // All that is silent for longer than the shortest of its times is left out of the story.
            let lasts = naive.spoken.get(&key).map(|then| now_s - then);
            if lasts.is_some_and(|s| s >= 120) {
                naive.spoken.remove(&key);
                memory.flows.borrow_mut().retain(|flow, _| !is(flow, &key));
            }
            if said.from_lan {
                let mut sent = packet(said.is_tcp, computer, remote, true);
                let verdict = memory.hears_lan(&mut sent);
                prop_assert!(matches!(verdict, Verdict::Translate(_)), "{verdict:?}");
                let (from, to) = ends(&sent);
                prop_assert_eq!((from.0, to), (OUTSIDE_BYTES, remote));
                prop_assert!((1024..=32767).contains(&from.1));
                let known = naive.ports.insert((said.is_tcp, computer), from.1);
                prop_assert!(known.is_none_or(|known| known == from.1), "one port for all he talks to");
                naive.spoken.insert(key, now_s);
            } else if let Some(port) = naive.ports.get(&(said.is_tcp, computer)).copied() {
                let mut heard = packet(said.is_tcp, remote, (OUTSIDE_BYTES, port), false);
                let before = heard.clone();
                let verdict = memory.hears_wan(&mut heard);
                if let Some(then) = naive.spoken.get_mut(&key) {
                    prop_assert!(matches!(verdict, Verdict::Translate(_)), "{verdict:?}");
                    prop_assert_eq!(ends(&heard), (remote, computer));
                    *then = now_s;
                } else {
                    prop_assert_eq!(verdict, Verdict::Kernel);
                    prop_assert_eq!(heard, before);
                }
            }
        }
        let owned: Vec<u16> = memory.owners.borrow().keys().map(|outside| outside.endpoint.port).collect();
        let of_all: BTreeSet<(u32, u16)> =
            memory.owners.borrow().keys().map(|outside| (outside.protocol, outside.endpoint.port)).collect();
        prop_assert_eq!(owned.len(), of_all.len());
    }

    #[test]
    fn no_bytes_make_it_fall_and_nothing_foreign_is_ever_translated(mut bytes in prop::collection::vec(any::<u8>(), 0..100), wan: bool) {
        let memory = Memory::default();
        let before = bytes.clone();
        let verdict = if wan { memory.hears_wan(&mut bytes) } else { memory.hears_lan(&mut bytes) };
        if !matches!(verdict, Verdict::Translate(_)) {
            prop_assert_eq!(bytes, before);
        } else {
            prop_assert!(!wan && before[12..15] == [192, 168, 42] && bytes[12..16] == OUTSIDE_BYTES);
        }
    }
}

fn is(flow: &patronus_ebpf_abi::FlowKey, key: &(bool, End, End)) -> bool {
    let end = |end: patronus_ebpf_abi::Endpoint| (end.address.to_be_bytes(), end.port);
    (flow.protocol == 6, end(flow.inside), end(flow.remote)) == *key
}

const COMPUTER: End = ([192, 168, 42, 2], 5000);
const FAR: End = ([198, 51, 100, 7], 80);

#[test]
fn tcp_begins_with_a_syn_or_not_at_all() {
    let memory = Memory::default();
    assert_eq!(memory.hears_lan(&mut packet(true, COMPUTER, FAR, false)), Verdict::Drop);
    assert_eq!(memory.reasons.borrow().get(&Reason::NoSuchConnection), Some(&1));
    assert!(matches!(memory.hears_lan(&mut packet(true, COMPUTER, FAR, true)), Verdict::Translate(_)));
    assert!(matches!(memory.hears_lan(&mut packet(true, COMPUTER, FAR, false)), Verdict::Translate(_)));
}

#[test]
fn the_mss_is_lowered_at_even_and_odd_places_and_never_raised() {
    for (options, at, lowered) in [
        (vec![2, 4, 0x23, 0x00], 42, true),
        (vec![1, 2, 4, 0x23, 0x00, 1, 1, 1], 43, true),
        (vec![2, 4, 0x02, 0x00], 42, false),
        (vec![0, 0, 0, 0, 2, 4, 0x23, 0x00], 46, false),
    ] {
        let mut bytes = Vec::new();
        let tcp = PacketBuilder::ipv4(COMPUTER.0, FAR.0, 64).tcp(COMPUTER.1, FAR.1, 1, 1000).syn();
        tcp.options_raw(&options).unwrap().write(&mut bytes, &[]).unwrap();
        let before = bytes[at..at + 2].to_vec();
        assert!(matches!(Memory::default().hears_lan(&mut bytes), Verdict::Translate(_)));
        ends(&bytes);
        assert_eq!(bytes[at..at + 2].to_vec(), if lowered { 1460_u16.to_be_bytes().to_vec() } else { before });
    }
}

#[test]
fn what_needs_an_error_goes_to_the_kernel_as_it_came() {
    let memory = Memory::default();
    let mut last_hop = packet(false, COMPUTER, FAR, false);
    last_hop[8] = 1;
    let mut big = Vec::new();
    let ip = PacketBuilder::ip(etherparse::IpHeaders::Ipv4(
        etherparse::Ipv4Header {
            dont_fragment: true,
            ..etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::UDP, COMPUTER.0, FAR.0).unwrap()
        },
        Default::default(),
    ));
    ip.udp(1, 2).write(&mut big, &[0; 1473]).unwrap();
    for mut bytes in [last_hop, big] {
        let before = bytes.clone();
        assert_eq!(memory.hears_lan(&mut bytes), Verdict::Kernel);
        assert_eq!(bytes, before);
    }
    assert!(memory.flows.borrow().is_empty());
}

#[test]
fn when_the_ports_tried_are_taken_a_flow_is_refused() {
    let memory = Memory::default();
    for port in 1024..=32_767_u16 {
        let outside =
            patronus_ebpf_abi::Outside { endpoint: patronus_ebpf_abi::Endpoint::new(OUTSIDE, port), protocol: 17 };
        memory.owners.borrow_mut().insert(outside, Default::default());
    }
    assert_eq!(memory.hears_lan(&mut packet(false, COMPUTER, FAR, false)), Verdict::Drop);
    assert_eq!(memory.reasons.borrow().get(&Reason::PortsUsedUp), Some(&1));
}
