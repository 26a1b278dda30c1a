//! What packets between sites are steered by.
//!
//! *Spec*: `docs/datapath.md`, section "Between sites".

/// Sites; a site's number is below.
pub const SITES: u32 = 2048;
/// Classes of traffic.
pub const CLASSES: u32 = 8;
/// Paths; a path's number is below.
pub const PATHS: u32 = 32_768;
/// Paths of a group.
pub const GROUP_PATHS: usize = 16;
/// Prefixes of all sites.
pub const PREFIXES: u32 = 65_536;
/// Rules, the built-in ones among them: a bit each.
pub const RULES: u32 = 64 * RULE_WORDS as u32;
/// Words of 64 rules.
pub const RULE_WORDS: usize = 16;
/// Different sets of rules that ports, prefixes, and marks with a protocol, can match.
pub const RULE_SETS: u32 = 3072;
/// Prefixes that rules name, and the one of all addresses; in both halves.
pub const RULE_PREFIXES: u32 = 512 * HALVES;
/// Ports in one entry of their table.
pub const PORTS_OF_ENTRY: u32 = 4;
/// Entries of that table.
pub const PORT_ENTRIES: u32 = 65_536 / PORTS_OF_ENTRY;
/// A protocol that rules tell apart (3 and "any other") with each DSCP.
pub const MARKS: u32 = 4 * 64;
/// What stands in `STEERING` twice, so that a new policy is written beside the one in force.
pub const HALVES: u32 = 2;

/// Nothing is steered: the kernel routes.
pub const STEER_OFF: u32 = 0;
/// The first half is in force; the second is one more.
pub const STEER_FIRST: u32 = 1;

/// Flows stay on the path that they began on.
pub const STICKY: u8 = 1;
/// If none of the paths lives, the packet goes nowhere.
pub const STRICT: u8 = 2;
/// While a path is suspected, what it carries goes by another one of the first two, too: the second costs no more than the first.
pub const INSURED: u8 = 4;

/// How flows are spread.
pub mod mode {
    /// By what the flow is.
    pub const FLOW_HASH: u8 = 0;
    /// One flow after the other.
    pub const ROUND_ROBIN: u8 = 1;
    /// By weights.
    pub const WEIGHTED: u8 = 2;
    /// To where the fewest flows are.
    pub const LEAST_CONNECTIONS: u8 = 3;
    /// Not at all: each packet goes by the first two that live.
    pub const DUPLICATE: u8 = 4;
}

/// A part of a site: key of the trie of prefixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Prefix {
    /// Its length in bits.
    pub bits: u32,
    /// IPv4 address as it goes over the wire.
    pub address: [u8; 4],
}

/// A prefix that rules name: key of another trie. Its half stands before the address, and its eight bits count.
#[must_use]
#[inline(always)]
pub const fn rule_prefix(half: u32, address: [u8; 4]) -> [u8; 5] {
    let [a, b, c, d] = address;
    [half as u8, a, b, c, d]
}

/// The paths of one class to one site. All zero: the kernel routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Group {
    /// How many paths there are.
    pub count: u8,
    /// Over how many of the first flows are spread.
    pub spread: u8,
    /// See [`mode`].
    pub mode: u8,
    /// [`STICKY`], [`STRICT`], [`INSURED`].
    pub flags: u8,
    /// Their numbers, the best first.
    pub paths: [u16; GROUP_PATHS],
    /// Their shares.
    pub weights: [u8; GROUP_PATHS],
}

/// The rules that something matches, a bit each.
pub type RuleSet = [u64; RULE_WORDS];

/// The state of a path in one word, so that one store moves all that it carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathWord {
    /// The device; below 2^23.
    pub device: u32,
    /// Something that should have come by it has not.
    pub is_suspected: bool,
    /// Flows that stick to the path under another epoch choose anew.
    pub epoch: u8,
    /// Until when it is known to live, in seconds of the monotonic clock; 0: it does not.
    pub lease_s: u32,
}

/// Of a word, its lower half.
const DEVICE: u64 = 0x007f_ffff;
const SUSPECTED: u64 = 0x0080_0000;

impl PathWord {
    /// As it stands in the array.
    #[must_use]
    pub const fn pack(self) -> u64 {
        let suspected = if self.is_suspected { SUSPECTED } else { 0 };
        (self.lease_s as u64) << 32 | (self.epoch as u64) << 24 | suspected | self.device as u64 & DEVICE
    }

    /// From the array.
    #[must_use]
    #[inline(always)]
    pub const fn unpack(word: u64) -> Self {
        Self {
            device: (word & DEVICE) as u32,
            is_suspected: word & SUSPECTED != 0,
            epoch: (word >> 24) as u8,
            lease_s: (word >> 32) as u32,
        }
    }
}

/// A flow that sticks to a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Stuck {
    /// Number of the path.
    pub path: u32,
    /// Its epoch then.
    pub epoch: u32,
    /// When a packet was seen last, in seconds of the monotonic clock.
    pub seen_s: u32,
}

/// Part of the hash of all layouts.
pub(crate) const SIZES: [usize; 5] = [
    size_of::<Prefix>(),
    size_of::<Group>(),
    size_of::<Stuck>(),
    GROUP_PATHS * 1000 + RULE_WORDS,
    (RULE_SETS + RULE_PREFIXES) as usize,
];

const _: () = {
    assert!(size_of::<Prefix>() == 8);
    assert!(size_of::<Group>() == 52);
    assert!(size_of::<Stuck>() == 12);
};
