//! A flow as it stands in its table, in one shape for both families.

use patronus_ebpf_abi::{
    Endpoint, Flow, FlowKey, MESH_SLOT,
    six::{Flow6, FlowKey6},
    state::{FIN_IN, FIN_OUT, RESET},
};

/// Whose flow it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// IPv4.
    Four(FlowKey),
    /// IPv6.
    Six(FlowKey6),
}

impl Key {
    /// IP protocol number.
    #[must_use]
    pub const fn protocol(&self) -> u32 {
        match self {
            Self::Four(key) => key.protocol,
            Self::Six(key) => key.protocol,
        }
    }
}

/// Packets and bytes of IP, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets from inside.
    pub packets_out: u64,
    /// Bytes from inside.
    pub bytes_out: u64,
    /// Packets to inside.
    pub packets_in: u64,
    /// Bytes to inside.
    pub bytes_in: u64,
}

impl Counts {
    pub(super) const fn since(&self, before: &Self) -> Self {
        Self {
            packets_out: self.packets_out.saturating_sub(before.packets_out),
            bytes_out: self.bytes_out.saturating_sub(before.bytes_out),
            packets_in: self.packets_in.saturating_sub(before.packets_in),
            bytes_in: self.bytes_in.saturating_sub(before.bytes_in),
        }
    }
}

impl From<&Flow> for Counts {
    fn from(flow: &Flow) -> Self {
        let (packets_out, bytes_out) = (flow.packets_out.get(), flow.bytes_out.get());
        Self { packets_out, bytes_out, packets_in: flow.packets_in.get(), bytes_in: flow.bytes_in.get() }
    }
}

impl From<&Flow6> for Counts {
    fn from(flow: &Flow6) -> Self {
        let (packets_out, bytes_out) = (flow.packets_out.get(), flow.bytes_out.get());
        Self { packets_out, bytes_out, packets_in: flow.packets_in.get(), bytes_in: flow.bytes_in.get() }
    }
}

/// What of it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The address and port that it has outside, of IPv4.
    pub outside: Endpoint,
    /// Slot of its uplink.
    pub slot: u32,
    /// Bits of [`patronus_ebpf_abi::state`].
    pub state: u32,
    /// When it began, in seconds of the monotonic clock.
    pub began_s: u32,
    /// When it is over unless another packet comes; 0: somebody ended it.
    pub ends_s: u32,
    /// What the table says; finished answers may know of more.
    pub counts: Counts,
}

impl Seen {
    /// Whether TCP has said its last.
    pub(super) const fn is_over(&self) -> bool {
        self.state & RESET != 0 || self.state & (FIN_OUT | FIN_IN) == FIN_OUT | FIN_IN
    }

    pub(super) const fn is_between_sites(&self) -> bool {
        self.slot == MESH_SLOT
    }
}

impl From<&Flow> for Seen {
    fn from(flow: &Flow) -> Self {
        let (state, began_s, ends_s) = (flow.state.get(), flow.began_s.get(), flow.ends_s.get());
        Self { outside: flow.outside, slot: flow.slot, state, began_s, ends_s, counts: flow.into() }
    }
}

impl From<&Flow6> for Seen {
    fn from(flow: &Flow6) -> Self {
        let (state, began_s, ends_s) = (flow.state.get(), flow.began_s.get(), flow.ends_s.get());
        Self { outside: Endpoint::default(), slot: flow.slot, state, began_s, ends_s, counts: flow.into() }
    }
}
