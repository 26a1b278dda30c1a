//! What `datapath` answers: where it is attached, what goes through it, and what does not.

mod firewall;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use patronus_types::{Generation, Ipv4Net, PortName, UplinkName};
use serde::{Deserialize, Serialize};

use crate::{Operation, Protocol};

pub use firewall::{Explanation, Firewall, Guard, Guarded, Listed, Outcome, Question, Rule};

/// Flows in one answer.
pub const MOST_FLOWS: usize = 256;

/// `datapath`'s protocol.
#[derive(Debug)]
pub struct Datapath;

impl Protocol for Datapath {
    const SERVICE: &'static str = "datapath";
    type Request = Request;
    type Reply = Reply;
}

/// What may be asked of `datapath`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Follow the state: now and at each change.
    Watch,
    /// The flows that have carried most, at most [`MOST_FLOWS`].
    Flows,
    /// The rules in force, with what they have decided.
    Firewall,
    /// What would become of a packet, and why.
    Explain(Question),
}

impl Operation for Request {
    fn operation(&self) -> &'static str {
        match self {
            Self::Watch => crate::WATCH,
            Self::Flows => "flows",
            Self::Firewall => "firewall",
            Self::Explain(_) => "explain",
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `watch`.
    State(Box<State>),
    /// To `flows`, most bytes first.
    Flows(Vec<Flow>),
    /// To `firewall`.
    Firewall(Box<Firewall>),
    /// To `explain`.
    Explanation(Box<Explanation>),
}

/// The datapath as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Grows with every change since the service started.
    pub generation: Generation,
    /// The LAN from which flows may begin, once packets are taken there.
    pub lan: Option<Ipv4Net>,
    /// Uplinks by which flows may leave.
    pub uplinks: Vec<Uplink>,
    /// Devices of tunnels out of which packets are judged.
    pub tunnels: u32,
    /// The configuration whose port forwards the programs know.
    pub configuration: Generation,
    /// Flows now, as of the last count.
    pub flows: u32,
    /// Flows that the table holds; one more replaces that which was silent for longest.
    pub flows_max: u32,
    /// Packets that were not carried, by reason.
    pub not_carried: BTreeMap<String, u64>,
    /// The export of flows, if the document has one.
    pub ipfix: Option<Ipfix>,
}

/// How the export of flows goes, since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipfix {
    /// Who is told.
    pub collectors: Vec<SocketAddr>,
    /// Messages that were handed to the kernel, one for each collector.
    pub messages: u64,
    /// Records made: each tells all collectors of one flow once.
    pub records: u64,
    /// Messages that the kernel did not take, mostly because no route leads there.
    pub send_errors: u64,
    /// Records that were not made, because too many were due, or it was not known what had been told before.
    pub not_told: u64,
}

/// An uplink by which flows may leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink {
    /// Its name.
    pub name: UplinkName,
    /// Its port.
    pub port: PortName,
    /// The address that flows have outside.
    pub address: Ipv4Addr,
    /// Largest packet in bytes.
    pub mtu: u32,
}

/// Somebody inside talks to somebody outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// IP protocol number: 1, 6, 17 or 58.
    pub protocol: u8,
    /// The computer on the LAN; the port of a ping is its identifier, here and below.
    pub inside: SocketAddr,
    /// Whom it talks to.
    pub remote: SocketAddr,
    /// What it is seen as: with IPv6, and from another site, as what it is.
    pub outside: SocketAddr,
    /// By which uplink; `None` if that is gone, or if it goes to another site.
    pub uplink: Option<UplinkName>,
    /// The rule that let it pass.
    pub rule: String,
    /// Whether it came by a port forward; else the computer on the LAN began it.
    pub forwarded: bool,
    /// Whether the other side has answered.
    pub answered: bool,
    /// Packets and bytes of IP from inside.
    pub sent: Traffic,
    /// And to inside.
    pub received: Traffic,
    /// For how long it has been there, in seconds.
    pub age_s: u32,
    /// In how many seconds of silence it is over.
    pub ends_in_s: u32,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Packets; several segments that came at once count as one.
    pub packets: u64,
    /// Bytes of IP.
    pub bytes: u64,
}
