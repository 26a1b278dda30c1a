//! The compiled rules: lines of memory that a search walks through.
//!
//! *Does*: name the parts. The first line says where the others are; all are found by number, so that the table is one array without pointers.
//! *Spec*: `docs/datapath.md`, section "Rules".

/// A line: as much as a processor takes from memory at once. Sixteen numbers of 32 bits, the lower half of each word first, or 512 bits of rules.
pub type Line = [u64; 8];

/// Numbers in a line.
pub const NUMBERS: u32 = 16;
/// Rules in a line.
pub const BITS: u32 = 512;
/// Lines of a set of rules at most: 4,096 of people and a few of ours.
pub const VECTOR_LINES: u32 = 9;
/// Steps of a search at most: 16 ways at each.
pub const LEVELS: u32 = 5;

/// Numbers of the first line.
pub mod header {
    /// Which policy this is: the hash of what it was compiled from.
    pub const GENERATION: u32 = 0;
    /// Lines of each set of rules.
    pub const VECTOR: u32 = 1;
    /// The three searches, each with its first line and its steps.
    pub const SOURCE: u32 = 2;
    /// As above.
    pub const DESTINATION: u32 = 4;
    /// As above.
    pub const SERVICE: u32 = 6;
    /// Where the sets by zones and DSCP begin.
    pub const ZONES: u32 = 8;
    /// Where the actions begin.
    pub const ACTIONS: u32 = 9;
}

/// Bits of an action, below the number of its rule.
pub const ACTION_BITS: u32 = 2;
/// Bit of an action: let it pass.
pub const ALLOW: u32 = 1;
/// Bit of an action: say so in the log.
pub const LOG: u32 = 2;

/// Where a packet comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Zone {
    /// The uplinks, and what is behind them.
    Wan,
    /// The LAN.
    Lan,
    /// Other sites.
    Mesh,
    /// The box itself.
    Own,
}

impl Zone {
    /// All, by number.
    pub const ALL: [Self; 4] = [Self::Wan, Self::Lan, Self::Mesh, Self::Own];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wan => "wan",
            Self::Lan => "lan",
            Self::Mesh => "mesh",
            Self::Own => "self",
        }
    }
}

/// Protocol and port as one number, to be searched.
#[must_use]
pub const fn service(protocol: u32, port: u32) -> u32 {
    protocol << 17 | port
}

/// Stands for the port of a packet that does not tell it: a later part of a datagram.
pub const PORT_UNKNOWN: u32 = 0x1_0000;
/// Number of a set of rules in the list by zones and DSCP.
#[must_use]
pub const fn zones(from: Zone, to: Zone, dscp: u32) -> u32 {
    (from as u32 * 4 + to as u32) * 64 + (dscp & 63)
}
/// Sets in that list.
pub const ZONES: u32 = 1024;

/// How a flow began, in one number of its entry, so that it can be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Where it came from.
    pub from: Zone,
    /// Where it went.
    pub to: Zone,
    /// The DSCP of its first packet.
    pub dscp: u32,
}

impl Opening {
    /// As a number.
    #[must_use]
    pub const fn number(self) -> u16 {
        zones(self.from, self.to, self.dscp) as u16
    }

    /// From it.
    #[must_use]
    pub const fn of(number: u16) -> Self {
        Self { from: zone(number >> 8), to: zone(number >> 6), dscp: number as u32 & 63 }
    }
}

const fn zone(number: u16) -> Zone {
    match number & 3 {
        0 => Zone::Wan,
        1 => Zone::Lan,
        2 => Zone::Mesh,
        _ => Zone::Own,
    }
}

/// Room for what is logged until the service takes it, in bytes: 500 packets.
pub const LOG_BYTES: u32 = 16 * 1024;

/// A first packet that a rule wants to have in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Logged {
    /// Generation of the policy.
    pub generation: u32,
    /// The rule's number.
    pub rule: u32,
    /// Who sent it.
    pub source: u32,
    /// To whom.
    pub destination: u32,
    /// Protocol and port.
    pub service: u32,
    /// How it came and went: an [`Opening`].
    pub opening: u32,
}
