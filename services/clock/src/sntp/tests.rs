use proptest::prelude::*;

use super::*;

const NONCE: u64 = 0x0123_4567_89ab_cdef;
/// 2026-01-01.
const PIVOT_S: i64 = 1_767_225_600;

fn timestamp(unix_us: i64) -> u64 {
    let seconds = (unix_us.div_euclid(1_000_000) + UNIX_EPOCH_S) as u64 & 0xffff_ffff;
    let fraction = ((unix_us.rem_euclid(1_000_000) as u64) << 32).div_ceil(1_000_000);
    seconds << 32 | fraction
}

fn answer(came_us: i64, left_us: i64) -> [u8; MESSAGE_BYTES] {
    let mut bytes = [0; MESSAGE_BYTES];
    bytes[0] = 4 << 3 | MODE_SERVER;
    bytes[1] = 2;
    bytes[24..32].copy_from_slice(&NONCE.to_be_bytes());
    bytes[32..40].copy_from_slice(&timestamp(came_us).to_be_bytes());
    bytes[40..48].copy_from_slice(&timestamp(left_us).to_be_bytes());
    bytes
}

#[test]
fn the_offset_is_the_middle_of_both_ways() {
    let now = PIVOT_S * 1_000_000;
    let sample = check(&answer(now + 3_010_000, now + 3_011_000), NONCE, now, now + 21_000, PIVOT_S).unwrap();
    assert_eq!(sample, Sample { offset_us: 3_000_000, distance_us: 10_000, stratum: 2 });
}

#[test]
fn each_defect_is_rejected_under_its_own_name() {
    let now = PIVOT_S * 1_000_000;
    let patched = |at: usize, value: &[u8]| {
        let mut bytes = answer(now, now);
        bytes[at..at + value.len()].copy_from_slice(value);
        check(&bytes, NONCE, now, now + 1_000, PIVOT_S)
    };
    assert_eq!(check(&answer(now, now)[..47], NONCE, now, now, PIVOT_S), Err(Rejected::Truncated));
    assert_eq!(check(&answer(now, now), NONCE + 1, now, now, PIVOT_S), Err(Rejected::WrongOrigin));
    assert_eq!(patched(0, &[4 << 3 | 3]), Err(Rejected::NotAnAnswer));
    assert_eq!(patched(0, &[2 << 3 | 4]), Err(Rejected::NotAnAnswer));
    assert_eq!(patched(0, &[3 << 6 | 4 << 3 | 4]), Err(Rejected::Unsynchronised));
    assert_eq!(patched(1, &[16]), Err(Rejected::BadStratum));
    for (code, reason) in [(b"DENY", Rejected::KissDeny), (b"RSTR", Rejected::KissDeny), (b"RATE", Rejected::KissRate)]
    {
        let mut bytes = answer(now, now);
        bytes[1] = 0;
        bytes[12..16].copy_from_slice(code);
        assert_eq!(check(&bytes, NONCE, now, now, PIVOT_S), Err(reason));
    }
    assert_eq!(patched(1, &[0]), Err(Rejected::KissOther));
    assert_eq!(patched(8, &[0, 2, 0, 0]), Err(Rejected::RootDistance));
    assert_eq!(patched(32, &[0; 8]), Err(Rejected::BadTimestamp));
    assert_eq!(check(&answer(now + 9, now), NONCE, now, now + 9, PIVOT_S), Err(Rejected::BadTimestamp));
    assert_eq!(check(&answer(now, now), NONCE, now, now - 1, PIVOT_S), Err(Rejected::BadDelay));
    let late = now + limit::DELAY_MAX_US;
    assert!(check(&answer(now, now), NONCE, now, late, PIVOT_S).is_ok(), "at the limit");
    assert_eq!(check(&answer(now, now), NONCE, now, late + 1, PIVOT_S), Err(Rejected::BadDelay));
}

#[test]
fn the_era_after_2036_is_understood() {
    // 2040-01-01, seen by a box that was built in 2026.
    let now = 2_208_988_800 * 1_000_000;
    let sample = check(&answer(now, now), NONCE, now, now, PIVOT_S).unwrap();
    assert_eq!(sample.offset_us, 0);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), sent in any::<i64>(), received in any::<i64>()) {
        let _ = check(&bytes, NONCE, sent, received, PIVOT_S);
        let mut answer = answer(0, 0);
        for (place, byte) in answer[1..24].iter_mut().zip(&bytes) {
            *place = *byte;
        }
        let _ = check(&answer, NONCE, sent, received, PIVOT_S);
    }
}
