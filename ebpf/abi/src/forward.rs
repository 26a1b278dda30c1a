//! Port forwards: a short list, and a bit for each port so that packets for all others need not look at it.

use crate::{Endpoint, UPLINKS};

/// Port forwards at most; the list ends with the first that has no protocol.
pub const FORWARDS: u32 = 64;
/// Prefixes that may use one.
pub const SOURCES: usize = 8;
/// Words of 64 bits: one for each port of TCP, then the same for UDP.
pub const FORWARDED_WORDS: u32 = 2048;
/// [`Forward::slots`] of one that every uplink has.
pub const EVERY_SLOT: u32 = (1 << UPLINKS) - 1;

/// IP protocol number of UDP.
const UDP: u32 = 17;

/// A prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Prefix {
    /// Its first address.
    pub network: u32,
    /// Netmask.
    pub mask: u32,
}

/// Ports of uplinks that lead to a computer on the LAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Forward {
    /// The computer, and its port for the first of those outside.
    pub inside: Endpoint,
    /// IP protocol number; 0: the list ends here.
    pub protocol: u32,
    /// The uplinks that have it, a bit for each slot.
    pub slots: u32,
    /// The first port outside.
    pub first: u16,
    /// The last.
    pub last: u16,
    /// How many of `sources` count; 0: everybody may use it.
    pub sources_used: u32,
    /// Who may use it.
    pub sources: [Prefix; SOURCES],
}

/// Where the bit of a port stands: which word, and the bit in it.
#[inline(always)]
#[must_use]
pub const fn bit_of(protocol: u32, port: u16) -> (u32, u64) {
    let word = port as u32 / 64 + if protocol == UDP { FORWARDED_WORDS / 2 } else { 0 };
    (word, 1 << (port % 64))
}
