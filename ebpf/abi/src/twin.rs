//! Packets that came by two paths.
//!
//! *Spec*: `docs/datapath.md`, section "Sent twice".

/// Packets that are remembered: of a hundred calls, those of a second. When there are more, the twin of one that was forgotten is handed on as well.
pub const TWINS: u32 = 8192;
/// For how long, in seconds.
pub const REMEMBERED_S: u32 = 2;

/// What tells a packet from all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct TwinKey {
    /// Its number, from the site that sent it twice, and its place if it was cut on its way.
    pub number: u32,
    /// IPv4 address.
    pub source: u32,
    /// IPv4 address.
    pub destination: u32,
    /// The first bytes behind the IP header: ports, and length with checksum, or sequence.
    pub content: [u32; 2],
}
