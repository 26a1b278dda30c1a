//! The real programs in this machine's kernel, run on single packets: the same verdict, the same bytes and the same tables as `core` in memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../ebpf/core/tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData},
    programs::{Program, SchedClassifier, TestRun, TestRunOptions},
};
use etherparse::{Icmpv4Header, Icmpv4Type, PacketBuilder, TcpHeaderSlice, icmpv4};
use patronus_ebpf_abi::{Endpoint, FlowKey, answer::Answer, policy::Zone};
use patronus_ebpf_core::Fate;
use rustix::{
    mount::{MountFlags, UnmountFlags, mount, unmount},
    time::{ClockId, clock_gettime},
};
use support::{LAN, Memory, OUTSIDE, UPLINK};

/// `TC_ACT_UNSPEC`, `TC_ACT_SHOT` and `TC_ACT_OK` of `linux/pkt_cls.h`.
const KERNEL: u32 = u32::MAX;
const DROPPED: u32 = 2;
const DONE: u32 = 0;
const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];

const COMPUTER: [u8; 4] = [192, 168, 42, 2];
const FAR: [u8; 4] = [198, 51, 100, 7];
const ROUTER: [u8; 4] = [203, 0, 113, 254];
const BOX: [u8; 4] = OUTSIDE.to_be_bytes();
/// Taken by somebody else outside, so that ports are translated, too.
const PORT: u16 = 5000;

/// Answers of each processor: not as many as in memory, where flows meet in a place.
const ANSWERS: u32 = 64;

/// Words of memory as the programs have them: what the layout is, once more.
type Key = [u32; 5];
type Value = [u64; 8];

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
        let bytes = std::fs::read(beside.join("../ebpf/datapath.o")).expect("cargo xtask ebpf builds the object");
        let lines = u32::try_from(memory.policy.len()).unwrap();
        let mut loader = EbpfLoader::new();
        let processors = u32::try_from(aya::util::nr_cpus().unwrap()).unwrap();
        loader.map_max_entries("ANSWERS", processors * ANSWERS).override_global("ANSWERS_MASK", &(ANSWERS - 1), true);
        let mut object = loader.default_map_pin_directory(&pins).map_max_entries("POLICY", lines).load(&bytes).unwrap();
        for (_, program) in object.programs_mut() {
            match program {
                Program::Xdp(program) => program.load().unwrap(),
                program => <&mut SchedClassifier>::try_from(program).unwrap().load().unwrap(),
            }
        }
        let mut policy: Array<_, [u64; 8]> = object.take_map("POLICY").unwrap().try_into().unwrap();
        for (at, line) in (0..).zip(&memory.policy) {
            policy.set(at, line, 0).unwrap();
        }
        let mut lan: Array<_, [u32; 4]> = object.take_map("LAN").unwrap().try_into().unwrap();
        lan.set(0, [LAN.network, LAN.mask, LAN.address, 0], 0).unwrap();
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

    fn epoch(&mut self, number: u32) {
        let mut epoch: Array<_, u32> = self.object.map_mut("EPOCH").unwrap().try_into().unwrap();
        epoch.set(0, number, 0).unwrap();
    }

    /// Of all processors.
    fn answers(&self) -> Vec<Value> {
        let answers: Array<_, Value> = self.object.map("ANSWERS").unwrap().try_into().unwrap();
        answers.iter().map(Result::unwrap).collect()
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

impl Kernel {
    /// What the program says of a packet without an Ethernet header.
    fn run_raw(&mut self, program: &str, packet: &[u8]) -> u32 {
        let program: &mut SchedClassifier = self.object.program_mut(program).unwrap().try_into().unwrap();
        let mut after = vec![0; packet.len()];
        let options = TestRunOptions { data_in: Some(packet), data_out: Some(&mut after), ..TestRunOptions::new() };
        program.test_run(options).unwrap().return_value
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

fn words_of(answer: &Answer) -> Value {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    [
        pair(answer.source.get(), answer.destination.get()),
        pair(answer.ports.get(), answer.kind.get()),
        pair(answer.epoch.get(), answer.generation.get()),
        pair(answer.until.get(), answer.began_s.get()),
        pair(answer.address.get(), answer.port.get()),
        pair(answer.slot.get(), 0),
        answer.packets.get(),
        answer.bytes.get(),
    ]
}

/// What a flow's entry has not counted yet: packets and bytes from inside, and to it.
fn uncounted(answers: &[Value], key: &FlowKey, outside: Endpoint) -> [u64; 4] {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let ends = |from: Endpoint, to: Endpoint, zone: Zone| {
        let ports = u32::from(from.port) << 16 | u32::from(to.port);
        [pair(from.address, to.address), pair(ports, key.protocol | (zone as u32) << 8)]
    };
    let sum = |ends: [u64; 2], word: usize| {
        answers.iter().filter(|answer| answer[..2] == ends).map(|answer| answer[word]).sum()
    };
    let (out, into) = (ends(key.inside, key.remote, Zone::Lan), ends(key.remote, outside, Zone::Wan));
    [sum(out, 6), sum(out, 7), sum(into, 6), sum(into, 7)]
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
        pair(flow.generation.get(), u32::from(flow.rule.get()) | u32::from(flow.opening) << 16),
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

fn data(from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, 1, 1000).ack(1).write(&mut bytes, b"words").unwrap();
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
        assert!(memory.hears_lan(&mut packet).fate == Fate::Translate);
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
        data((COMPUTER, PORT), (FAR, 80)),
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
        data((FAR, 80), (BOX, tcp_port)),
        icmp(FAR, BOX, Icmpv4Type::EchoReply(echo(ping, 1)), b"ping"),
        icmp(FAR, BOX, Icmpv4Type::EchoRequest(echo(ping, 1)), b"ping"),
        icmp(ROUTER, BOX, exceeded.clone(), &udp((BOX, udp_port), (FAR, 53), b"?")),
        icmp(ROUTER, BOX, exceeded.clone(), &syn((BOX, tcp_port), (FAR, 80), &[])[..28]),
        icmp(ROUTER, BOX, exceeded.clone(), &icmp(BOX, FAR, Icmpv4Type::EchoRequest(echo(ping, 1)), b"ping")),
        fragment(udp((FAR, 53), (BOX, udp_port), b"answer")),
    ];
    // The first time round the long way, then the short one, then what the service has changed meanwhile.
    for (turn, (program, packets)) in
        [("from_lan", &lan[..]), ("from_wan", &wan[..])].into_iter().cycle().take(10).enumerate()
    {
        if turn == 6 {
            memory.epoch.set(9);
            kernel.epoch(9);
        }
        for packet in packets {
            let mut expected = packet.clone();
            let verdict = match program {
                "from_lan" => memory.hears_lan(&mut expected),
                _ => memory.hears_wan(&mut expected),
            };
            let (said, after) = kernel.run(program, packet);
            let expected_said = match verdict.fate {
                Fate::Drop => DROPPED,
                Fate::Kernel => KERNEL,
                Fate::Translate | Fate::Hairpin => DONE,
            };
            assert_eq!(said, expected_said, "{program} {packet:02x?}");
            assert_eq!(after, expected, "{program} {packet:02x?} {verdict:?}");
        }
    }
    for (key, flow) in memory.flows.borrow().iter() {
        let (mut here, mut there) = (value(flow), kernel.flows.get(&words(key), 0).unwrap());
        let [short_here, short_there] = [memory.answers.iter().map(words_of).collect(), kernel.answers()]
            .map(|answers| uncounted(&answers, key, flow.outside));
        assert!(key.protocol == 1 || short_there[0] > 0, "{key:?} never went the short way");
        for (number, (here_more, there_more)) in short_here.into_iter().zip(short_there).enumerate() {
            here[number] += here_more;
            there[number] += there_more;
        }
        // Clocks differ by what the kernel took to check the programs.
        assert!((there[4] >> 32).abs_diff(here[4] >> 32) <= 60, "{key:?}");
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

/// Rules of a person, some of which packets below meet, each for another reason.
const RULES: &str = r#"[
    {"name":"a","action":"drop","from":"mesh","to":"lan","source":["8.0.1.0/24"],"protocol":"tcp","ports":["22-23"]},
    {"name":"b","action":"allow","from":"mesh","source":["8.0.1.0/24"],"destination":["192.168.42.2/32"]},
    {"name":"c","action":"drop","from":"mesh","dscp":46},
    {"name":"d","action":"drop","protocol":"icmp","source":["8.0.0.0/16"]},
    {"name":"e","action":"allow","protocol":"udp","ports":["53","5000-5010"],"from":"mesh"},
    {"name":"f","action":"drop","from":"mesh","to":"lan","destination":["192.168.42.128/25"]},
    {"name":"g","action":"drop","from":"lan","to":"self","protocol":"udp","ports":["53"]},
    {"name":"h","action":"drop","from":"mesh","protocol":"udp"}
]"#;

/// Packets out of a tunnel, and from the LAN to the box: they need no route, which this machine would have of its own.
#[test]
fn the_kernel_and_memory_judge_alike() {
    let written: Vec<patronus_types::Rule> = serde_json::from_str(RULES).unwrap();
    let rules = patronus_datapath::policy::book(&written, &Vec::new()).rules();
    let mut memory = Memory::default();
    memory.policy = patronus_datapath::policy::compile(&rules).unwrap().lines().to_vec();
    memory.now_s.set(u32::try_from(clock_gettime(ClockId::Monotonic).tv_sec).unwrap());
    let mut kernel = Kernel::like(&memory);
    let (mut dropped, mut passed) = (0, 0);
    let mut random = 1_u32;
    let mut choose = |of: &[u16]| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        of[(random >> 16) as usize % of.len()]
    };
    for _ in 0..3000 {
        let site = [8, 0, choose(&[1, 2]) as u8, choose(&[1, 2]) as u8];
        let inside = [192, 168, 42, choose(&[2, 3, 200]) as u8];
        let (from, to) = (choose(&[1000, 1001]), choose(&[22, 23, 24, 53, 5000, 5010, 5011]));
        let mut packet = match choose(&[0, 1, 2, 3]) {
            0 => udp((site, from), (inside, to), b"some more words"),
            1 => syn((site, from), (inside, to), &[]),
            2 => fragment(udp((site, from), (inside, to), b"some more words")),
            _ => icmp(
                site,
                inside,
                Icmpv4Type::EchoRequest(etherparse::IcmpEchoHeader { id: from, seq: 1 }),
                b"a longer ping",
            ),
        };
        packet[1] = choose(&[0, 46 << 2, 45 << 2]) as u8;
        let fate = memory.hears_mesh(&mut packet).fate;
        let said = kernel.run_raw("from_mesh", &packet);
        assert_eq!(
            said,
            if fate == Fate::Drop { DROPPED } else { KERNEL },
            "{packet:?} {:?}",
            memory.notes.borrow().last()
        );
        *if fate == Fate::Drop { &mut dropped } else { &mut passed } += 1;
        let mut own = udp((COMPUTER, from), ([192, 168, 42, 1], to), b"some more words");
        let fate = memory.hears_lan(&mut own).fate;
        assert_eq!(kernel.run("from_lan", &own).0, if fate == Fate::Drop { DROPPED } else { KERNEL });
    }
    assert!(dropped > 500 && passed > 500, "{dropped} {passed}");
    let notes = memory.notes.take();
    let rules_met: std::collections::BTreeSet<u32> = notes.iter().map(|(judgement, _)| judgement.rule).collect();
    assert!(rules_met.len() > 8, "{rules_met:?}");
}

/// What the kernel goes through when it checks a program; it refuses a million.
const MOST_CHECKED: u32 = 250_000;

#[test]
fn no_program_comes_near_what_the_kernel_checks_at_most() {
    let mut kernel = Kernel::like(&Memory::default());
    let count = |(name, program): (&str, &mut Program)| {
        let checked = program.info().unwrap().verified_instruction_count().unwrap();
        println!("{name}: {checked}");
        checked
    };
    let most = kernel.object.programs_mut().map(count).max();
    assert!(most < Some(MOST_CHECKED), "{most:?}");
}
