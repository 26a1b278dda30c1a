//! What the decisions look up and keep.

use core::ops::Deref;

use patronus_ebpf_abi::{Flow, FlowKey, Inside, Lan, Outside, Owner, Reason, Uplink};

/// Where the kernel's routing would send a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Out by the uplink in this slot.
    Uplink(u32),
    /// Anywhere else: into a tunnel, to the box itself, nowhere.
    Elsewhere,
}

/// The tables of the datapath, the clock, and the kernel's routing.
pub trait Tables {
    /// A flow in its table, which both directions may change.
    type Flow: Deref<Target = Flow>;
    /// An owner in his table.
    type Owner: Deref<Target = Owner>;

    /// Seconds of the monotonic clock.
    fn now_s(&self) -> u32;
    /// A number that nobody outside can guess.
    fn random(&self) -> u32;
    /// The LAN.
    fn lan(&self) -> Lan;
    /// The uplink in a slot.
    fn uplink(&self, slot: u32) -> Option<Uplink>;
    /// Where the kernel's routing would send a packet from the LAN.
    fn route(&self, source: u32, destination: u32) -> Route;
    /// A flow.
    fn flow(&self, key: &FlowKey) -> Option<Self::Flow>;
    /// Puts a flow into its table; one with the same key is replaced. Whether it is there now.
    fn add_flow(&self, key: &FlowKey, flow: &Flow) -> bool;
    /// Who has an address and port of ours.
    fn owner(&self, outside: &Outside) -> Option<Self::Owner>;
    /// Gives it to somebody, unless somebody has it. Whether he got it.
    fn claim(&self, outside: &Outside, owner: &Owner) -> bool;
    /// The port that somebody has had outside.
    fn port(&self, inside: &Inside) -> Option<u16>;
    /// Keeps it.
    fn keep_port(&self, inside: &Inside, port: u16);
    /// Counts a packet that was not carried.
    fn count(&self, reason: Reason);
    /// Adds to a number of a flow, also when another processor does so at this moment.
    fn add(number: &core::cell::Cell<u64>, more: u64);
}
