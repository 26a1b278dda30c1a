//! What it costs to choose a path for a packet, and to compile a policy: one line for each figure, its value in seconds of wall clock turned round.
//!
//! *Does*: run the programs' own decision over tables in memory, as the service writes them.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "../tests/support/memory.rs"]
mod memory;

use std::{hint::black_box, time::Instant};

use memory::{Memory, packet};
use patronus_datapath::steering::classes::compile;
use patronus_ebpf_abi::steer::mode;
use patronus_ebpf_core::{Parsed, Shape, steer::steer};
use patronus_types::{Class, ClassRule, PortRange};

const DECISIONS: u32 = 5_000_000;
const RULES: u16 = 1_000;

fn main() {
    let rule = |number: u16| ClassRule {
        ports: vec![PortRange::new(1 + number * 3, 2 + number * 3).unwrap()],
        ..ClassRule::new(Class::ALL[usize::from(number) % 8])
    };
    let rules: Vec<ClassRule> = (0..RULES).map(rule).collect();
    let began = Instant::now();
    let classes = compile(&rules);
    println!("compile_1000_rules {} ms", began.elapsed().as_secs_f64() * 1000.0);
    for (name, classes) in
        [("decisions_1000_rules", classes), ("decisions", compile(&patronus_types::Policy::default().all_rules()))]
    {
        let mut memory = Memory::with_paths(mode::FLOW_HASH, 0, 1);
        memory.classes = classes;
        let began = Instant::now();
        for number in 0..DECISIONS {
            let ports = ((number.wrapping_mul(0x9e37) >> 3) as u16, number as u16);
            let parsed = Parsed { packet: packet(6, ports, 0), shape: Shape::Whole };
            black_box(steer(black_box(&parsed), &&memory));
        }
        println!("{name} {} /s", f64::from(DECISIONS) / began.elapsed().as_secs_f64());
    }
}
