//! What is sent by two paths, through the real programs in this machine's kernel.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{fs, path::Path, process::Command};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, LpmTrie, Map, MapData, PerCpuArray, lpm_trie::Key},
    programs::{SchedClassifier, TestRun, TestRunOptions},
};
use etherparse::{Ipv4HeaderSlice, PacketBuilder};
use patronus_ebpf_abi::{
    Reason,
    steer::{CLASSES, GROUP_PATHS, PathWord, STEER_FIRST, mode},
    twin::TWINS,
};
use patronus_lab::Namespace;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// `TC_ACT_UNSPEC`, `TC_ACT_SHOT` and `TC_ACT_REDIRECT` of `linux/pkt_cls.h`.
const KERNEL: u32 = u32::MAX;
const DROPPED: u32 = 2;
const REDIRECTED: u32 = 7;
/// To loopback, by which packets come in here, and of IPv4.
const ETHERNET: [u8; 14] = [0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 8, 0];
/// A packet out of a tunnel that begins like this at its source looks to the kernel's test run as if it had an Ethernet header.
const NEAR: [u8; 4] = [8, 0, 1, 2];
const FAR: [u8; 4] = [8, 0, 2, 2];
const SITE: u32 = 1;

struct Kernel {
    object: Ebpf,
    pins: tempfile::TempDir,
}

impl Kernel {
    fn new() -> Self {
        let pins = tempfile::tempdir().unwrap();
        mount("bpf", pins.path(), "bpf", MountFlags::empty(), None).unwrap();
        let object = Path::new(env!("CARGO_BIN_EXE_patronus-datapath")).parent().unwrap().join("../ebpf/datapath.o");
        let bytes = fs::read(object).expect("cargo xtask ebpf builds the object");
        let mut object = EbpfLoader::new().default_map_pin_directory(pins.path()).load(&bytes).unwrap();
        for name in ["from_lan_to_sites", "from_mesh"] {
            let program: &mut SchedClassifier = object.program_mut(name).unwrap().try_into().unwrap();
            program.load().unwrap();
        }
        Self { object, pins }
    }

    fn map<T: TryFrom<Map, Error: std::fmt::Debug>>(&mut self, name: &str) -> T {
        let pinned = MapData::from_pin(self.pins.path().join(name)).unwrap();
        let map = match self.object.map(name).unwrap() {
            Map::LpmTrie(_) => Map::LpmTrie(pinned),
            Map::PerCpuArray(_) => Map::PerCpuArray(pinned),
            _ => Map::Array(pinned),
        };
        map.try_into().unwrap()
    }

    /// All that goes to the other site goes by the first two of these devices that live.
    fn sends_twice(&mut self, spread: u8, devices: &[u32]) {
        let mut sites: LpmTrie<_, [u8; 4], u32> = self.map("SITES");
        sites.insert(&Key::new(24, FAR), SITE, 0).unwrap();
        let mut paths: Array<_, u64> = self.map("PATHS");
        // As the layout says: how many, over how many, mode, flags, paths, weights.
        let mut group = [0_u8; 52];
        group[..3].copy_from_slice(&[devices.len().try_into().unwrap(), spread, mode::DUPLICATE]);
        for (path, device) in (0_u8..).zip(devices) {
            group[4 + usize::from(path) * 2] = path;
            let lease_s = if *device == 0 { 0 } else { u32::MAX };
            paths.set(path.into(), PathWord { device: *device, lease_s, ..PathWord::default() }.pack(), 0).unwrap();
        }
        assert!(devices.len() <= GROUP_PATHS);
        let mut groups: Array<_, [u8; 52]> = self.map("GROUPS");
        groups.set(SITE * CLASSES + CLASSES - 1, group, 0).unwrap();
        let mut switch: Array<_, u32> = self.map("STEERING");
        switch.set(0, STEER_FIRST, 0).unwrap();
    }

    fn run(&mut self, program: &str, packet: &[u8]) -> (u32, Vec<u8>) {
        let program: &mut SchedClassifier = self.object.program_mut(program).unwrap().try_into().unwrap();
        let mut after = vec![0; packet.len()];
        let options = TestRunOptions { data_in: Some(packet), data_out: Some(&mut after), ..TestRunOptions::new() };
        (program.test_run(options).unwrap().return_value, after)
    }

    /// What the first path carries of a packet from the LAN.
    fn sends(&mut self, packet: &[u8]) -> Vec<u8> {
        let (said, after) = self.run("from_lan_to_sites", &[&ETHERNET, packet].concat());
        assert_eq!(said, REDIRECTED);
        after[ETHERNET.len()..].to_vec()
    }

    fn twins(&mut self) -> u64 {
        let reasons: PerCpuArray<_, u64> = self.map("REASONS");
        reasons.get(&(Reason::Twin as u32), 0).unwrap().iter().sum()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = unmount(self.pins.path(), UnmountFlags::DETACH);
    }
}

fn packet(content: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(NEAR, FAR, 64).udp(5000, 7777).write(&mut bytes, &[content; 20]).unwrap();
    bytes
}

/// Time to live and identification, of a header whose checksum is right.
fn header(packet: &[u8]) -> (u8, u16) {
    let header = Ipv4HeaderSlice::from_slice(packet).unwrap().to_header();
    // The crate knows nothing of the mark: the sum over all that is there.
    let sum: u32 = packet[..20].as_chunks().0.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "{packet:02x?}");
    (header.time_to_live, header.identification)
}

const fn is_marked(packet: &[u8]) -> bool {
    packet[6] & 0x80 != 0
}

/// Packets that went out by a device.
fn sent_by(device: &str) -> u64 {
    fs::read_to_string("/proc/thread-self/net/dev")
        .unwrap()
        .lines()
        .find_map(|line| line.trim().strip_prefix(&format!("{device}:")))
        .and_then(|line| line.split_whitespace().nth(9)?.parse().ok())
        .unwrap()
}

#[test]
fn a_packet_leaves_by_two_devices_with_a_number_of_its_own_and_by_one_if_only_one_may_carry_it() {
    let (near, far) = (Namespace::new("near"), Namespace::new("far"));
    near.cable("eth0", &far, "eth0");
    // What the kernel says by itself would be counted.
    near.inside(|| fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")).unwrap();
    for end in [&near, &far] {
        end.ip(&["link", "set", "eth0", "up"]);
    }
    near.ip(&["link", "set", "lo", "up"]);
    let index: u32 = near.ip(&["-o", "link", "show", "eth0"]).split_once(':').unwrap().0.parse().unwrap();
    near.inside(move || {
        let mut kernel = Kernel::new();
        // The first of the two is loopback, and where a program is only run for a test, nothing comes of a redirect.
        kernel.sends_twice(2, &[1, index]);
        let before = sent_by("eth0");
        let (first, second) = (kernel.sends(&packet(1)), kernel.sends(&packet(1)));
        assert_eq!([header(&first), header(&second)], [(63, 0), (63, 1)]);
        assert!(is_marked(&first) && is_marked(&second));
        assert_eq!(first[20..], packet(1)[20..]);
        assert_eq!(sent_by("eth0") - before, 2, "the copies");

        for (spread, devices) in [(1, [1, index]), (2, [1, 0])] {
            kernel.sends_twice(spread, &devices);
            let once = kernel.sends(&packet(1));
            assert_eq!((header(&once), is_marked(&once)), ((63, 0), false));
        }
        assert!(Command::new("ip").args(["link", "set", "eth0", "mtu", "68"]).status().unwrap().success());
        kernel.sends_twice(2, &[1, index]);
        assert!(!is_marked(&kernel.sends(&[packet(1), vec![0; 40]].concat())), "too long for the second");
        assert_eq!(sent_by("eth0") - before, 2);
    });
}

#[test]
fn each_packet_of_which_a_copy_comes_is_handed_on_once_by_the_kernel() {
    let mut kernel = Kernel::new();
    kernel.sends_twice(2, &[1, 1]);
    let mut random = 7_u32;
    let mut choose = |of: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) % of
    };
    let mut arriving: Vec<(usize, usize, Vec<u8>)> = Vec::new();
    const SENT: usize = 2000;
    for number in 0..SENT {
        let sent = kernel.sends(&packet(choose(3) as u8));
        for _ in 0..2 {
            if choose(4) > 0 {
                arriving.push((number + choose(50) as usize, number, sent.clone()));
            }
        }
    }
    arriving.sort();
    let (mut handed_on, mut dropped) = (vec![0; SENT], 0);
    for (_, number, packet) in &arriving {
        match kernel.run("from_mesh", packet) {
            (DROPPED, _) => dropped += 1,
            (said, after) => {
                assert_eq!((said, is_marked(&after), header(&after).0), (KERNEL, false, 63));
                assert_eq!(after[20..], packet[20..]);
                handed_on[*number] += 1;
            }
        }
    }
    let mut expected = vec![0; SENT];
    arriving.iter().for_each(|(_, number, _)| expected[*number] = 1);
    assert_eq!(handed_on, expected);
    assert!(dropped > 500);
    assert_eq!(kernel.twins(), dropped);
}

#[test]
fn more_packets_than_are_remembered_are_handed_on_all_the_same() {
    let mut kernel = Kernel::new();
    kernel.sends_twice(2, &[1, 1]);
    let mut sent = kernel.sends(&packet(0));
    for number in 0..=TWINS {
        sent[4..6].copy_from_slice(&(number as u16).to_be_bytes());
        assert_eq!(kernel.run("from_mesh", &sent).0, KERNEL, "{number}");
    }
    assert_eq!(kernel.run("from_mesh", &sent).0, DROPPED, "the last one");
}
