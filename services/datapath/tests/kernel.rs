//! The real programs in this machine's kernel, run on single packets: the same verdict, the same bytes and the same tables as `core` in memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../ebpf/core/tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData},
    programs::{SchedClassifier, TestRun, TestRunOptions},
};
use etherparse::{Icmpv4Header, Icmpv4Type, PacketBuilder, TcpHeaderSlice, icmpv4};
use patronus_ebpf_abi::{Endpoint, FlowKey};
use patronus_ebpf_core::Verdict;
use rustix::{
    mount::{MountFlags, UnmountFlags, mount, unmount},
    time::{ClockId, clock_gettime},
};
use support::{LAN, Memory, OUTSIDE, UPLINK};

/// `TC_ACT_UNSPEC` and `TC_ACT_SHOT` of `linux/pkt_cls.h`.
const KERNEL: u32 = u32::MAX;
const DROPPED: u32 = 2;
const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];

const COMPUTER: [u8; 4] = [192, 168, 42, 2];
const FAR: [u8; 4] = [198, 51, 100, 7];
const ROUTER: [u8; 4] = [203, 0, 113, 254];
const BOX: [u8; 4] = OUTSIDE.to_be_bytes();
/// Taken by somebody else outside, so that ports are translated, too.
const PORT: u16 = 5000;

/// Words of memory as the programs have them: what the layout is, once more.
type Key = [u32; 5];
type Value = [u64; 7];

struct Kernel {
    object: Ebpf,
    flows: HashMap<MapData, Key, Value>,
    pins: PathBuf,
    _directory: tempfile::TempDir,
}

impl Kernel {
    /// With the flows and owners that are in memory.
    fn like(memory: &Memory) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pins = directory.path().join("bpf");
        std::fs::create_dir(&pins).unwrap();
        mount("bpf", &pins, "bpf", MountFlags::empty(), None).unwrap();
        let beside = Path::new(env!("CARGO_BIN_EXE_patronus-datapath")).parent().unwrap();
        let object = std::fs::read(beside.join("../ebpf/datapath.o")).expect("cargo xtask ebpf builds the object");
        let mut object = EbpfLoader::new().default_map_pin_directory(&pins).load(&object).unwrap();
        for (_, program) in object.programs_mut() {
            let program: &mut SchedClassifier = program.try_into().unwrap();
            program.load().unwrap();
        }
        let mut lan: Array<_, [u32; 2]> = object.take_map("LAN").unwrap().try_into().unwrap();
        lan.set(0, [LAN.network, LAN.mask], 0).unwrap();
        let mut uplinks: Array<_, [u32; 4]> = object.take_map("UPLINKS").unwrap().try_into().unwrap();
        uplinks.set(0, [UPLINK.address, UPLINK.index, UPLINK.mtu, 0], 0).unwrap();
        let mut flows: HashMap<_, Key, Value> = object.take_map("FLOWS").unwrap().try_into().unwrap();
        for (key, flow) in memory.flows.borrow().iter() {
            flows.insert(words(key), value(flow), 0).unwrap();
        }
        let mut owners: HashMap<_, [u32; 3], [u32; 4]> = object.take_map("OWNERS").unwrap().try_into().unwrap();
        for (outside, owner) in memory.owners.borrow().iter() {
            let key = [outside.endpoint.address, outside.endpoint.port.into(), outside.protocol];
            owners.insert(key, [owner.inside.address, owner.inside.port.into(), owner.ends_s.get(), 0], 0).unwrap();
        }
        Self { object, flows, pins, _directory: directory }
    }

    /// What the program says, and the packet after it.
    fn run(&mut self, program: &str, packet: &[u8]) -> (u32, Vec<u8>) {
        let program: &mut SchedClassifier = self.object.program_mut(program).unwrap().try_into().unwrap();
        let frame = [&ETHERNET[..], packet].concat();
        let mut after = vec![0; frame.len()];
        let options = TestRunOptions { data_in: Some(&frame), data_out: Some(&mut after), ..TestRunOptions::new() };
        let said = program.test_run(options).unwrap().return_value;
        (said, after[ETHERNET.len()..].to_vec())
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = unmount(&self.pins, UnmountFlags::DETACH);
    }
}

fn words(key: &FlowKey) -> Key {
    [key.inside.address, key.inside.port.into(), key.remote.address, key.remote.port.into(), key.protocol]
}

fn value(flow: &patronus_ebpf_abi::Flow) -> Value {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let Endpoint { address, port, .. } = flow.outside;
    [
        flow.packets_out.get(),
        flow.bytes_out.get(),
        flow.packets_in.get(),
        flow.bytes_in.get(),
        pair(flow.began_s.get(), flow.ends_s.get()),
        pair(address, port.into()),
        pair(flow.slot, flow.state.get()),
    ]
}

fn udp(from: ([u8; 4], u16), to: ([u8; 4], u16), words: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(from.0, to.0, 64).udp(from.1, to.1).write(&mut bytes, words).unwrap();
    bytes
}

fn syn(from: ([u8; 4], u16), to: ([u8; 4], u16), options: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let tcp = PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, 1, 1000).syn();
    tcp.options_raw(options).unwrap().write(&mut bytes, &[]).unwrap();
    bytes
}

fn icmp(from: [u8; 4], to: [u8; 4], kind: Icmpv4Type, words: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(from, to, 64).icmpv4(kind).write(&mut bytes, words).unwrap();
    bytes
}

/// A box in which a computer talks UDP, TCP and pings to somebody, with other ports outside than its own.
fn talking() -> Memory {
    let memory = Memory::default();
    memory.now_s.set(u32::try_from(clock_gettime(ClockId::Monotonic).tv_sec).unwrap());
    for protocol in [1, 6, 17] {
        let outside = patronus_ebpf_abi::Outside { endpoint: Endpoint::new(OUTSIDE, PORT), protocol };
        memory.owners.borrow_mut().insert(outside, Default::default());
    }
    let echo = Icmpv4Type::EchoRequest(etherparse::IcmpEchoHeader { id: PORT, seq: 1 });
    for mut packet in [
        udp((COMPUTER, PORT), (FAR, 53), b"?"),
        syn((COMPUTER, PORT), (FAR, 80), &[]),
        icmp(COMPUTER, FAR, echo, b"ping"),
    ] {
        assert!(matches!(memory.hears_lan(&mut packet), Verdict::Translate(_)));
    }
    memory
}

fn outside_of(memory: &Memory, protocol: u32) -> u16 {
    let flows = memory.flows.borrow();
    flows.iter().find(|(key, _)| key.protocol == protocol).unwrap().1.outside.port
}

fn fragment(mut packet: Vec<u8>) -> Vec<u8> {
    packet[6] = 0x20;
    packet
}

fn checksum_none(mut packet: Vec<u8>) -> Vec<u8> {
    packet[26..28].fill(0);
    packet
}

#[test]
fn the_kernel_and_memory_agree_on_verdict_bytes_and_tables() {
    let memory = talking();
    let mut kernel = Kernel::like(&memory);
    let [ping, tcp_port, udp_port] = [1, 6, 17].map(|protocol| outside_of(&memory, protocol));
    let echo = |id, seq| etherparse::IcmpEchoHeader { id, seq };
    let exceeded = Icmpv4Type::TimeExceeded(icmpv4::TimeExceededCode::TtlExceededInTransit);
    let unreachable = Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::Port);
    let lan = [
        udp((COMPUTER, PORT), (FAR, 53), b"established"),
        udp((COMPUTER, PORT), (FAR, 53), b"of an odd length"),
        checksum_none(udp((COMPUTER, PORT), (FAR, 53), b"without a checksum")),
        syn((COMPUTER, PORT), (FAR, 80), &[2, 4, 0x23, 0x00]),
        syn((COMPUTER, PORT), (FAR, 80), &[1, 2, 4, 0x23, 0x00, 1, 1, 1]),
        icmp(COMPUTER, FAR, Icmpv4Type::EchoRequest(echo(PORT, 2)), b"ping"),
        icmp(COMPUTER, FAR, unreachable, &udp((FAR, 53), (COMPUTER, PORT), b"answer")),
        udp((COMPUTER, PORT), ([192, 168, 42, 9], 53), b"to a neighbour"),
        udp((COMPUTER, PORT), ([224, 0, 0, 251], 5353), b"to a group"),
    ];
    let wan = [
        udp((FAR, 53), (BOX, udp_port), b"answer"),
        udp((FAR, 54), (BOX, udp_port), b"nobody asked"),
        udp((FAR, 53), (BOX, 51830), b"the box's own"),
        syn((FAR, 80), (BOX, tcp_port), &[2, 4, 0x23, 0x00]),
        icmp(FAR, BOX, Icmpv4Type::EchoReply(echo(ping, 1)), b"ping"),
        icmp(FAR, BOX, Icmpv4Type::EchoRequest(echo(ping, 1)), b"ping"),
        icmp(ROUTER, BOX, exceeded.clone(), &udp((BOX, udp_port), (FAR, 53), b"?")),
        icmp(ROUTER, BOX, exceeded.clone(), &syn((BOX, tcp_port), (FAR, 80), &[])[..28]),
        icmp(ROUTER, BOX, exceeded.clone(), &icmp(BOX, FAR, Icmpv4Type::EchoRequest(echo(ping, 1)), b"ping")),
        fragment(udp((FAR, 53), (BOX, udp_port), b"answer")),
    ];
    for (program, packets) in [("from_lan", &lan[..]), ("from_wan", &wan[..])] {
        for packet in packets {
            let mut expected = packet.clone();
            let verdict = match program {
                "from_lan" => memory.hears_lan(&mut expected),
                _ => memory.hears_wan(&mut expected),
            };
            let (said, after) = kernel.run(program, packet);
            assert_eq!(said, if verdict == Verdict::Drop { DROPPED } else { KERNEL }, "{program} {packet:02x?}");
            assert_eq!(after, expected, "{program} {packet:02x?} {verdict:?}");
        }
    }
    for (key, flow) in memory.flows.borrow().iter() {
        let (mut here, mut there) = (value(flow), kernel.flows.get(&words(key), 0).unwrap());
        // Clocks may differ by the second that has passed.
        assert!((there[4] >> 32).abs_diff(here[4] >> 32) <= 2, "{key:?}");
        (here[4], there[4]) = (0, 0);
        assert_eq!(there, here, "{key:?}");
    }
}

#[test]
fn checksums_over_content_are_right_in_the_kernel() {
    let memory = talking();
    let mut kernel = Kernel::like(&memory);
    let (_, after) = kernel.run("from_lan", &syn((COMPUTER, PORT), (FAR, 80), &[2, 4, 0x23, 0x00]));
    let header = TcpHeaderSlice::from_slice(&after[20..]).unwrap();
    let sum = header.calc_checksum_ipv4_raw(BOX, FAR, &[]).unwrap();
    assert_eq!(header.checksum(), sum);
    let echo = Icmpv4Type::EchoRequest(etherparse::IcmpEchoHeader { id: PORT, seq: 9 });
    let (_, after) = kernel.run("from_lan", &icmp(COMPUTER, FAR, echo, b"ping"));
    let (header, rest) = Icmpv4Header::from_slice(&after[20..]).unwrap();
    assert_eq!(header.icmp_type.calc_checksum(rest), header.checksum);
}
