//! What the verdict about one packet costs, without the kernel's own way before and behind it: `./scripts/bench datapath`.
//!
//! *Does*: run what `from_lan` does by the kernel's test run, with as many flows and as many rules; each run is on another flow. Prints a line for
//! each figure: name, unit, value.
//! *Never does*: count what it takes to make the packet one of another flow: that is measured, too, and taken off.
//! *Spec*: `docs/performance.md`, section "datapath".
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::path::{Path, PathBuf};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap},
    programs::{SchedClassifier, TestRun, TestRunOptions},
};
use patronus_datapath::{
    limit,
    policy::{Rule, book, compile},
};
use patronus_ebpf_abi::policy::Zone;
use patronus_lab::Namespace;
use patronus_types::Ipv4Net;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Packets of one measurement of flows that are there.
const ESTABLISHED: u32 = 2_000_000;
/// Of flows that begin.
const FIRST: u32 = 100_000;
/// Numbers of flows of which none comes twice in one measurement.
const EVER_NEW: u64 = (1 << 24) - 1;
/// Measurements of each kind.
const RUNS: usize = 7;

/// Ethernet, IPv4 and UDP, with five bytes of content.
const FRAME: [u8; 47] = [
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 33, 0, 0, 0, 0, 64, 17, 0, 0, 192, 168, 42, 2, 0, 0, 0, 0,
    0x13, 0x88, 0, 0, 0, 13, 0, 0, b'w', b'o', b'r', b'd', b's',
];
/// The same of IPv6, from 2001:db8:42::2 to 2001:db8:7::.
const FRAME6: [u8; 67] = [
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 13, 17, 64, 0x20, 1, 0xd, 0xb8, 0, 0x42, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 2, 0x20, 1, 0xd, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x13, 0x88, 0, 0, 0, 13, 0, 0, b'w',
    b'o', b'r', b'd', b's',
];
/// First byte of the destination.
const DESTINATION: usize = 30;
/// Where packets go: to another site, to the Internet, and there with IPv6, which is never translated.
const WAYS: [Way; 3] = [
    Way { twin: "", to: Some(8), turn: "turn", measured: "measured" },
    Way { twin: "_nat", to: Some(198), turn: "turn", measured: "measured" },
    Way { twin: "_v6", to: None, turn: "turn_six", measured: "measured_six" },
];

#[derive(Clone, Copy)]
struct Way {
    twin: &'static str,
    /// First byte of the destination; without one it is IPv6.
    to: Option<u8>,
    turn: &'static str,
    measured: &'static str,
}

fn main() {
    let directory: PathBuf = std::env::args_os().nth(1).unwrap_or_default().into();
    let [router, neighbour] = ["router", "neighbour"].map(Namespace::new);
    router.ip(&["link", "set", "lo", "up"]);
    for (device, address, route) in [
        ("wan0", "203.0.113.2/24", ["default", "203.0.113.254"]),
        ("mesh0", "100.64.0.1/30", ["8.0.0.0/8", "100.64.0.2"]),
    ] {
        router.cable(device, &neighbour, device);
        router.ip(&["addr", "add", address, "dev", device]);
        router.ip(&["link", "set", device, "up"]);
        router.ip(&["route", "add", route[0], "via", route[1], "dev", device, "onlink"]);
    }
    router.ip(&["-6", "addr", "add", "2001:db8:1::2/64", "dev", "wan0", "nodad"]);
    router.ip(&["-6", "route", "add", "2001:db8:7::/48", "via", "2001:db8:1::1", "dev", "wan0"]);
    let [wan, mesh] = ["wan0", "mesh0"].map(|device| {
        router.ip(&["-o", "link", "show", device]).split(':').next().unwrap().trim().parse::<u32>().unwrap()
    });
    router.inside(move || {
        for version in ["ipv4", "ipv6"] {
            std::fs::write(format!("/proc/sys/net/{version}/conf/all/forwarding"), "1").unwrap();
        }
        measure(&directory, wan, mesh);
    });
}

fn measure(directory: &Path, wan: u32, mesh: u32) {
    let object = std::fs::read(directory.join("bench.o")).unwrap();
    for (name, flows) in [("established_1k_flows", 1 << 10), ("established_1m_flows", 1 << 20)] {
        for way in WAYS {
            let mut kernel = Kernel::new(&object, &rules(0), flows * 2, wan, mesh);
            kernel.measure(way, u64::from(flows) - 1, flows);
            for _ in 0..RUNS {
                let [empty, nanoseconds] = kernel.measure(way, u64::from(flows) - 1, ESTABLISHED);
                println!("empty ns {empty}");
                println!("{name}{} ns {nanoseconds}", way.twin);
            }
        }
    }
    for count in [10, 100, 1000, 4000] {
        for way in WAYS {
            let mut kernel = Kernel::new(&object, &rules(count), 1 << 20, wan, mesh);
            for _ in 0..RUNS {
                let [_, nanoseconds] = kernel.measure(way, EVER_NEW, FIRST);
                println!("first_packet_{count}_rules{} ns {nanoseconds}", way.twin);
            }
        }
    }
    let shipped = std::fs::read(directory.join("datapath.o")).unwrap();
    let mut kernel = Kernel::new(&shipped, &rules(0), 1024, wan, mesh);
    for (name, program) in kernel.object.programs_mut() {
        println!("checked_{name} insns {}", program.info().unwrap().verified_instruction_count().unwrap());
    }
}

/// So many rules that no packet meets, each about another prefix and port, before those of every box.
fn rules(count: u32) -> Vec<Rule> {
    let rule = |number: u32| Rule {
        from: Some(Zone::Lan),
        destinations: Some(vec![Ipv4Net::new((0x1400_0000 + number * 256).into(), 24).unwrap()]),
        protocol: Some(6),
        ports: vec![number as u16..=number as u16 + 9],
        ..Rule::NOTHING
    };
    (1..=count).map(rule).chain(book(&[], &Vec::new()).rules()).collect()
}

struct Kernel {
    object: Ebpf,
    pins: tempfile::TempDir,
}

impl Kernel {
    fn new(object: &[u8], rules: &[Rule], flows: u32, wan: u32, mesh: u32) -> Self {
        let pins = tempfile::tempdir().unwrap();
        mount("bpf", pins.path(), "bpf", MountFlags::empty(), None).unwrap();
        let compiled = compile(rules).unwrap();
        let processors = aya::util::nr_cpus().unwrap() as u32;
        let mut loader = EbpfLoader::new();
        loader.default_map_pin_directory(pins.path());
        loader.map_max_entries("POLICY", compiled.lines().len() as u32).map_max_entries("HITS", rules.len() as u32);
        for name in ["FLOWS", "OWNERS", "PORTS", "FLOWS6"] {
            loader.map_max_entries(name, flows);
        }
        // As on a box with one processor.
        let of_one = flows * limit::ANSWERS_OF_A_FLOW;
        let mask = of_one - 1;
        loader.map_max_entries("ANSWERS", of_one * processors).override_global("ANSWERS_MASK", &mask, true);
        let mut object = loader.load(object).unwrap();
        for (_, program) in object.programs_mut() {
            let program: &mut SchedClassifier = program.try_into().unwrap();
            program.load().unwrap();
        }
        let mut policy: Array<_, [u64; 8]> = object.take_map("POLICY").unwrap().try_into().unwrap();
        for (at, line) in (0..).zip(compiled.lines()) {
            policy.set(at, line, 0).unwrap();
        }
        let mut lan: Array<_, [u32; 4]> = object.take_map("LAN").unwrap().try_into().unwrap();
        lan.set(0, [0xc0a8_2a00, 0xffff_ff00, 0xc0a8_2a01, 0], 0).unwrap();
        let mut lan_six: Array<_, [u64; 4]> = object.take_map("LAN6").unwrap().try_into().unwrap();
        lan_six.set(0, [0x2001_0db8_0042_0000, 0, u64::MAX, 0], 0).unwrap();
        let mut uplinks: Array<_, [u32; 4]> = object.take_map("UPLINKS").unwrap().try_into().unwrap();
        uplinks.set(0, [0xcb00_7102, wan, 1500, 0], 0).unwrap();
        let mut tunnels: HashMap<_, u32, u32> = object.take_map("MESH").unwrap().try_into().unwrap();
        tunnels.insert(mesh, 1, 0).unwrap();
        Self { object, pins }
    }

    /// Nanoseconds of a packet through nothing at all, and through everything. Numbers of flows have these bits.
    fn measure(&mut self, way: Way, bits: u64, packets: u32) -> [f64; 2] {
        let last = self.turn(None, bits);
        let empty = self.run("empty", way, packets);
        let turning = self.run(way.turn, way, packets);
        // On from where the last measurement ended: the flows that were only turned to are not there.
        self.turn(Some(last), bits);
        let measured = self.run(way.measured, way, packets);
        [empty, measured - turning + empty]
    }

    fn turn(&mut self, last: Option<u64>, bits: u64) -> u64 {
        let mut turn: Array<_, [u64; 2]> = self.object.map_mut("TURN").unwrap().try_into().unwrap();
        let last = last.unwrap_or_else(|| turn.get(&0, 0).unwrap()[0] & bits);
        turn.set(0, [last, bits], 0).unwrap();
        last
    }

    fn run(&mut self, name: &str, way: Way, packets: u32) -> f64 {
        let program: &mut SchedClassifier = self.object.program_mut(name).unwrap().try_into().unwrap();
        let mut frame = way.to.map_or(FRAME6.to_vec(), |_| FRAME.to_vec());
        if let Some(to) = way.to {
            frame[DESTINATION] = to;
        }
        let mut after = frame.clone();
        let options = TestRunOptions {
            data_in: Some(&frame),
            data_out: Some(&mut after),
            repeat: packets,
            ..TestRunOptions::new()
        };
        program.test_run(options).unwrap().duration.as_nanos() as f64
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = unmount(self.pins.path(), UnmountFlags::DETACH);
    }
}
