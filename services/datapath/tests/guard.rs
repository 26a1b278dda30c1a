//! The guard on random packets: the same verdict and the same counts by reading the lists, by `core` in memory, in the driver's program and in the
//! one behind it.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, LpmTrie, PerCpuArray, lpm_trie::Key},
    programs::{SchedClassifier, TestRun, TestRunOptions, Xdp},
};
use etherparse::PacketBuilder;
use patronus_ebpf_abi::{
    Lan, Reason,
    guard::{self as abi, ALLOWED, BOGONS_FOUR, BOGONS_SIX, BURST_NS, LISTED_FOUR, LISTED_SIX, LISTS, Opening, Source},
    six::Lan6,
};
use patronus_ebpf_core::guard::{Watch, let_in, let_in_six};
use patronus_types::IpNet;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

#[path = "../../../ebpf/core/tests/support/bytes.rs"]
mod bytes;
use bytes::Bytes;

/// `XDP_DROP` and `XDP_PASS` of `linux/bpf.h`, `TC_ACT_SHOT` and `TC_ACT_UNSPEC` of `linux/pkt_cls.h`.
const DRIVER: [u32; 2] = [1, 2];
const BEHIND: [u32; 2] = [2, u32::MAX];
/// By which the kernel's test run lets packets come.
const LOOPBACK: u32 = 1;
const LAN: Lan = Lan { network: 0xc0a8_2a00, mask: 0xffff_ff00, address: 0xc0a8_2a01, zero: 0 };
const LAN6: Lan6 = Lan6 { high: 0x2600_0042_0000_0000, low: 0, mask_high: u64::MAX, mask_low: 0 };

/// With the number of the list; the first of equal ones counts.
const PREFIXES: [(&str, u32); 11] = [
    ("9.9.9.9/32", ALLOWED),
    ("10.1.0.0/16", ALLOWED),
    ("9.9.0.0/16", 1),
    ("9.9.9.0/24", 2),
    ("10.0.0.0/8", 2),
    ("128.0.0.0/1", 3),
    ("203.0.113.77/32", ALLOWED),
    ("2600:9::/32", 1),
    ("2600:9:9::/48", ALLOWED),
    ("2a00::/12", 4),
    ("fc00::/7", 3),
];
/// Whoever may not open anything now.
const EXHAUSTED: [&str; 3] = ["8.8.8.8", "2600:8:8:8::1", "9.9.9.9"];

const SOURCES_FOUR: [&str; 20] = [
    "0.0.0.7",
    "127.0.0.1",
    "224.0.0.5",
    "255.255.255.255",
    "192.168.42.9",
    "192.168.43.9",
    "9.9.9.9",
    "9.9.9.8",
    "9.9.8.8",
    "9.8.8.8",
    "10.1.2.3",
    "10.2.2.3",
    "100.64.7.7",
    "172.16.0.1",
    "198.18.0.1",
    "203.0.113.77",
    "129.1.1.1",
    "8.8.8.8",
    "8.8.8.9",
    "1.1.1.1",
];
const SOURCES_SIX: [&str; 18] = [
    "::",
    "::1",
    "::7.7.7.7",
    "::ffff:8.8.8.8",
    "ff02::1",
    "fe80::1",
    "2600:42::9",
    "2600:42:0:1::9",
    "2600:9::1",
    "2600:9:9::1",
    "2600:8:8:8::2",
    "2600:8:8:9::2",
    "2a00:1450::7",
    "fc00::7",
    "2001:db8::7",
    "3fff::7",
    "64:ff9b::7",
    "2001:4860::8888",
];

/// What a packet is, besides its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Syn,
    SynAck,
    Ack,
    Handshake,
    HandshakeElsewhere,
    Data,
    Dhcp,
    Ping,
    Error,
}

const WHATS: [What; 9] = [
    What::Syn,
    What::SynAck,
    What::Ack,
    What::Handshake,
    What::HandshakeElsewhere,
    What::Data,
    What::Dhcp,
    What::Ping,
    What::Error,
];

fn packet(source: IpAddr, what: What) -> Vec<u8> {
    let builder = match source {
        IpAddr::V4(source) => PacketBuilder::ipv4(source.octets(), [203, 0, 113, 2], 64),
        IpAddr::V6(source) => {
            PacketBuilder::ipv6(source.octets(), "2600:1::2".parse::<Ipv6Addr>().unwrap().octets(), 64)
        }
    };
    let mut packet = Vec::new();
    let (initiation, data) = ([&[1, 0, 0, 0][..], &[7; 144]].concat(), [&[4, 0, 0, 0][..], &[7; 28]].concat());
    let tcp = |builder: etherparse::PacketBuilderStep<etherparse::IpHeaders>| builder.tcp(4000, 8000, 1, 65_000);
    match what {
        What::Syn => tcp(builder).syn().write(&mut packet, &[]),
        What::SynAck => tcp(builder).syn().ack(1).write(&mut packet, &[]),
        What::Ack => tcp(builder).ack(1).write(&mut packet, b"words"),
        What::Handshake => builder.udp(51_830, 51_845).write(&mut packet, &initiation),
        What::HandshakeElsewhere => builder.udp(51_830, 51_846).write(&mut packet, &initiation),
        What::Data => builder.udp(51_830, 51_830).write(&mut packet, &data),
        What::Dhcp => builder.udp(67, 68).write(&mut packet, &data),
        What::Ping | What::Error => {
            let is_error = what == What::Error;
            match source {
                IpAddr::V4(_) => {
                    builder.icmpv4_raw(if is_error { 11 } else { 8 }, 0, [0; 4]).write(&mut packet, &[7; 28])
                }
                IpAddr::V6(_) => {
                    builder.icmpv6_raw(if is_error { 2 } else { 128 }, 0, [0; 4]).write(&mut packet, &[7; 48])
                }
            }
        }
    }
    .unwrap();
    packet
}

/// As a person would say it who reads the lists.
fn read(source: IpAddr, what: What, bogons: u32) -> Result<(), Reason> {
    let is_in = |nets: &[&str]| nets.iter().any(|net| net.parse::<IpNet>().unwrap().contains(&source));
    let is_icmp = matches!(what, What::Ping | What::Error);
    let nobody = [
        "0.0.0.0/8",
        "127.0.0.0/8",
        "224.0.0.0/3",
        "192.168.42.0/24",
        "::/96",
        "::ffff:0:0/96",
        "ff00::/8",
        "2600:42::/64",
    ];
    if is_in(&nobody) && !(source == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && is_icmp) {
        return Err(Reason::Martian);
    }
    if let Some(list) = list_of(source) {
        return if list == ALLOWED { Ok(()) } else { Err(Reason::Blocked) };
    }
    let special = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15", "203.0.113.0/24"];
    let is_bogon = match source {
        IpAddr::V4(_) => is_in(&special) && bogons & BOGONS_FOUR != 0 && what != What::Dhcp,
        IpAddr::V6(source) => {
            let is_global = is_in(&["2000::/3"]) && !is_in(&["2001:db8::/32", "3fff::/20"]);
            !is_global && !is_in(&["fe80::/10"]) && !source.is_unspecified() && bogons & BOGONS_SIX != 0
        }
    };
    if is_bogon && what != What::Error {
        return Err(Reason::Bogon);
    }
    let is_exhausted = EXHAUSTED.iter().any(|other| key(source) == key(other.parse().unwrap()));
    match what {
        What::Syn if is_exhausted => Err(Reason::SynRate),
        What::Handshake if is_exhausted => Err(Reason::HandshakeRate),
        _ => Ok(()),
    }
}

fn list_of(source: IpAddr) -> Option<u32> {
    let holding = PREFIXES.iter().map(|(net, list)| (net.parse::<IpNet>().unwrap(), *list));
    holding.filter(|(net, _)| net.contains(&source)).max_by_key(|(net, _)| net.prefix_len()).map(|(_, list)| list)
}

fn key(source: IpAddr) -> (u64, u32) {
    match source {
        IpAddr::V4(source) => (u32::from(source).into(), 4),
        IpAddr::V6(source) => ((source.to_bits() >> 64) as u64, 6),
    }
}

/// The tables in memory.
struct Memory {
    told: abi::Guard,
    bogons: u32,
    due: RefCell<BTreeMap<Source, &'static Cell<u64>>>,
    hits: RefCell<BTreeMap<u32, u64>>,
}

fn exhausted() -> impl Iterator<Item = Source> {
    EXHAUSTED.iter().flat_map(|source| {
        let (address, family) = key(source.parse().unwrap());
        [Opening::Syn, Opening::Handshake].map(|opening| Source { address, opening: opening as u32, family })
    })
}

/// Later than any clock says.
const FAR_OFF_NS: u64 = 1 << 62;

impl Watch for Memory {
    fn now_ns(&self) -> u64 {
        1
    }

    fn told(&self) -> abi::Guard {
        self.told
    }

    fn bogons(&self) -> u32 {
        self.bogons
    }

    fn lan(&self) -> Lan {
        LAN
    }

    fn lan_six(&self) -> Lan6 {
        LAN6
    }

    fn list_of(&self, address: u32) -> Option<u32> {
        list_of(Ipv4Addr::from(address).into())
    }

    fn list_of_six(&self, [a, b, c, d]: [u32; 4]) -> Option<u32> {
        let bits = [a, b, c, d].iter().fold(0_u128, |bits, word| bits << 32 | u128::from(*word));
        list_of(Ipv6Addr::from_bits(bits).into())
    }

    fn due_of(&self, source: &Source) -> Option<&Cell<u64>> {
        self.due.borrow().get(source).copied()
    }

    fn begin(&self, source: &Source, due_ns: u64) {
        self.due.borrow_mut().insert(*source, Box::leak(Box::new(Cell::new(due_ns))));
    }

    fn due_of_all(&self, _: Opening) -> Option<&Cell<u64>> {
        None
    }

    fn count_list(&self, list: u32) {
        *self.hits.borrow_mut().entry(list).or_default() += 1;
    }
}

/// The tables in the kernel.
struct Kernel {
    object: Ebpf,
    pins: tempfile::TempDir,
}

impl Kernel {
    fn new(told: abi::Guard) -> Self {
        let pins = tempfile::tempdir().unwrap();
        mount("bpf", pins.path(), "bpf", MountFlags::empty(), None).unwrap();
        let object = Path::new(env!("CARGO_BIN_EXE_patronus-datapath")).parent().unwrap().join("../ebpf/datapath.o");
        let bytes = fs::read(object).expect("cargo xtask ebpf builds the object");
        let mut object = EbpfLoader::new().default_map_pin_directory(pins.path()).load(&bytes).unwrap();
        <&mut Xdp>::try_from(object.program_mut("guard").unwrap()).unwrap().load().unwrap();
        <&mut SchedClassifier>::try_from(object.program_mut("guard_behind").unwrap()).unwrap().load().unwrap();
        let mut four: LpmTrie<_, [u8; 4], u32> = object.take_map("LISTED").unwrap().try_into().unwrap();
        let mut six: LpmTrie<_, [u8; 16], u32> = object.take_map("LISTED6").unwrap().try_into().unwrap();
        for (net, list) in PREFIXES {
            match net.parse().unwrap() {
                IpNet::V4(net) => {
                    four.insert(&Key::new(net.prefix_len().into(), net.addr().octets()), list, 0).unwrap()
                }
                IpNet::V6(net) => six.insert(&Key::new(net.prefix_len().into(), net.addr().octets()), list, 0).unwrap(),
            }
        }
        let mut guard: Array<_, [u64; 3]> = object.take_map("GUARD").unwrap().try_into().unwrap();
        guard.set(0, [told.listed.into(), told.spacing_ns[0], told.spacing_ns[1]], 0).unwrap();
        let mut lan: Array<_, [u32; 4]> = object.take_map("LAN").unwrap().try_into().unwrap();
        lan.set(0, [LAN.network, LAN.mask, LAN.address, 0], 0).unwrap();
        let mut lan6: Array<_, [u64; 4]> = object.take_map("LAN6").unwrap().try_into().unwrap();
        lan6.set(0, [LAN6.high, LAN6.low, LAN6.mask_high, LAN6.mask_low], 0).unwrap();
        let mut due: HashMap<_, [u64; 2], u64> = object.take_map("SOURCES").unwrap().try_into().unwrap();
        for source in exhausted() {
            let rest = u64::from(source.opening) | u64::from(source.family) << 32;
            due.insert([source.address, rest], FAR_OFF_NS, 0).unwrap();
        }
        Self { object, pins }
    }

    fn set_bogons(&mut self, bits: u32) {
        let mut bogons: HashMap<_, u32, u32> = self.object.map_mut("BOGONS").unwrap().try_into().unwrap();
        bogons.insert(LOOPBACK, bits, 0).unwrap();
    }

    /// Both programs; whether they let it in.
    fn let_in(&mut self, packet: &[u8], is_six: bool) -> [bool; 2] {
        let kind: [u8; 2] = if is_six { [0x86, 0xdd] } else { [8, 0] };
        let frame = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &kind[..], packet].concat();
        let mut after = vec![0; frame.len()];
        let driver: &mut Xdp = self.object.program_mut("guard").unwrap().try_into().unwrap();
        let options = TestRunOptions { data_in: Some(&frame), data_out: Some(&mut after), ..TestRunOptions::new() };
        let said = driver.test_run(options).unwrap().return_value;
        assert!(DRIVER.contains(&said) && after == frame, "{said}");
        let behind: &mut SchedClassifier = self.object.program_mut("guard_behind").unwrap().try_into().unwrap();
        let options = TestRunOptions { data_in: Some(&frame), data_out: Some(&mut after), ..TestRunOptions::new() };
        let said_behind = behind.test_run(options).unwrap().return_value;
        assert!(BEHIND.contains(&said_behind) && after == frame, "{said_behind}");
        [said == DRIVER[1], said_behind == BEHIND[1]]
    }

    fn counts(&self, name: &str, of: u32) -> BTreeMap<u32, u64> {
        let counts: PerCpuArray<_, u64> = self.object.map(name).unwrap().try_into().unwrap();
        let all = (0..of).map(|number| (number, counts.get(&number, 0).unwrap().iter().sum()));
        all.filter(|(_, count)| *count > 0).collect()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = unmount(self.pins.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn lists_read_one_by_one_memory_driver_and_the_place_behind_it_say_the_same() {
    let told = abi::Guard { listed: LISTED_FOUR | LISTED_SIX, zero: 0, spacing_ns: [1, 1] };
    let mut memory = Memory { told, bogons: 0, due: RefCell::default(), hits: RefCell::default() };
    for source in exhausted() {
        memory.begin(&source, FAR_OFF_NS);
    }
    let mut kernel = Kernel::new(told);
    let (mut counts, mut passed) = (BTreeMap::<u32, u64>::new(), 0);
    for bogons in [0, BOGONS_FOUR, BOGONS_SIX, BOGONS_FOUR | BOGONS_SIX] {
        memory.bogons = bogons;
        kernel.set_bogons(bogons);
        for source in SOURCES_FOUR.iter().chain(&SOURCES_SIX).map(|source| source.parse::<IpAddr>().unwrap()) {
            for what in WHATS {
                let bytes = packet(source, what);
                let expected = read(source, what, bogons);
                let frame = Bytes(&bytes[..]);
                let said = if source.is_ipv6() { let_in_six(&frame, &memory) } else { let_in(&frame, &memory) };
                assert_eq!(said, expected, "{source} {what:?} {bogons}");
                assert_eq!(
                    kernel.let_in(&bytes, source.is_ipv6()),
                    [expected.is_ok(); 2],
                    "{source} {what:?} {bogons}"
                );
                match expected {
                    Ok(()) => passed += 1,
                    Err(reason) => *counts.entry(reason as u32).or_default() += 2,
                }
            }
        }
    }
    assert!(passed > 100 && counts.len() == 5, "{passed} {counts:?}");
    assert_eq!(kernel.counts("REASONS", Reason::ALL.len() as u32), counts);
    let hits = memory.hits.take().into_iter().map(|(list, count)| (list, 2 * count)).collect();
    assert_eq!(kernel.counts("LIST_HITS", LISTS), hits);
}

/// Whatever is cut off behind the IP header, nobody reads behind it.
#[test]
fn a_packet_cut_anywhere_is_no_way_past_a_list() {
    let told = abi::Guard { listed: LISTED_FOUR | LISTED_SIX, zero: 0, spacing_ns: [1, 1] };
    let mut kernel = Kernel::new(told);
    for (source, whole) in [("9.9.9.8", 20), ("2600:9::1", 40)] {
        let source: IpAddr = source.parse().unwrap();
        let bytes = packet(source, What::Syn);
        for length in whole..bytes.len() {
            assert_eq!(kernel.let_in(&bytes[..length], source.is_ipv6()), [false; 2], "{source} {length}");
        }
    }
}

/// By a clock of its own: as many at once as in a second, then one in each distance, whoever asks how often.
#[test]
fn a_source_opens_as_many_as_it_may_at_once_and_then_one_after_the_other() {
    struct Clock<'a>(&'a Memory, Cell<u64>);
    impl Watch for Clock<'_> {
        fn now_ns(&self) -> u64 {
            self.1.get()
        }

        fn told(&self) -> abi::Guard {
            self.0.told
        }

        fn bogons(&self) -> u32 {
            0
        }

        fn lan(&self) -> Lan {
            LAN
        }

        fn lan_six(&self) -> Lan6 {
            LAN6
        }

        fn list_of(&self, _: u32) -> Option<u32> {
            None
        }

        fn list_of_six(&self, _: [u32; 4]) -> Option<u32> {
            None
        }

        fn due_of(&self, source: &Source) -> Option<&Cell<u64>> {
            self.0.due_of(source)
        }

        fn begin(&self, source: &Source, due_ns: u64) {
            self.0.begin(source, due_ns);
        }

        fn due_of_all(&self, _: Opening) -> Option<&Cell<u64>> {
            None
        }

        fn count_list(&self, _: u32) {}
    }
    for per_second in [1_u64, 7, 200, 1_000_000] {
        let spacing = BURST_NS / per_second;
        let told = abi::Guard { listed: 0, zero: 0, spacing_ns: [spacing, 0] };
        let memory = Memory { told, bogons: 0, due: RefCell::default(), hits: RefCell::default() };
        let clock = Clock(&memory, Cell::new(BURST_NS));
        let opens = |source: &str| {
            let bytes = packet(source.parse().unwrap(), What::Syn);
            let_in(&Bytes(&bytes[..]), &clock).is_ok()
        };
        let tries = per_second.min(1000) + 5;
        let at_once = (0..tries).filter(|_| opens("8.8.4.4")).count() as u64;
        assert_eq!(at_once, per_second.min(tries), "{per_second}");
        assert!(opens("8.8.4.5"), "another");
        if per_second <= 1000 {
            clock.1.set(BURST_NS + spacing / 2);
            assert!(!opens("8.8.4.4"), "{per_second}");
            clock.1.set(BURST_NS + spacing);
            assert!(opens("8.8.4.4") && !opens("8.8.4.4"), "{per_second}");
        }
    }
}
