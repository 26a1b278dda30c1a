//! `core`'s tables and packets in memory.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

mod bytes;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

pub use bytes::Bytes;
use patronus_ebpf_abi::{
    Endpoint, Flow, FlowKey, Inside, Lan, Outside, Owner, Reason, Uplink,
    answer::Answer,
    forward::{FORWARDS, Forward, Prefix},
    part::{Part, PartKey},
    policy::{ALLOW, Line, ZONES, Zone},
};
use patronus_ebpf_core::{
    Checksum, Edit, Fate, Frame, Judgement, Policy, Query, Route, Tables, Verdict, around, from_mesh, inbound,
    outbound, parse, recall,
};

/// 192.168.42.0/24, with the box at its first address.
pub const LAN: Lan = Lan { network: 0xc0a8_2a00, mask: 0xffff_ff00, address: 0xc0a8_2a01, zero: 0 };
/// First byte of the addresses of other sites. A packet from there looks as if it had an Ethernet header to a kernel that runs a program on
/// it for a test, which knows no other.
pub const SITES: u8 = 8;
/// 203.0.113.2, the box outside.
pub const OUTSIDE: u32 = 0xcb00_7102;
/// Loopback, by which packets come in when the kernel runs a program on them for a test.
pub const DEVICE: u32 = 1;
pub const UPLINK: Uplink = Uplink { address: OUTSIDE, index: DEVICE, mtu: 1500, zero: 0 };

/// One rule, which lets everything pass.
pub fn allow_all(generation: u32) -> Vec<Line> {
    one_rule(generation, ALLOW)
}

/// One rule, which lets nothing pass.
pub fn drop_all(generation: u32) -> Vec<Line> {
    one_rule(generation, 0)
}

fn one_rule(generation: u32, action: u32) -> Vec<Line> {
    let list = |number: u32| [u64::from(number) << 32 | u64::from(number); 8];
    // First line, the set with rule 0, lists with its place, a step that leads to the first of them, the action.
    let mut lines = vec![Line::default(), [1, 0, 0, 0, 0, 0, 0, 0]];
    lines.resize(2 + ZONES as usize / 16, list(1));
    let step = lines.len() as u32;
    lines.push([u64::MAX; 8]);
    lines[step as usize][7] = u64::from(u32::MAX) | 32 << 32;
    lines.push(list(action));
    let numbers = [generation, 1, step, 1, step, 1, step, 1, 32, (step + 1) * 16];
    for (at, number) in numbers.into_iter().enumerate() {
        lines[0][at / 2] |= u64::from(number) << (at % 2 * 32);
    }
    lines
}

/// A box with one uplink, to which everything is routed that is neither the LAN's nor another site's.
pub struct Memory {
    pub now_s: Cell<u32>,
    /// So few that flows meet in a place.
    pub answers: [Answer; 8],
    pub epoch: Cell<u32>,
    pub keeps_answers: bool,
    random: Cell<u32>,
    pub flows: RefCell<HashMap<FlowKey, Rc<Flow>>>,
    pub owners: RefCell<HashMap<Outside, Rc<Owner>>>,
    ports: RefCell<HashMap<Inside, u16>>,
    pub reasons: RefCell<BTreeMap<Reason, u64>>,
    pub forwards: Vec<Forward>,
    pub parts: RefCell<HashMap<PartKey, Part>>,
    pub policy: Vec<Line>,
    pub notes: RefCell<Vec<(Judgement, Query)>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            now_s: Cell::default(),
            answers: Default::default(),
            epoch: Cell::new(1),
            keeps_answers: true,
            random: Cell::default(),
            flows: RefCell::default(),
            owners: RefCell::default(),
            ports: RefCell::default(),
            reasons: RefCell::default(),
            forwards: Vec::new(),
            parts: RefCell::default(),
            policy: allow_all(1),
            notes: RefCell::default(),
        }
    }
}

impl Memory {
    /// What becomes of an IP packet out of a tunnel.
    pub fn hears_mesh(&self, packet: &mut Vec<u8>) -> Verdict {
        let bytes = Bytes(packet);
        recall(&bytes, Zone::Mesh, 0, |_, bytes| bytes, self).unwrap_or_else(|| from_mesh(&parse(&bytes), self))
    }

    /// What becomes of an IP packet from the LAN; changed where it is.
    pub fn hears_lan(&self, packet: &mut Vec<u8>) -> Verdict {
        let mut bytes = Bytes(packet);
        let largest = bytes.half(2).unwrap_or_default();
        let (parsed, largest) = (parse(&bytes), largest.into());
        let known = recall(&bytes, Zone::Lan, 0, |_, bytes| bytes, self);
        let mut verdict = known.unwrap_or_else(|| outbound(&parsed, largest, self));
        if verdict.fate == Fate::Kernel {
            verdict = around(&parsed, largest, self);
        }
        verdict.apply(&mut bytes);
        verdict
    }

    /// And of one from WAN.
    pub fn hears_wan(&self, packet: &mut Vec<u8>) -> Verdict {
        let mut bytes = Bytes(packet);
        let known = recall(&bytes, Zone::Wan, DEVICE, |_, bytes| bytes, self);
        let verdict = known.unwrap_or_else(|| inbound(&parse(&bytes), DEVICE, self));
        verdict.apply(&mut bytes);
        verdict
    }
}

impl Memory {
    /// What stands in a place, as the service reads it.
    pub fn answer_at(&self, place: u32) -> impl Iterator<Item = Answer> + use<> {
        self.answer(place).cloned().into_iter()
    }

    /// Whoever has this port on the LAN has no flows any more.
    pub fn forget(&self, port: u16) {
        self.flows.borrow_mut().retain(|key, _| key.inside.port != port);
    }
}

impl Policy for Memory {
    fn line(&self, at: u32) -> Option<&Line> {
        self.policy.get(at as usize)
    }
}

impl Tables for Memory {
    type Flow = Rc<Flow>;
    type Owner = Rc<Owner>;

    fn now_s(&self) -> u32 {
        self.now_s.get()
    }

    fn ticks(&self) -> u32 {
        self.now_s.get() * 250
    }

    fn epoch(&self) -> u32 {
        self.epoch.get()
    }

    fn answer(&self, place: u32) -> Option<&Answer> {
        self.answers.get(place as usize % self.answers.len()).filter(|_| self.keeps_answers)
    }

    fn random(&self) -> u32 {
        self.random.set(self.random.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        self.random.get() >> 8
    }

    fn lan(&self) -> Lan {
        LAN
    }

    fn uplink(&self, slot: u32) -> Option<Uplink> {
        (slot == 0).then_some(UPLINK)
    }

    fn route(&self, _: u32, destination: u32) -> Route {
        match destination.to_be_bytes() {
            [SITES, ..] => Route::Mesh,
            _ if destination == OUTSIDE => Route::Own,
            _ => Route::Uplink(0),
        }
    }

    fn flow(&self, key: &FlowKey) -> Option<Rc<Flow>> {
        self.flows.borrow().get(key).cloned()
    }

    fn add_flow(&self, key: &FlowKey, flow: &Flow) -> bool {
        self.flows.borrow_mut().insert(*key, Rc::new(flow.clone()));
        true
    }

    fn owner(&self, outside: &Outside) -> Option<Rc<Owner>> {
        self.owners.borrow().get(outside).cloned()
    }

    fn claim(&self, outside: &Outside, owner: &Owner) -> bool {
        let mut owners = self.owners.borrow_mut();
        let is_free = !owners.contains_key(outside);
        if is_free {
            owners.insert(*outside, Rc::new(owner.clone()));
        }
        is_free
    }

    fn give(&self, outside: &Outside, owner: &Owner) {
        self.owners.borrow_mut().insert(*outside, Rc::new(owner.clone()));
    }

    fn is_forwarded(&self, protocol: u32, port: u16) -> bool {
        let is_it = |forward: &Forward| forward.protocol == protocol && (forward.first..=forward.last).contains(&port);
        self.forwards.iter().any(is_it)
    }

    fn forward(&self, index: u32) -> Option<&Forward> {
        const NONE: &Forward = &Forward {
            inside: Endpoint { address: 0, port: 0, zero: 0 },
            protocol: 0,
            slots: 0,
            first: 0,
            last: 0,
            sources_used: 0,
            sources: [Prefix { network: 0, mask: 0 }; 8],
        };
        (index < FORWARDS).then(|| self.forwards.get(index as usize).unwrap_or(NONE))
    }

    fn port(&self, inside: &Inside) -> Option<u16> {
        self.ports.borrow().get(inside).copied()
    }

    fn keep_port(&self, inside: &Inside, port: u16) {
        self.ports.borrow_mut().insert(*inside, port);
    }

    fn note(&self, judgement: Judgement, query: &Query) {
        self.notes.borrow_mut().push((judgement, *query));
    }

    fn part(&self, key: &PartKey) -> Option<Part> {
        self.parts.borrow().get(key).copied()
    }

    fn keep_part(&self, key: &PartKey, part: &Part) {
        self.parts.borrow_mut().insert(*key, *part);
    }

    fn count(&self, reason: Reason) {
        *self.reasons.borrow_mut().entry(reason).or_default() += 1;
    }

    fn add(number: &Cell<u64>, more: u64) {
        number.set(number.get() + more);
    }
}

impl Bytes<&mut Vec<u8>> {
    /// RFC 1624 equation 3, over pairs of bytes.
    fn mend(&mut self, at: u32, changes: &[(u16, u16)], may_be_none: bool) {
        let old = self.half(at).unwrap();
        if may_be_none && old == 0 {
            return;
        }
        let mut sum = u32::from(!old);
        for (from, to) in changes {
            sum += u32::from(!from) + u32::from(*to);
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let new = !(sum as u16);
        self.write_half(at, if may_be_none && new == 0 { 0xffff } else { new });
    }
}

impl Edit for Bytes<&mut Vec<u8>> {
    fn write_half(&mut self, at: u32, to: u16) {
        self.0[at as usize..][..2].copy_from_slice(&to.to_be_bytes());
    }

    fn write_word(&mut self, at: u32, to: u32) {
        self.0[at as usize..][..4].copy_from_slice(&to.to_be_bytes());
    }

    fn mend_half(&mut self, at: u32, from: u16, to: u16, _: Checksum, may_be_none: bool) {
        self.mend(at, &[(from, to)], may_be_none);
    }

    fn mend_word(&mut self, at: u32, from: u32, to: u32, _: Checksum, may_be_none: bool) {
        let halves = |word: u32| [(word >> 16) as u16, word as u16];
        let ([a, b], [c, d]) = (halves(from), halves(to));
        self.mend(at, &[(a, c), (b, d)], may_be_none);
    }
}
