//! What a member gone mad can send to a prober, also while a path is being tested. The input is a list: one byte for who and what, two for the
//! length, two for the milliseconds since the last, then a datagram as it is, or the parts of a packet that is one.
#![no_main]

use std::net::Ipv6Addr;

use libfuzzer_sys::fuzz_target;
use patronus_ipc::prober::PathId;
use patronus_prober::{
    Known, Prober, limit,
    load::{Arrived, Kind, Message},
    packet::{Answered, Heard, Packet},
};
use patronus_types::{SiteId, UplinkSlot};

const SLOT: UplinkSlot = UplinkSlot::new(0).expect("a slot");
const RUN: u32 = 1;
const THERE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
const STRANGER: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 3);

fuzz_target!(|bytes: &[u8]| {
    let mut now_us = 1_000_000;
    let mut prober = Prober::new(RUN, 7, now_us);
    let id = PathId { site: SiteId([2; 32]), local: SLOT, remote: SLOT };
    let known = Known { id, address: THERE, is_up: true, is_metered: bytes.len() % 2 == 1, packets: 0 };
    prober.handle_paths(&[known], now_us);
    let mut bytes = bytes;
    let mut is_testing = false;
    while let Some(([who, high, low, later, later_still], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high & 0x0f, *low])).min(rest.len());
        let (sent, rest) = rest.split_at(length);
        bytes = rest;
        let until_us = now_us + u64::from(u16::from_be_bytes([*later, *later_still])) * 1_000;
        while let Some(deadline) = prober.deadline().filter(|deadline| *deadline <= until_us) {
            now_us = now_us.max(deadline);
            prober.handle_timeout(now_us);
            flush(&mut prober);
        }
        now_us = until_us;
        let source = if who & 1 == 0 { THERE } else { STRANGER };
        let received_us = now_us.saturating_sub(u64::from(*who) * 100);
        let made = match who & 6 {
            0 | 4 => sent.to_vec(),
            2 => packet(sent).emit().to_vec(),
            _ => message(sent).emit(),
        };
        is_testing &= !is_over(&mut prober);
        is_testing |= who & 8 != 0 && prober.begin_test(id, now_us).is_ok();
        prober.handle_datagram((SLOT, SLOT), source, &made, received_us, now_us);
        assert!(flush(&mut prober) <= 1 || is_testing, "no more than one answer");
    }
    let reports = prober.reports();
    assert_eq!(reports.len(), 1);
    let is_share = |ppm: Option<u32>| ppm.is_none_or(|ppm| ppm <= 1_000_000);
    assert!(
        reports.iter().all(|report| is_share(report.measured.loss_out_ppm) && is_share(report.measured.loss_in_ppm))
    );
    let points = prober.poll_points(0, now_us);
    assert!(points.iter().all(|(_, point)| is_share(point.loss_out_ppm) && is_share(point.loss_in_ppm)));
    assert!(prober.rejects().by_name().len() <= 13);
});

/// Whether the test of the path has ended; it has kept to its limits.
fn is_over(prober: &mut Prober) -> bool {
    let Some(outcome) = prober.poll_tested() else { return false };
    let tested = outcome.unwrap_or_default();
    assert!(tested.load_received_bytes <= tested.load_sent_bytes && tested.load_sent_bytes < 2_000_000);
    assert!(u64::from(tested.took_ms) <= limit::TEST_US / 1_000, "{tested:?}");
    true
}

/// Sends all that waits: it goes to the site whose path it is.
fn flush(prober: &mut Prober) -> usize {
    let mut count = 0;
    while let Some(transmit) = prober.poll_transmit() {
        assert_eq!(transmit.to, THERE);
        count += 1;
    }
    assert!(count <= limit::UNANSWERED + usize::from(limit::TRAIN_PACKETS) + 1, "one path");
    count
}

/// A message about load with these numbers, most of them of the train that is awaited.
fn message(bytes: &[u8]) -> Message {
    let number = |place: usize| u16::from(bytes.get(place).copied().unwrap_or(1));
    let arrived = Arrived {
        packets: number(2),
        bytes: u32::from(number(2)) * (1_000 + u32::from(number(3))),
        span_us: u64::from(number(4)) * u64::from(number(5)),
    };
    let kind = [Kind::Load, Kind::Ask, Kind::Report(arrived)][usize::from(number(0)) % 3];
    Message { run: RUN, train: u32::from(number(1)), kind }
}

/// A packet with these numbers, as close to an honest one as they are small.
fn packet(bytes: &[u8]) -> Packet {
    let number = |place: usize| {
        let part = bytes.get(place * 8..place * 8 + 8).and_then(|part| part.try_into().ok());
        part.map_or(1, u64::from_le_bytes)
    };
    let heard = Heard { run: RUN, highest: number(2), count: number(3) };
    let answered = Answered { sequence: number(4), sent_us: number(5), received_us: number(6) };
    Packet {
        run: 9,
        sequence: number(0),
        sent_us: number(1),
        interval_ms: number(7) as u16,
        heard: (bytes.len() % 3 > 0).then_some(heard),
        answers: (bytes.len() % 2 > 0).then_some(answered),
    }
}
