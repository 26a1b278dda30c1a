//! What `tunnel` answers: its keys, its paths and how they are; and what `mesh` tells it.

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv6Addr, SocketAddr},
};

use patronus_types::{Generation, IpNet, PortName, SiteId, UplinkSlot};
use serde::{Deserialize, Serialize};

use crate::{Operation, Protocol};

/// `tunnel`'s protocol.
#[derive(Debug)]
pub struct Tunnel;

impl Protocol for Tunnel {
    const SERVICE: &'static str = "tunnel";
    type Request = Request;
    type Reply = Reply;
}

/// The name of the device over which all paths between these slots go.
#[must_use]
pub fn device_name(local: UplinkSlot, remote: UplinkSlot) -> String {
    format!("mesh{local}-{remote}")
}

/// What may be asked of `tunnel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Follow the state: now and at each change.
    Watch,
    /// The state as it is at this very moment, counters and ages too.
    Look,
    /// These are the sites, and what each may do. Kept on disk before it is answered.
    Apply(Box<Desired>),
    /// Give a slot a new key. Sessions of that slot end; `mesh` announces the new key.
    Rotate(UplinkSlot),
}

impl Operation for Request {
    fn operation(&self) -> &'static str {
        match self {
            Self::Watch => crate::WATCH,
            Self::Look => "look",
            Self::Apply(_) => "apply",
            Self::Rotate(_) => "rotate",
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `watch` and `look`.
    State(Box<State>),
    /// To `apply`: it is on disk, and in force with the next packet.
    Applied(Generation),
    /// To `rotate`: the new key is on disk.
    Rotated(SlotKey),
    /// Nothing was changed.
    Rejected(Rejected),
}

/// Why nothing was changed. A name for each, see `docs/ipc.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejected {
    /// Older than what is in force.
    #[error("stale-generation")]
    StaleGeneration,
    /// More peers than a network may have.
    #[error("too-many-peers")]
    TooManyPeers,
    /// A peer stands in the list twice, or one of its slots.
    #[error("repeated")]
    Repeated,
    /// A key that two slots share.
    #[error("key-used-twice")]
    KeyUsedTwice,
    /// More candidates for one slot than are tried.
    #[error("too-many-endpoints")]
    TooManyEndpoints,
    /// More prefixes than a site may have.
    #[error("too-many-prefixes")]
    TooManyPrefixes,
    /// More STUN servers than are asked.
    #[error("too-many-stun-servers")]
    TooManyStunServers,
    /// The box has no such slot.
    #[error("unknown-slot")]
    UnknownSlot,
}

/// An X25519 public key of one uplink slot. Never an identity key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SlotKey(pub [u8; 32]);

impl fmt::Display for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotKey({self})")
    }
}

/// All sites to have tunnels with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Grows with every change.
    pub generation: Generation,
    /// Whether this site carries datagrams between others.
    pub is_relay: bool,
    /// The sites, this one not among them.
    pub peers: Vec<Peer>,
    /// The box's own address inside tunnels, from which it speaks with the addresses of the others there.
    pub address: Option<Ipv6Addr>,
    /// STUN servers that each slot asks where it is seen.
    pub stun: Vec<SocketAddr>,
    /// What is another site's, or was before it was revoked: it leaves by tunnels or not at all.
    pub closed: Vec<IpNet>,
}

/// A site to have tunnels with: one path for each pair of a slot here and a slot there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Who it is.
    pub site: SiteId,
    /// Whether it carries datagrams between others.
    pub is_relay: bool,
    /// Its uplinks.
    pub slots: Vec<RemoteSlot>,
    /// What its record grants it, and its address inside tunnels: packets come from and go to these addresses only.
    pub prefixes: Vec<IpNet>,
    /// Seconds after which a silent path is sent a keepalive; `None` for no keepalives.
    pub keepalive_s: Option<u16>,
}

/// An uplink of another site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteSlot {
    /// Its number.
    pub slot: UplinkSlot,
    /// Its key.
    pub public_key: SlotKey,
    /// Where it may be reached, best first. Empty if only it can begin.
    pub endpoints: Vec<SocketAddr>,
}

/// Keys, paths and their state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Grows with every change since `tunnel` started. Counters alone change it at most every second.
    pub generation: Generation,
    /// The generation of [`Desired`] in force.
    pub applied: Generation,
    /// The box's own address inside tunnels, once it has one.
    pub address: Option<Ipv6Addr>,
    /// The box's own slots.
    pub slots: Vec<Slot>,
    /// Every path, by peer, local slot and remote slot.
    pub paths: Vec<PathState>,
    /// Datagrams and packets that were dropped, by reason.
    pub rejected: BTreeMap<String, u64>,
}

/// A slot of this box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its number.
    pub slot: UplinkSlot,
    /// Its device.
    pub device: PortName,
    /// Its public key.
    pub public_key: SlotKey,
    /// The UDP port of its sessions.
    pub listen_port: u16,
    /// Where others have just seen its socket, most witnesses first: other sites, and STUN servers.
    pub seen: Vec<SocketAddr>,
    /// What each STUN server says.
    pub stun: Vec<StunAnswer>,
}

/// What a STUN server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StunAnswer {
    /// Who.
    pub server: SocketAddr,
    /// Where it sees the slot; `None` if it does not answer.
    pub seen: Option<SocketAddr>,
}

/// Whether packets can go over a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathStatus {
    /// There is a session.
    Up,
    /// There is none; it is tried all the time.
    Down,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathState {
    /// The site at the far end.
    pub peer: SiteId,
    /// The slot here.
    pub local: UplinkSlot,
    /// The slot there.
    pub remote: UplinkSlot,
    /// Whether packets can go.
    pub status: PathStatus,
    /// Where the peer was when it was heard last; `None` while a relay carries the path, too.
    pub endpoint: Option<SocketAddr>,
    /// The site that carries the path, if it is not direct.
    pub via: Option<SiteId>,
    /// Age of the session in use, in milliseconds.
    pub session_age_ms: Option<u64>,
    /// How long ago the last authentic datagram came, in milliseconds.
    pub heard_ago_ms: Option<u64>,
    /// How long ago all that was to go over its device had been taken from there, in milliseconds.
    pub emptied_ago_ms: Option<u64>,
    /// The longest packet that it takes, in bytes; `None` if that is not known.
    pub longest: Option<u16>,
    /// What went there.
    pub sent: Traffic,
    /// What came from there.
    pub received: Traffic,
    /// Packets sent there that have not come here, by the counters of those that have.
    pub lost: u64,
    /// Packets that came after one that was sent later.
    pub reordered: u64,
}

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Inner packets.
    pub packets: u64,
    /// Bytes of inner packets.
    pub bytes: u64,
    /// Handshake messages: initiations and responses.
    pub handshakes: u64,
}
