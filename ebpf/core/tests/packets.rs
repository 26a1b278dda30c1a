//! Random traffic against what a person would say of it, and single packets of each kind.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use patronus_ebpf_abi::Reason;
use patronus_ebpf_core::{Fate, Verdict};
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
                prop_assert!(verdict.fate == Fate::Translate, "{verdict:?}");
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
                    prop_assert!(verdict.fate == Fate::Translate, "{verdict:?}");
                    prop_assert_eq!(ends(&heard), (remote, computer));
                    *then = now_s;
                } else {
                    prop_assert_eq!(verdict, Verdict::KERNEL);
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
        if verdict.fate != Fate::Translate {
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
    assert_eq!(memory.hears_lan(&mut packet(true, COMPUTER, FAR, false)), Verdict::DROP);
    assert_eq!(memory.reasons.borrow().get(&Reason::NoSuchConnection), Some(&1));
    assert!(memory.hears_lan(&mut packet(true, COMPUTER, FAR, true)).fate == Fate::Translate);
    assert!(memory.hears_lan(&mut packet(true, COMPUTER, FAR, false)).fate == Fate::Translate);
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
        assert!(Memory::default().hears_lan(&mut bytes).fate == Fate::Translate);
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
        assert_eq!(memory.hears_lan(&mut bytes), Verdict::KERNEL);
        assert_eq!(bytes, before);
    }
    assert!(memory.flows.borrow().is_empty());
}

/// One datagram in parts of so many bytes of content.
fn parts(from: End, to: End, id: u16, bytes: usize) -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    PacketBuilder::ipv4(from.0, to.0, 64).udp(from.1, to.1).write(&mut whole, &vec![7; 3 * bytes]).unwrap();
    let (header, content) = whole.split_at(20);
    let count = content.chunks(bytes).count();
    let part = |(place, chunk): (usize, &[u8])| {
        let mut part = [header, chunk].concat();
        let length = u16::try_from(part.len()).unwrap();
        let more = if place + 1 < count { 0x2000 } else { 0 };
        part[2..4].copy_from_slice(&length.to_be_bytes());
        part[4..6].copy_from_slice(&id.to_be_bytes());
        part[6..8].copy_from_slice(&(more | (place * bytes / 8) as u16).to_be_bytes());
        let sum = etherparse::Ipv4HeaderSlice::from_slice(&part).unwrap().to_header().calc_header_checksum();
        part[10..12].copy_from_slice(&sum.to_be_bytes());
        part
    };
    content.chunks(bytes).enumerate().map(part).collect()
}

#[test]
fn later_parts_of_a_datagram_go_where_the_first_went_and_nowhere_without_it() {
    let memory = Memory::default();
    let [mut first, mut second, third, ..] = <[Vec<u8>; 4]>::try_from(parts(COMPUTER, FAR, 9, 800)).unwrap();
    assert_eq!(memory.hears_lan(&mut second.clone()).fate, Fate::Drop, "before the first");
    assert_eq!(memory.reasons.borrow().get(&Reason::Fragment), Some(&1));
    assert_eq!(memory.hears_lan(&mut first).fate, Fate::Translate);
    assert_eq!(memory.hears_lan(&mut second).fate, Fate::Translate);
    let header = etherparse::Ipv4HeaderSlice::from_slice(&second).unwrap().to_header();
    assert_eq!((header.source, header.header_checksum), (OUTSIDE_BYTES, header.calc_header_checksum()));
    assert_eq!(second[20..], parts(COMPUTER, FAR, 9, 800)[1][20..], "only the address changes");
    let mut other = third.clone();
    other[4] = 1;
    assert_eq!(memory.hears_lan(&mut other).fate, Fate::Drop, "of another datagram");
    memory.now_s.set(memory.now_s.get() + 31);
    assert_eq!(memory.hears_lan(&mut third.clone()).fate, Fate::Drop, "too late");

    let port = memory.flows.borrow().values().next().unwrap().outside.port;
    let answer = parts(FAR, (OUTSIDE_BYTES, port), 3, 800);
    assert_eq!(memory.hears_wan(&mut answer[1].clone()).fate, Fate::Kernel, "before the first");
    for mut part in answer {
        assert_eq!(memory.hears_wan(&mut part).fate, Fate::Translate);
        assert_eq!(part[16..20], COMPUTER.0);
    }
}

#[test]
fn when_the_ports_tried_are_taken_a_flow_is_refused() {
    let memory = Memory::default();
    for port in 1024..=32_767_u16 {
        let outside =
            patronus_ebpf_abi::Outside { endpoint: patronus_ebpf_abi::Endpoint::new(OUTSIDE, port), protocol: 17 };
        memory.owners.borrow_mut().insert(outside, Default::default());
    }
    assert_eq!(memory.hears_lan(&mut packet(false, COMPUTER, FAR, false)), Verdict::DROP);
    assert_eq!(memory.reasons.borrow().get(&Reason::PortsUsedUp), Some(&1));
}
