//! What uplinks do not let in.
//!
//! *Spec*: `docs/datapath.md`, section "The guard".

/// Number of the list of sources that are never dropped by the guard; those of a person's lists follow.
pub const ALLOWED: u32 = 0;
/// Lists, with that one.
pub const LISTS: u32 = 65;
/// Prefixes of one family: as many as a document may name, twice, since new ones are there before old ones go.
pub const LISTED: u32 = 32_768;
/// Sources whose rates are known; of more, those that were silent for longest are forgotten.
pub const SOURCES: u32 = 32_768;

/// Prefixes of IPv4 are listed.
pub const LISTED_FOUR: u32 = 1;
/// Prefixes of IPv6 are.
pub const LISTED_SIX: u32 = 2;

/// On this uplink, sources of IPv4 are refused that are nobody's on the Internet.
pub const BOGONS_FOUR: u32 = 1;
/// Those of IPv6.
pub const BOGONS_SIX: u32 = 2;

/// A source may send at once what it may send in so long.
pub const BURST_NS: u64 = 1_000_000_000;

/// What is counted by source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Opening {
    /// A TCP connection.
    Syn,
    /// A WireGuard handshake.
    Handshake,
}

impl Opening {
    /// How many there are.
    pub const COUNT: usize = 2;

    /// Nanoseconds between two of them, of all sources together: 20,000 connections a second, 5,000 handshakes.
    #[must_use]
    pub const fn spacing_of_all_ns(self) -> u64 {
        match self {
            Self::Syn => 50_000,
            Self::Handshake => 200_000,
        }
    }
}

/// What a person has decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Guard {
    /// [`LISTED_FOUR`] and [`LISTED_SIX`].
    pub listed: u32,
    /// Always 0.
    pub zero: u32,
    /// Nanoseconds between two of an [`Opening`] by one source, [`BURST_NS`] at most; 0: as many as it likes.
    pub spacing_ns: [u64; Opening::COUNT],
}

/// A source that opens something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Source {
    /// IPv4 address, or the first half of one of IPv6: whoever has one has the other half, too (RFC 7421).
    pub address: u64,
    /// An [`Opening`].
    pub opening: u32,
    /// 4 or 6.
    pub family: u32,
}
