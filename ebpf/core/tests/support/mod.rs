//! `core`'s tables and packets in memory.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use patronus_ebpf_abi::{Flow, FlowKey, Inside, Lan, Outside, Owner, Reason, Uplink};
use patronus_ebpf_core::{Checksum, Edit, Frame, Route, Tables, Verdict, inbound, outbound, parse};

/// 192.168.42.0/24.
pub const LAN: Lan = Lan { network: 0xc0a8_2a00, mask: 0xffff_ff00 };
/// 203.0.113.2, the box outside.
pub const OUTSIDE: u32 = 0xcb00_7102;
/// Loopback, by which packets come in when the kernel runs a program on them for a test.
pub const DEVICE: u32 = 1;
pub const UPLINK: Uplink = Uplink { address: OUTSIDE, index: DEVICE, mtu: 1500, zero: 0 };

/// A box with one uplink, to which everything is routed that is not the LAN's.
#[derive(Default)]
pub struct Memory {
    pub now_s: Cell<u32>,
    random: Cell<u32>,
    pub flows: RefCell<HashMap<FlowKey, Rc<Flow>>>,
    pub owners: RefCell<HashMap<Outside, Rc<Owner>>>,
    ports: RefCell<HashMap<Inside, u16>>,
    pub reasons: RefCell<BTreeMap<Reason, u64>>,
}

impl Memory {
    /// What becomes of an IP packet from the LAN; changed where it is.
    pub fn hears_lan(&self, packet: &mut Vec<u8>) -> Verdict {
        let mut bytes = Bytes(packet);
        let largest = bytes.half(2).unwrap_or_default();
        let verdict = outbound(&parse(&bytes), largest.into(), self);
        bytes.become_what(&verdict);
        verdict
    }

    /// And of one from WAN.
    pub fn hears_wan(&self, packet: &mut Vec<u8>) -> Verdict {
        let mut bytes = Bytes(packet);
        let verdict = inbound(&parse(&bytes), DEVICE, self);
        bytes.become_what(&verdict);
        verdict
    }
}

impl Tables for Memory {
    type Flow = Rc<Flow>;
    type Owner = Rc<Owner>;

    fn now_s(&self) -> u32 {
        self.now_s.get()
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
        if destination == OUTSIDE { Route::Elsewhere } else { Route::Uplink(0) }
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

    fn port(&self, inside: &Inside) -> Option<u16> {
        self.ports.borrow().get(inside).copied()
    }

    fn keep_port(&self, inside: &Inside, port: u16) {
        self.ports.borrow_mut().insert(*inside, port);
    }

    fn count(&self, reason: Reason) {
        *self.reasons.borrow_mut().entry(reason).or_default() += 1;
    }

    fn add(number: &Cell<u64>, more: u64) {
        number.set(number.get() + more);
    }
}

/// An IP packet.
struct Bytes<'a>(&'a mut Vec<u8>);

impl Bytes<'_> {
    fn become_what(&mut self, verdict: &Verdict) {
        if let Verdict::Translate(translation) = verdict {
            translation.apply(self);
        }
    }

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

impl Frame for Bytes<'_> {
    fn byte(&self, at: u32) -> Option<u8> {
        self.0.get(at as usize).copied()
    }

    fn half(&self, at: u32) -> Option<u16> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    fn word(&self, at: u32) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.0.get(at as usize..)?.first_chunk().copied()
    }
}

impl Edit for Bytes<'_> {
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
