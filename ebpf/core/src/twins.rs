//! Packets that go to another site by two paths, and are handed on there once.
//!
//! *Does*: number and mark a packet before it goes twice; at the other site, tell the second copy from the first.
//! *Never does*: drop what has no mark; take two packets for one: each has a number of its own, also one that is sent again.
//! *Spec*: `docs/datapath.md`, section "Sent twice". The mark is the bit of IPv4's flags that is always 0 (RFC 791 section 3.1), the number stands in place
//! of the identification, which says nothing in a packet that is whole (RFC 6864 section 4).

use patronus_ebpf_abi::{
    Reason,
    twin::{REMEMBERED_S, TwinKey},
};

use crate::{
    packet::{Frame, IP_BYTES},
    translate::{Checksum, Edit},
};

/// Identification, and behind it flags with place.
const NUMBER: u32 = 4;
const FLAGS: u32 = 6;
const CHECKSUM: u32 = 10;
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;
const MARK: u16 = 0x8000;

/// What is remembered of marked packets.
pub trait Twins {
    /// Seconds of the monotonic clock.
    fn now_s(&self) -> u32;
    /// Remembers this one, unless it is: then since when.
    fn remember(&self, key: &TwinKey, now_s: u32) -> Option<u32>;
    /// It is remembered since now.
    fn renew(&self, key: &TwinKey, now_s: u32);
    /// Counts a packet that was not carried.
    fn count(&self, reason: Reason);
}

/// Before it goes twice.
#[inline(always)]
pub fn mark(packet: &mut (impl Frame + Edit), number: u16) {
    let Some(before) = packet.word(NUMBER) else { return };
    let after = u32::from(number) << 16 | before & 0xffff | u32::from(MARK);
    packet.mend_word(CHECKSUM, before, after, Checksum::Ip, false);
    packet.write_word(NUMBER, after);
}

/// Whether a packet out of a tunnel is handed on; its mark is gone then.
#[inline(always)]
pub fn is_first<T: Twins>(packet: &mut (impl Frame + Edit), twins: &T) -> bool {
    let Some(flags) = packet.half(FLAGS) else { return true };
    if flags & MARK == 0 {
        return true;
    }
    if let Some(key) = key(packet)
        && has_come(&key, twins)
    {
        twins.count(Reason::Twin);
        return false;
    }
    packet.mend_half(CHECKSUM, flags, flags & !MARK, Checksum::Ip, false);
    packet.write_half(FLAGS, flags & !MARK);
    true
}

#[inline(always)]
fn has_come<T: Twins>(key: &TwinKey, twins: &T) -> bool {
    let now_s = twins.now_s();
    match twins.remember(key, now_s) {
        None => false,
        Some(since_s) if now_s.wrapping_sub(since_s) <= REMEMBERED_S => true,
        // Numbers begin again some time.
        Some(_) => {
            twins.renew(key, now_s);
            false
        }
    }
}

#[inline(always)]
fn key(packet: &impl Frame) -> Option<TwinKey> {
    Some(TwinKey {
        number: packet.word(NUMBER)?,
        source: packet.word(SOURCE)?,
        destination: packet.word(DESTINATION)?,
        content: [packet.word(IP_BYTES)?, packet.word(IP_BYTES + 4)?],
    })
}
