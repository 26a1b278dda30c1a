//! Parts of datagrams: whose first part has come by.

use crate::FlowKey;

/// Datagrams whose parts are awaited.
pub const PARTS: u32 = 4096;

/// A datagram that comes in parts (RFC 791 section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct PartKey {
    /// Who sends it, as it came in.
    pub source: u32,
    /// To whom.
    pub destination: u32,
    /// Its identification, above its protocol.
    pub id_and_protocol: u32,
}

/// What is known of it since its first part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Part {
    /// The flow that it is of.
    pub flow: FlowKey,
    /// Until when parts of it are awaited.
    pub ends_s: u32,
}
