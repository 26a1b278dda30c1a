//! What is sent by two paths is handed on once, whatever becomes of either copy.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod support;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use etherparse::{Ipv4HeaderSlice, PacketBuilder};
use patronus_ebpf_abi::{
    Reason,
    twin::{REMEMBERED_S, TwinKey},
};
use patronus_ebpf_core::twins::{Twins, is_first, mark};
use proptest::prelude::*;
use support::Bytes;

#[derive(Default)]
struct Site {
    now_s: Cell<u32>,
    seen: RefCell<BTreeMap<TwinKey, u32>>,
    twins: Cell<usize>,
}

impl Site {
    fn hears(&self, packet: &mut Vec<u8>) -> bool {
        is_first(&mut Bytes(packet), self)
    }
}

impl Twins for Site {
    fn now_s(&self) -> u32 {
        self.now_s.get()
    }
    fn remember(&self, key: &TwinKey, now_s: u32) -> Option<u32> {
        let known = self.seen.borrow().get(key).copied();
        self.seen.borrow_mut().entry(*key).or_insert(now_s);
        known
    }
    fn renew(&self, key: &TwinKey, now_s: u32) {
        self.seen.borrow_mut().insert(*key, now_s);
    }
    fn count(&self, reason: Reason) {
        assert_eq!(reason, Reason::Twin);
        self.twins.set(self.twins.get() + 1);
    }
}

/// When each copy comes, in milliseconds after the packet was sent; `None`: never.
type Copies = [Option<u32>; 2];

/// A copy that may be lost, and may come so late that it is overtaken by a thousand others.
fn copy() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![2 => Just(None), 6 => (0_u32..50).prop_map(Some), 2 => (0_u32..1000).prop_map(Some)]
}

fn packet(content: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], 64).udp(5000, 5060).write(&mut bytes, &[content]).unwrap();
    bytes
}

/// What was sent, with a number and a right checksum.
fn is_as_it_was(packet: &[u8], content: u8, number: u16) -> bool {
    let mut header = Ipv4HeaderSlice::from_slice(packet).unwrap().to_header();
    let is_right = header.calc_header_checksum() == header.header_checksum;
    let is_numbered = header.identification == number;
    header.identification = 0;
    header.header_checksum = header.calc_header_checksum();
    is_right && is_numbered && [&header.to_bytes()[..], &packet[20..]].concat() == self::packet(content)
}

proptest! {
    /// Few different packets, a millisecond apart: most are the same, byte for byte, as others that are under way.
    #[test]
    fn each_packet_of_which_a_copy_comes_is_handed_on_once(
        first: u16,
        sent in prop::collection::vec((0_u8..3, prop::array::uniform2(copy())), 1..300),
    ) {
        let site = Site::default();
        let mut arriving: Vec<(u32, usize, Vec<u8>)> = Vec::new();
        for (number, (content, copies)) in sent.iter().enumerate() {
            let mut packet = packet(*content);
            mark(&mut Bytes(&mut packet), first.wrapping_add(number as u16));
            let copies: &Copies = copies;
            arriving.extend(copies.iter().flatten().map(|late_ms| (number as u32 + late_ms, number, packet.clone())));
        }
        arriving.sort_by_key(|(at_ms, ..)| *at_ms);
        let (mut handed_on, count) = (vec![0; sent.len()], arriving.len());
        for (at_ms, number, mut packet) in arriving {
            site.now_s.set(100 + at_ms / 1000);
            if site.hears(&mut packet) {
                handed_on[number] += 1;
                prop_assert!(is_as_it_was(&packet, sent[number].0, first.wrapping_add(number as u16)), "{:?}", packet);
            }
        }
        let expected: Vec<i32> = sent.iter().map(|(_, copies)| i32::from(copies.iter().any(Option::is_some))).collect();
        prop_assert_eq!(site.twins.get(), count - expected.iter().filter(|one| **one > 0).count());
        prop_assert_eq!(handed_on, expected);
    }
}

#[test]
fn what_has_no_mark_is_handed_on_as_often_as_it_comes() {
    let site = Site::default();
    let packet = packet(1);
    for _ in 0..3 {
        let mut heard = packet.clone();
        assert!(site.hears(&mut heard));
        assert_eq!(heard, packet);
    }
    assert!(site.seen.borrow().is_empty());
}

#[test]
fn a_number_that_comes_again_after_its_time_begins_anew() {
    let site = Site::default();
    let mut packet = packet(1);
    mark(&mut Bytes(&mut packet), 7);
    let hears = |at_s| {
        site.now_s.set(at_s);
        site.hears(&mut packet.clone())
    };
    let again = 10 + REMEMBERED_S + 1;
    assert_eq!([10, 10 + REMEMBERED_S, again, again].map(hears), [true, false, true, false]);
}
