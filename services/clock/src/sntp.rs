//! One question to a time server and its answer.
//!
//! *Does*: 48 bytes out, 48 bytes in, every check of RFC 4330 section 5.
//! *Never does*: tell the server our time: the question carries a random number, so that it identifies nobody and cannot be guessed.
//! *Spec*: RFC 4330 sections 4, 5, 8; RFC 5905 section 6 for eras.

use thiserror::Error;

use crate::limit;

/// Bytes of a message without extensions.
pub const MESSAGE_BYTES: usize = 48;
/// Version 4, mode 3 (client).
const CLIENT: u8 = 4 << 3 | 3;
const MODE_SERVER: u8 = 4;
const LEAP_UNSYNCHRONISED: u8 = 3;
const STRATUM_MAX: u8 = 15;
/// From 1900 to 1970.
const UNIX_EPOCH_S: i64 = 2_208_988_800;
/// 32 bits of seconds: one era.
const ERA_S: i64 = 1 << 32;

/// What one server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What is to be added to the box's clock, in microseconds.
    pub offset_us: i64,
    /// By how much the offset may be wrong: half of the way and the server's own distance, in microseconds.
    pub distance_us: i64,
    /// How many servers lie between it and a reference clock, plus one.
    pub stratum: u8,
}

/// Why an answer is not used. Each has a counter under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Rejected {
    /// Shorter than 48 bytes.
    #[error("truncated")]
    Truncated,
    /// Not from a server, or of another version.
    #[error("not-an-answer")]
    NotAnAnswer,
    /// Answers a question that was not asked.
    #[error("wrong-origin")]
    WrongOrigin,
    /// Kiss of death DENY or RSTR: this server must not be asked again.
    #[error("kiss-deny")]
    KissDeny,
    /// Kiss of death RATE: asked too often.
    #[error("kiss-rate")]
    KissRate,
    /// Another kiss code: the server has no time to give.
    #[error("kiss-other")]
    KissOther,
    /// The server says that its clock is not set.
    #[error("unsynchronised")]
    Unsynchronised,
    /// Too many servers lie between it and a reference clock.
    #[error("bad-stratum")]
    BadStratum,
    /// Too far from its reference clock to be useful.
    #[error("root-distance")]
    RootDistance,
    /// A time stamp is zero, or the answer left before the question came.
    #[error("bad-timestamp")]
    BadTimestamp,
    /// The answer took too long, or arrived before it was asked for.
    #[error("bad-delay")]
    BadDelay,
}

/// The question. `nonce` stands where the time of sending would.
#[must_use]
pub fn question(nonce: u64) -> [u8; MESSAGE_BYTES] {
    let mut bytes = [0; MESSAGE_BYTES];
    bytes[0] = CLIENT;
    if let Some(place) = bytes.last_chunk_mut::<8>() {
        *place = nonce.to_be_bytes();
    }
    bytes
}

/// Checks an answer. `sent_us` and `received_us` are times of the box's clock in microseconds since 1970; `pivot_s` is a time in
/// seconds since 1970 that cannot be more than 68 years away, to tell eras apart.
///
/// # Errors
/// The first check that fails, by name.
pub fn check(bytes: &[u8], nonce: u64, sent_us: i64, received_us: i64, pivot_s: i64) -> Result<Sample, Rejected> {
    let bytes: &[u8; MESSAGE_BYTES] = bytes.first_chunk().ok_or(Rejected::Truncated)?;
    let [flags, stratum, ..] = *bytes;
    if flags & 7 != MODE_SERVER || !(3..=4).contains(&(flags >> 3 & 7)) {
        return Err(Rejected::NotAnAnswer);
    }
    if word(bytes, 24) != nonce {
        return Err(Rejected::WrongOrigin);
    }
    check_server(bytes, flags, stratum)?;
    let (came, left) = (word(bytes, 32), word(bytes, 40));
    if came == 0 || left == 0 {
        return Err(Rejected::BadTimestamp);
    }
    let (came_us, left_us) = (unix_us(came, pivot_s), unix_us(left, pivot_s));
    let stayed_us = left_us.saturating_sub(came_us);
    if stayed_us < 0 {
        return Err(Rejected::BadTimestamp);
    }
    let delay_us = received_us.saturating_sub(sent_us).saturating_sub(stayed_us);
    if received_us < sent_us || !(0..=limit::DELAY_MAX_US).contains(&delay_us) {
        return Err(Rejected::BadDelay);
    }
    // RFC 4330 section 5: ((T2 - T1) + (T3 - T4)) / 2.
    let offset_us = came_us.saturating_sub(sent_us).saturating_add(left_us.saturating_sub(received_us)) / 2;
    let distance_us = delay_us / 2 + root_distance_us(bytes);
    Ok(Sample { offset_us, distance_us, stratum })
}

fn check_server(bytes: &[u8; MESSAGE_BYTES], flags: u8, stratum: u8) -> Result<(), Rejected> {
    // RFC 4330 section 8: stratum 0 is a kiss of death, and the reference identifier says why.
    if stratum == 0 {
        return Err(match bytes.get(12..16) {
            Some(b"DENY" | b"RSTR") => Rejected::KissDeny,
            Some(b"RATE") => Rejected::KissRate,
            _ => Rejected::KissOther,
        });
    }
    if stratum > STRATUM_MAX {
        return Err(Rejected::BadStratum);
    }
    if flags >> 6 == LEAP_UNSYNCHRONISED {
        return Err(Rejected::Unsynchronised);
    }
    if root_distance_us(bytes) > limit::ROOT_DISTANCE_MAX_US { Err(Rejected::RootDistance) } else { Ok(()) }
}

/// Half of the root delay plus the root dispersion (RFC 5905 section 11.2), both in 16.16 fixed point.
fn root_distance_us(bytes: &[u8; MESSAGE_BYTES]) -> i64 {
    let both = word(bytes, 4);
    let (delay, dispersion) = ((both >> 32) as i64, (both & 0xffff_ffff) as i64);
    ((delay / 2 + dispersion) * 1_000_000) >> 16
}

fn word(bytes: &[u8; MESSAGE_BYTES], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |eight| u64::from_be_bytes(*eight))
}

/// 32.32 fixed point since 1900, in the era that lies closest to the pivot.
fn unix_us(timestamp: u64, pivot_s: i64) -> i64 {
    let seconds = (timestamp >> 32) as i64;
    let micros = (((timestamp & 0xffff_ffff) * 1_000_000) >> 32) as i64;
    let pivot = pivot_s.saturating_add(UNIX_EPOCH_S);
    // The distance from the pivot, brought into half an era on both sides.
    let ahead = (seconds - pivot).rem_euclid(ERA_S);
    let ahead = if ahead >= ERA_S / 2 { ahead - ERA_S } else { ahead };
    pivot_s.saturating_add(ahead).saturating_mul(1_000_000).saturating_add(micros)
}

#[cfg(test)]
mod tests;
