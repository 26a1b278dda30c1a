//! Keys and values of the datapath's maps: what the eBPF programs and the service that loads them share.
//!
//! *Does*: fix the layout of each, without padding that nobody wrote, and hash it all, so that maps of another build are never read as ours.
//! *Never does*: decide anything. Addresses and ports are numbers in host order everywhere in here.
//! *Spec*: `docs/datapath.md`, section "Tables".
#![no_std]
#![forbid(unsafe_code)]

pub mod answer;
pub mod forward;
pub mod guard;
mod layout;
pub mod part;
pub mod policy;
mod reason;
pub mod six;
pub mod state;
pub mod steer;
pub mod twin;

use core::cell::Cell;

pub use layout::LAYOUT;
pub use reason::Reason;

/// `skb->mark` of a packet that the datapath has translated. Nothing from outside has a mark; the packet filter lets these pass.
pub const MARK: u32 = 0x5041_5452;
/// Slot of a flow to or from another site: it has no uplink of its own.
pub const MESH_SLOT: u32 = u32::MAX;
/// Tunnel devices at most: one for each slot here and there.
pub const MESH_DEVICES: u32 = 256;
/// Uplinks, by slot.
pub const UPLINKS: u32 = 16;
/// The ports (and ICMP identifiers) that translated flows leave with. Above are the box's own: what its sockets get from the kernel, and its services.
pub const FIRST_PORT: u16 = 1024;
/// The last of them; `ip_local_port_range` begins behind it.
pub const LAST_PORT: u16 = 32_767;

/// One end of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Endpoint {
    /// IPv4 address.
    pub address: u32,
    /// Port; of a ping its identifier on the side that asks, 0 on the side that answers.
    pub port: u16,
    /// Always 0.
    pub zero: u16,
}

impl Endpoint {
    /// An address and a port.
    #[must_use]
    pub const fn new(address: u32, port: u16) -> Self {
        Self { address, port, zero: 0 }
    }
}

/// A flow, as seen from inside: one entry for both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct FlowKey {
    /// The computer on the LAN.
    pub inside: Endpoint,
    /// Whom it talks to.
    pub remote: Endpoint,
    /// IP protocol number.
    pub protocol: u32,
}

/// What is known of a flow. Both directions write it, on any processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Flow {
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
    /// The address and port that it has outside.
    pub outside: Endpoint,
    /// Slot of its uplink.
    pub slot: u32,
    /// What its packets have said so far: bits of [`state`].
    pub state: Cell<u32>,
    /// The policy by which it was judged last.
    pub generation: Cell<u32>,
    /// The rule of that policy that let it pass.
    pub rule: Cell<u16>,
    /// How it began: a [`policy::Opening`].
    pub opening: u16,
}

/// An address and port of an uplink, which flows leave with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Outside {
    /// Address of the uplink and port.
    pub endpoint: Endpoint,
    /// IP protocol number.
    pub protocol: u32,
}

/// Who has an [`Outside`], for all his flows alike (RFC 4787 REQ-1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Owner {
    /// The address and port on the LAN.
    pub inside: Endpoint,
    /// When the last of his flows is over.
    pub ends_s: Cell<u32>,
    /// Always 0.
    pub zero: u32,
}

/// The way from inside to an [`Outside`]: one for each address of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Inside {
    /// The address and port on the LAN.
    pub endpoint: Endpoint,
    /// Address of the uplink.
    pub outside: u32,
    /// IP protocol number.
    pub protocol: u32,
}

/// An uplink, by slot. All zero: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Uplink {
    /// The box's address there; 0: nothing leaves here.
    pub address: u32,
    /// The device.
    pub index: u32,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Always 0.
    pub zero: u32,
}

/// The LAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Lan {
    /// Its prefix.
    pub network: u32,
    /// Netmask; 0: there is no LAN.
    pub mask: u32,
    /// The box's own address there.
    pub address: u32,
    /// Always 0.
    pub zero: u32,
}
