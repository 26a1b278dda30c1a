//! What `mesh` answers: the network, its sites, and what a signer's box may do.
//!
//! *Spec*: `docs/ipc.md`, section "mesh".

use std::{collections::BTreeMap, net::SocketAddr};

use patronus_types::{Generation, IpNet, NetworkId, RootSecret, SiteId, SiteName, UplinkSlot};
use serde::{Deserialize, Serialize};

use crate::{Operation, Protocol};

/// `mesh`'s protocol.
#[derive(Debug)]
pub struct Mesh;

impl Protocol for Mesh {
    const SERVICE: &'static str = "mesh";
    type Request = Request;
    type Reply = Reply;
}

/// What may be asked of `mesh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Follow the state: [`Reply::State`] now and at each change.
    Watch,
    /// Found a network with this site as its first, and this box as its first signer.
    CreateNetwork,
    /// The same with a root whose key the caller has kept already, so that it cannot get lost with the answer: [`Reply::Accepted`]. Asking
    /// again with the same key is answered again.
    FoundNetwork {
        /// Seed of the root's key. It is used once and not kept.
        root: RootSecret,
    },
    /// Make this site's box a signer of its network, by the word of the root. Asking again is answered again.
    MakeSigner {
        /// Seed of the root's key. It is used once and not kept.
        root: RootSecret,
    },
    /// End the rights of another signer for ever. What it has signed and is to stay is signed here first.
    WithdrawSigner {
        /// Seed of the root's key. It is used once and not kept.
        root: RootSecret,
        /// The signer's public key.
        signer: [u8; 32],
    },
    /// Make a token with which one site may join.
    MakeToken {
        /// How long it is good, in seconds.
        valid_s: u64,
        /// What the site may be.
        roles: Vec<Role>,
        /// What the site may have behind it.
        prefixes: Vec<IpNet>,
        /// Where the network can be asked beyond the LAN: `host:port` each.
        seeds: Vec<String>,
    },
    /// Join a network.
    Join {
        /// The token, as a person pasted it.
        token: String,
        /// What this site wants to have behind it; none is all that the token grants.
        prefixes: Vec<IpNet>,
    },
    /// End a site's membership for ever.
    Revoke {
        /// Which.
        site: SiteId,
    },
    /// Give a site another name.
    Rename {
        /// Which.
        site: SiteId,
        /// The new name.
        name: SiteName,
    },
    /// Sign a site's record anew, valid from now on.
    Renew {
        /// Which.
        site: SiteId,
    },
}

impl Operation for Request {
    fn operation(&self) -> &'static str {
        match self {
            Self::Watch => crate::WATCH,
            Self::CreateNetwork | Self::FoundNetwork { .. } => "create-network",
            Self::MakeSigner { .. } | Self::WithdrawSigner { .. } => "appoint",
            Self::MakeToken { .. } => "make-token",
            Self::Join { .. } => "join",
            Self::Revoke { .. } => "revoke",
            Self::Rename { .. } => "rename",
            Self::Renew { .. } => "renew",
        }
    }
}

/// What `mesh` answers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Watch`].
    State(Box<State>),
    /// To [`Request::CreateNetwork`]: the only copy of the root's secret key, as text for a recovery file. It is not kept.
    Created {
        /// 64 hexadecimal digits.
        root_secret: String,
    },
    /// To [`Request::MakeToken`]: the token as text.
    Token {
        /// To be carried to the new site.
        token: String,
    },
    /// It is on disk (all of them), and goes to the other sites (`Revoke`, `Rename`, `Renew`), or is tried until it comes about (`Join`).
    Accepted,
    /// Nothing was changed, for this reason.
    Rejected(Problem),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State(state) => f.debug_tuple("State").field(state).finish(),
            Self::Created { .. } => f.write_str("Created"),
            Self::Token { .. } => f.write_str("Token"),
            Self::Accepted => f.write_str("Accepted"),
            Self::Rejected(problem) => f.debug_tuple("Rejected").field(problem).finish(),
        }
    }
}

/// Why a request changed nothing, or a join has not come about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Name for counters and programs, such as `token-used`.
    pub code: String,
    /// What is wrong and what to do, for people.
    pub message: String,
}

/// The network as this site knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Grows with every change since `mesh` started.
    pub generation: Generation,
    /// Who this site is; `None` while the box is unclaimed.
    pub site: Option<SiteId>,
    /// The network, if this site is in one.
    pub network: Option<Network>,
    /// The way into one, if it is on it.
    pub joining: Option<Joining>,
    /// All sites of the roster, by name.
    pub sites: Vec<Site>,
    /// The tokens that were made on this box, newest first.
    pub tokens: Vec<Token>,
    /// What two sites were granted, for people.
    pub conflicts: Vec<String>,
    /// Messages that were not used, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The hash of its root's key.
    pub id: NetworkId,
    /// Whether this box may make tokens and revoke.
    pub is_signer: bool,
    /// All signers that the root has named.
    pub signers: Vec<Signer>,
}

/// Who may sign records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// Its Ed25519 public key.
    pub key: [u8; 32],
    /// Whether this box has the secret one.
    pub is_here: bool,
    /// Whether it was withdrawn, for ever.
    pub is_withdrawn: bool,
    /// Until when it may sign, in seconds since 1970.
    pub valid_until_unix_s: u64,
    /// How many sites are members by its word.
    pub sites: u32,
}

/// The way into a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joining {
    /// Which one.
    pub network: NetworkId,
    /// What was answered last, if it was no.
    pub problem: Option<Problem>,
}

/// A site of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Who it is.
    pub id: SiteId,
    /// What it is called.
    pub name: SiteName,
    /// Whether it is a member.
    pub standing: Standing,
    /// Whether it was heard within the last two minutes; always so of this site.
    pub is_active: bool,
    /// When it was heard last, on the monotonic clock of this boot (`CLOCK_BOOTTIME`), in milliseconds.
    pub heard_uptime_ms: Option<u64>,
    /// What it may be.
    pub roles: Vec<Role>,
    /// What is behind it.
    pub prefixes: Vec<IpNet>,
    /// Since when it is a member, in seconds since 1970.
    pub member_since_unix_s: u64,
    /// Until when its record is good, in seconds since 1970.
    pub valid_until_unix_s: u64,
    /// How it can be reached.
    pub uplinks: Vec<Uplink>,
}

/// Whether a site is a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It is.
    Valid,
    /// Its record begins later.
    NotYet,
    /// Its record has ended.
    Expired,
    /// It was revoked.
    Revoked,
}

/// What a site may be to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Has a LAN.
    Site,
    /// Carries traffic between other sites.
    Hub,
    /// Listens for sites that look for the network.
    Seed,
    /// Carries tunnels of pairs that cannot reach each other.
    Relay,
}

/// One uplink of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink {
    /// Which.
    pub slot: UplinkSlot,
    /// X25519 public key of its tunnels.
    pub key: [u8; 32],
    /// Where to try, best first.
    pub endpoints: Vec<SocketAddr>,
}

/// A token that was made on this box, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name.
    pub id: [u8; 16],
    /// When it was made, in seconds since 1970.
    pub made_unix_s: u64,
    /// Until when it is good, in seconds since 1970.
    pub expires_unix_s: u64,
    /// What the site may be.
    pub roles: Vec<Role>,
    /// What the site may have behind it.
    pub prefixes: Vec<IpNet>,
    /// Who has joined with it, and when.
    pub used: Option<(SiteId, u64)>,
}
