//! The steering tables as the service writes them, in memory.
#![allow(dead_code, unreachable_pub)]

use std::{cell::RefCell, collections::BTreeMap, net::Ipv4Addr};

use patronus_datapath::steering::classes::{Classes, compile};
use patronus_ebpf_abi::{
    Endpoint, FlowKey, Reason,
    steer::{Group, PathWord, Stuck},
};
use patronus_ebpf_core::{
    Kind, Packet, Parsed, Shape,
    steer::{Steered, Steering, steer},
};
use patronus_types::{ClassRule, Ipv4Net, Policy};

pub const NOW_S: u32 = 100;

/// The tables as the service writes them, in memory.
pub struct Memory {
    pub classes: Classes,
    pub group: Group,
    pub paths: Vec<PathWord>,
    stuck: RefCell<BTreeMap<FlowKey, Stuck>>,
    row: RefCell<u32>,
    pub refused: RefCell<Vec<Reason>>,
}

impl Memory {
    pub fn new(rules: &[ClassRule]) -> Self {
        let (stuck, row, refused) = Default::default();
        Self { classes: compile(rules), group: Group::default(), paths: Vec::new(), stuck, row, refused }
    }

    /// Paths with devices 1, 2, 3, of one group.
    pub fn with_paths(mode: u8, flags: u8, spread: u8) -> Self {
        let mut memory = Self::new(&Policy::default().all_rules());
        memory.paths =
            (0..3).map(|number| PathWord { device: number + 1, lease_s: NOW_S + 3, ..PathWord::default() }).collect();
        memory.group = Group { count: 3, spread, mode, flags, ..Group::default() };
        memory.group.paths[..3].copy_from_slice(&[0, 1, 2]);
        memory.group.weights[..3].copy_from_slice(&[6, 3, 1]);
        memory
    }

    pub fn by(&self, port: u16) -> Steered {
        steer(&Parsed { packet: packet(17, (port, 9), 0), shape: Shape::Whole }, &self)
    }

    /// How many of so many flows each device gets.
    pub fn shares(&self, flows: u16) -> BTreeMap<u32, usize> {
        let mut shares = BTreeMap::new();
        for port in 1..=flows {
            let Steered::By(device) = self.by(port) else { panic!("no path") };
            *shares.entry(device).or_default() += 1;
        }
        shares
    }
}

impl Steering for &Memory {
    fn now_s(&self) -> u32 {
        NOW_S
    }
    fn half(&self) -> Option<u32> {
        Some(1)
    }
    fn site(&self, address: u32) -> Option<u32> {
        (address >> 16 == 0x0a02).then_some(0)
    }
    fn rules_of_port(&self, _: u32, port: u16) -> u32 {
        self.classes.ports[usize::from(port)].into()
    }
    fn rules_of_address(&self, _: u32, address: u32) -> Option<u32> {
        let holds = |prefix: &&Ipv4Net| prefix.contains(&Ipv4Addr::from(address));
        let longest = self.classes.prefixes.keys().filter(holds).max_by_key(|prefix| prefix.prefix_len())?;
        Some(self.classes.prefixes[longest].into())
    }
    fn rules_of_mark(&self, _: u32, mark: u32) -> u32 {
        self.classes.marks[mark as usize].into()
    }
    fn rules(&self, _: u32, set: u32, word: u32) -> u64 {
        self.classes.sets[set as usize][word as usize]
    }
    fn class(&self, _: u32, rule: u32) -> u32 {
        self.classes.classes[rule as usize]
    }
    fn group(&self, _: u32, _: u32) -> Option<impl core::ops::Deref<Target = Group>> {
        Some(&self.group)
    }
    fn path(&self, path: u32) -> u64 {
        self.paths[path as usize].pack()
    }
    fn stuck(&self, key: &FlowKey) -> Option<Stuck> {
        self.stuck.borrow().get(key).copied()
    }
    fn stick(&self, key: &FlowKey, stuck: &Stuck, _: bool) {
        self.stuck.borrow_mut().insert(*key, *stuck);
    }
    fn flows_on(&self, path: u32) -> u32 {
        self.stuck.borrow().values().filter(|stuck| stuck.path == path).count() as u32
    }
    fn next(&self, _: u32, _: u32) -> u32 {
        *self.row.borrow_mut() += 1;
        *self.row.borrow()
    }
    fn count_refused(&self, reason: Reason) {
        self.refused.borrow_mut().push(reason);
    }
}

pub fn packet(protocol: u8, ports: (u16, u16), dscp: u8) -> Packet {
    let kind = if protocol == 1 { Kind::Request } else { Kind::Ports };
    Packet {
        source: Endpoint::new(0x0a01_0002, ports.0),
        destination: Endpoint::new(0x0a02_0002, ports.1),
        protocol: protocol.into(),
        kind,
        flags: 0,
        ttl: 64,
        dscp,
        dont_fragment: true,
        bytes: 100,
        id: 0,
        is_cut: false,
    }
}
