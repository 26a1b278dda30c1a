//! What anybody who has seen the question can answer in the name of a time server: the first two bytes are the milliseconds that it took,
//! the rest is the datagram, to which the number of the question is added.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patronus_clock::{limit, sntp};

const NONCE: u64 = 0x0123_4567_89ab_cdef;
/// 2026-01-01.
const PIVOT_S: i64 = 1_767_225_600;

fuzz_target!(|bytes: &[u8]| {
    let Some((way_ms, datagram)) = bytes.split_first_chunk() else { return };
    let mut datagram = datagram.to_vec();
    if let Some(place) = datagram.get_mut(24..32) {
        place.copy_from_slice(&NONCE.to_be_bytes());
    }
    let sent_us = PIVOT_S * 1_000_000;
    let received_us = sent_us + i64::from(u16::from_be_bytes(*way_ms)) * 1_000;
    if let Ok(sample) = sntp::check(&datagram, NONCE, sent_us, received_us, PIVOT_S) {
        assert!((1..=15).contains(&sample.stratum));
        assert!((0..=limit::ROOT_DISTANCE_MAX_US + limit::DELAY_MAX_US / 2).contains(&sample.distance_us));
        // 68 years to both sides of the pivot.
        assert!(sample.offset_us.abs() <= (1 << 31) * 1_000_000 + limit::DELAY_MAX_US, "{sample:?}");
    }
});
