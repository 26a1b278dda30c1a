//! What the decisions look up and keep.

use core::ops::Deref;

use patronus_ebpf_abi::{
    Flow, FlowKey, Inside, Lan, Outside, Owner, Reason, Uplink,
    answer::Answer,
    forward::Forward,
    part::{Part, PartKey},
};

use crate::policy::{Judgement, Policy, Query};

/// Where the kernel's routing would send a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Out by the uplink in this slot.
    Uplink(u32),
    /// Into a tunnel, if a path to the site lives.
    Mesh,
    /// To the box itself.
    Own,
    /// Anywhere else, or nowhere.
    Elsewhere,
}

/// The tables of the datapath, the rules, the clock, and the kernel's routing.
pub trait Tables: Policy {
    /// A flow in its table, which both directions may change.
    type Flow: Deref<Target = Flow>;
    /// An owner in his table.
    type Owner: Deref<Target = Owner>;

    /// Seconds of the monotonic clock.
    fn now_s(&self) -> u32;
    /// Ticks of the kernel's clock: cheaper than the time, and of a length that it does not tell.
    fn ticks(&self) -> u32;
    /// Which state of what the service writes this is: another number after each change.
    fn epoch(&self) -> u32;
    /// This processor's answer at a place, of a table that is never larger than what the number can say.
    fn answer(&self, place: u32) -> Option<&Answer>;
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
    /// Gives it to somebody, whoever has it.
    fn give(&self, outside: &Outside, owner: &Owner);
    /// The port that somebody has had outside.
    fn port(&self, inside: &Inside) -> Option<u16>;
    /// Keeps it.
    fn keep_port(&self, inside: &Inside, port: u16);
    /// Whether a port forward, of whichever uplink, has this port.
    fn is_forwarded(&self, protocol: u32, port: u16) -> bool;
    /// A port forward, by its place in the list.
    fn forward(&self, index: u32) -> Option<&Forward>;
    /// Counts what a rule was met by, and puts it into the log if the rule says so.
    fn note(&self, judgement: Judgement, query: &Query);
    /// A datagram that comes in parts.
    fn part(&self, key: &PartKey) -> Option<Part>;
    /// Keeps it.
    fn keep_part(&self, key: &PartKey, part: &Part);
    /// Counts a packet that was not carried.
    fn count(&self, reason: Reason);
    /// Adds to a number of a flow, also when another processor does so at this moment.
    fn add(number: &core::cell::Cell<u64>, more: u64);
}
