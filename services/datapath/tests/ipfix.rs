//! Flows as a collector understands them.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

#[path = "support/collector.rs"]
mod collector;

use std::{collections::BTreeMap, time::Duration};

use collector::{Collector, REVERSE, Record};
use patronus_datapath::{
    ipfix::{Counts, Exporter, Interfaces, Key, Moment, Reason, Seen},
    limit,
};
use patronus_ebpf_abi::{
    Endpoint, FlowKey, MESH_SLOT,
    six::{Endpoint6, FlowKey6},
    state::{FIN_IN, FIN_OUT, FORWARDED, REPLIED},
};
use patronus_types::Ipfix;
use proptest::prelude::*;

const STARTED_S: u32 = 1000;
const BOOTED_UNIX_S: u64 = 1_700_000_000;

fn at(second: u32) -> Moment {
    let monotonic = Duration::from_secs(second.into());
    Moment { monotonic, unix: monotonic + Duration::from_secs(BOOTED_UNIX_S) }
}

fn exporter() -> Exporter {
    let settings = Ipfix { collectors: Vec::new(), active_seconds: 60, domain: 7 };
    Exporter::new(&settings, at(STARTED_S))
}

fn key(number: u32) -> Key {
    let inside = Endpoint::new(0xc0a8_2a02, number as u16);
    Key::Four(FlowKey { inside, remote: Endpoint::new(0xc633_6407 + (number >> 16), 443), protocol: 6 })
}

fn seen(began_s: u32, bytes_out: u64) -> Seen {
    let counts = Counts { packets_out: bytes_out / 100, bytes_out, packets_in: 1, bytes_in: 40 };
    Seen { outside: Endpoint::new(0xcb00_7102, 2000), slot: 0, state: REPLIED, began_s, ends_s: began_s + 8000, counts }
}

/// One look through the tables.
fn look(exporter: &mut Exporter, second: u32, flows: &[(Key, Seen, Option<Reason>)]) {
    exporter.begin(at(second), Interfaces { lan: 3, uplinks: vec![2] });
    for (key, seen, end) in flows {
        exporter.handle_flow(*key, *seen, *end, || seen.counts);
    }
    exporter.finish();
}

fn hear(exporter: &mut Exporter, collector: &mut Collector) -> Vec<Record> {
    let before = collector.records.len();
    while let Some(message) = exporter.poll_message() {
        assert!(message.len() <= limit::MESSAGE_BYTES);
        collector.hear(&message).unwrap();
    }
    collector.records[before..].to_vec()
}

/// Bytes there and why it is told.
fn told(records: &[Record]) -> Vec<(u128, u128)> {
    records.iter().map(|record| (record[&1], record[&136])).collect()
}

#[test]
fn a_flow_is_told_of_with_both_ends_its_translation_its_times_and_both_directions() {
    let (mut exporter, mut collector) = (exporter(), Collector::default());
    look(&mut exporter, 1100, &[(key(5000), Seen { ends_s: 1090 + 321, ..seen(1040, 700) }, Some(Reason::Idle))]);
    let expected = [
        (8, 0xc0a8_2a02),
        (12, 0xc633_6407),
        (7, 5000),
        (11, 443),
        (4, 6),
        (136, 1),
        (10, 3),
        (14, 2),
        (152, u128::from(BOOTED_UNIX_S + 1040) * 1000),
        (1, 700),
        (2, 7),
        (1 + REVERSE, 40),
        (2 + REVERSE, 1),
        (239, 1),
        (225, 0xcb00_7102),
        (227, 2000),
    ];
    let records = hear(&mut exporter, &mut collector);
    for (element, value) in expected {
        assert_eq!(records[0][&element], value, "{element}");
    }
    assert_eq!((records.len(), collector.domain), (1, 7));
    assert!((records[0][&152]..=u128::from(BOOTED_UNIX_S + 1100) * 1000).contains(&records[0][&153]));
}

#[test]
fn who_began_is_the_source_also_from_outside_and_between_sites() {
    let (mut exporter, mut collector) = (exporter(), Collector::default());
    let end = Some(Reason::Idle);
    let inward = Seen { state: FORWARDED | REPLIED, ..seen(1001, 700) };
    let six = FlowKey6 { inside: Endpoint6 { low: 2, ..Endpoint6::default() }, ..FlowKey6::default() };
    let flows =
        [(key(80), inward, end), (key(80), Seen { slot: MESH_SLOT, ..inward }, end), (Key::Six(six), inward, end)];
    look(&mut exporter, 1002, &flows);
    let records = hear(&mut exporter, &mut collector);
    for record in &records[..2] {
        assert_eq!((record[&8], record[&7], record[&1], record[&(1 + REVERSE)]), (0xc633_6407, 443, 40, 700));
    }
    let translated = |record: &Record| (record[&12], record[&11], record[&226], record[&228], record[&10], record[&14]);
    assert_eq!(translated(&records[0]), (0xcb00_7102, 2000, 0xc0a8_2a02, 80, 2, 3));
    assert_eq!((records[1][&12], records[1][&11]), (0xc0a8_2a02, 80), "between sites nobody is translated");
    assert_eq!(records[2][&28], 2);
}

#[test]
fn a_long_flow_is_told_of_in_parts_and_its_end_once() {
    let (mut exporter, mut collector) = (exporter(), Collector::default());
    let closed = |bytes| Seen { state: REPLIED | FIN_IN | FIN_OUT, ..seen(1001, bytes) };
    let story = [
        (1030, seen(1001, 100), None, vec![]),
        (1061, seen(1001, 200), None, vec![(200, 2)]),
        (1100, seen(1001, 300), None, vec![]),
        (1121, seen(1001, 400), None, vec![(200, 2)]),
        (1181, seen(1001, 400), None, vec![]),
        (1241, closed(500), None, vec![(100, 3)]),
        (1301, closed(500), None, vec![]),
        (1400, closed(500), Some(Reason::Idle), vec![]),
    ];
    for (second, flow, end, expected) in story {
        look(&mut exporter, second, &[(key(1), flow, end)]);
        assert_eq!(told(&hear(&mut exporter, &mut collector)), expected, "at {second}");
    }
    look(&mut exporter, 1405, &[]);
    assert_eq!(hear(&mut exporter, &mut collector), []);
}

#[test]
fn what_leaves_its_table_between_two_looks_or_begins_anew_is_told_with_what_was_seen() {
    let (mut exporter, mut collector) = (exporter(), Collector::default());
    let flow = |bytes| (key(1), seen(1001, bytes), None);
    look(&mut exporter, 1061, &[flow(200)]);
    look(&mut exporter, 1066, &[flow(250)]);
    look(&mut exporter, 1071, &[(key(1), seen(1070, 30), None)]);
    look(&mut exporter, 1135, &[(key(1), seen(1070, 90), None)]);
    look(&mut exporter, 1140, &[]);
    assert_eq!(told(&hear(&mut exporter, &mut collector)), [(200, 2), (50, 4), (90, 2), (0, 4)]);
}

#[test]
fn of_a_flow_that_was_there_before_only_what_comes_is_told() {
    let (mut exporter, mut collector) = (exporter(), Collector::default());
    look(&mut exporter, 1005, &[(key(1), seen(STARTED_S, 100), None), (key(2), seen(7, 9), Some(Reason::Idle))]);
    look(&mut exporter, 1065, &[(key(1), seen(STARTED_S, 150), None)]);
    assert_eq!(told(&hear(&mut exporter, &mut collector)), [(50, 2)]);
    assert_eq!(exporter.told().not_told, 1);
}

#[test]
fn templates_come_before_data_and_again() {
    let (mut exporter, mut collector) = (exporter(), Collector::default());
    for (second, templates) in [(1000, 4), (1059, 4), (1060, 8), (1065, 8), (1120, 12)] {
        look(&mut exporter, second, &[(key(second), seen(1001, 1), Some(Reason::Idle))]);
        hear(&mut exporter, &mut collector);
        assert_eq!(collector.templates_heard, templates, "at {second}");
    }
}

#[test]
fn messages_wait_up_to_their_limit_and_what_is_beyond_waits_in_its_table_or_is_counted() {
    let mut exporter = exporter();
    let many = 70_000;
    let ended: Vec<_> = (0..many).map(|number| (key(number), seen(1001, 1), Some(Reason::Idle))).collect();
    look(&mut exporter, 1002, &ended);
    let first = exporter.told();
    assert_eq!(first.records + first.not_told, u64::from(many));
    assert!(first.not_told > 0);
    let (mut messages, mut heard) = (0, Collector::default());
    while let Some(message) = exporter.poll_message() {
        heard.hear(&message).unwrap();
        messages += 1;
    }
    assert_eq!((messages, heard.records.len() as u64), (limit::MESSAGES_QUEUED, first.records));
    // With the queue full again, a flow that goes on is not lost.
    look(&mut exporter, 1003, &ended);
    let lasting = [(key(0), seen(1001, 5), None)];
    look(&mut exporter, 1061, &lasting);
    assert_eq!(told(&hear(&mut exporter, &mut heard)).iter().filter(|(bytes, _)| *bytes == 5).count(), 0);
    look(&mut exporter, 1066, &lasting);
    assert_eq!(told(&hear(&mut exporter, &mut heard)), [(5, 2)]);
}

#[test]
fn flows_are_kept_up_to_their_limit_and_one_more_is_told_when_it_ends() {
    let (mut exporter, mut collector) = (exporter(), Collector::default());
    let flows: Vec<_> = (0..=limit::KEPT_FLOWS as u32).map(|number| (key(number), seen(1001, 8), None)).collect();
    // In parts, so that the messages do not reach their own limit.
    for end in [20_000, 40_000, 60_000, flows.len()] {
        look(&mut exporter, 1061, &flows[..end]);
        hear(&mut exporter, &mut collector);
    }
    assert_eq!(collector.records.len(), limit::KEPT_FLOWS);
    let mut ending = flows;
    ending.last_mut().unwrap().2 = Some(Reason::Idle);
    look(&mut exporter, 1066, &ending);
    assert_eq!(told(&hear(&mut exporter, &mut collector)), [(8, 1)]);
    assert_eq!(exporter.told().not_told, 0);
}

/// A flow's life: what it carries at each look, and whether it is in its table then.
fn lives() -> impl Strategy<Value = Vec<Vec<Option<(u64, u64)>>>> {
    let step = prop::option::weighted(0.9, (0_u64..5000, 0_u64..5000));
    prop::collection::vec(prop::collection::vec(step, 12), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever flows do: what a collector adds up is what they have carried as long as they were looked at.
    #[test]
    fn what_a_collector_adds_up_is_what_was_carried(lives in lives(), step_s in 5_u32..90) {
        let (mut exporter, mut collector) = (exporter(), Collector::default());
        let mut carried: BTreeMap<u128, (u128, u128)> = BTreeMap::new();
        let looks = 12;
        let mut totals = vec![(0, 0); lives.len()];
        for turn in 0..=looks {
            let mut flows = Vec::new();
            for (number, life) in lives.iter().enumerate() {
                // Until the first look without it; that one takes it out.
                let alive = life.iter().take(turn + 1).all(Option::is_some) && turn < looks;
                let ends = !alive && life.iter().take(turn).all(Option::is_some);
                if let Some(Some((out, into))) = life.get(turn).filter(|_| alive) {
                    totals[number] = (totals[number].0 + out, totals[number].1 + into);
                }
                let (bytes_out, bytes_in) = totals[number];
                let counts = Counts { packets_out: bytes_out, bytes_out, packets_in: bytes_in, bytes_in };
                let flow = Seen { counts, ..seen(STARTED_S + 1, 0) };
                if alive || ends {
                    let port = number as u16;
                    let key = if number % 3 == 0 {
                        let inside = Endpoint6 { high: 1, low: 2, port, zero: [0; 3] };
                        Key::Six(FlowKey6 { inside, protocol: 17, ..FlowKey6::default() })
                    } else {
                        key(u32::from(port))
                    };
                    let flow = if number % 3 == 1 { Seen { slot: MESH_SLOT, ..flow } } else { flow };
                    flows.push((key, flow, ends.then_some(Reason::Idle)));
                    carried.insert(number as u128, (bytes_out.into(), bytes_in.into()));
                }
            }
            look(&mut exporter, STARTED_S + 2 + turn as u32 * step_s, &flows);
            hear(&mut exporter, &mut collector);
        }
        let mut added: BTreeMap<u128, (u128, u128)> = BTreeMap::new();
        for record in &collector.records {
            let sum = added.entry(record[&7]).or_default();
            *sum = (sum.0 + record[&1], sum.1 + record[&(1 + REVERSE)]);
            prop_assert!(record[&152] <= record[&153]);
        }
        prop_assert_eq!(added, carried);
        let ends = collector.records.iter().filter(|record| record[&136] != 2).count();
        prop_assert_eq!(ends, lives.len(), "each ends once");
    }
}
