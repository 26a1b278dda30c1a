//! IPv6 between LAN and Internet: flows without translation.

use core::cell::Cell;

/// One end of a flow. The address is one number of 128 bits in two halves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Endpoint6 {
    /// The first half of the address.
    pub high: u64,
    /// The second.
    pub low: u64,
    /// Port; of a ping its identifier on the side that asks, 0 on the side that answers.
    pub port: u16,
    /// Always 0.
    pub zero: [u16; 3],
}

/// A flow, as seen from inside: one entry for both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct FlowKey6 {
    /// The computer on the LAN.
    pub inside: Endpoint6,
    /// Whom it talks to.
    pub remote: Endpoint6,
    /// IP protocol number.
    pub protocol: u32,
    /// Always 0.
    pub zero: u32,
}

/// What is known of a flow. Both directions write it, on any processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Flow6 {
    /// Packets from inside.
    pub packets_out: Cell<u64>,
    /// Bytes of IP from inside.
    pub bytes_out: Cell<u64>,
    /// Packets to inside.
    pub packets_in: Cell<u64>,
    /// Bytes of IP to inside.
    pub bytes_in: Cell<u64>,
    /// When it began, in seconds of the monotonic clock.
    pub began_s: Cell<u32>,
    /// When it is over unless another packet comes.
    pub ends_s: Cell<u32>,
    /// Slot of the uplink by which it began.
    pub slot: u32,
    /// What its packets have said so far: bits of [`crate::state`].
    pub state: Cell<u32>,
    /// The policy by which it was judged last.
    pub generation: Cell<u32>,
    /// The rule of that policy that let it pass.
    pub rule: Cell<u16>,
    /// How it began: a [`crate::policy::Opening`].
    pub opening: u16,
}

/// The LAN's prefix; all zero: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Lan6 {
    /// First half of the network.
    pub high: u64,
    /// Second half.
    pub low: u64,
    /// First half of the netmask; 0: there is no LAN.
    pub mask_high: u64,
    /// Second half.
    pub mask_low: u64,
}

impl Lan6 {
    /// Whether this address is of the LAN.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, end: &Endpoint6) -> bool {
        end.high & self.mask_high == self.high && end.low & self.mask_low == self.low
    }
}
