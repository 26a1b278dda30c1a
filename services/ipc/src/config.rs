//! What `config` answers: the document, its history, and the one-time claim.
//!
//! *Spec*: `docs/ipc.md`, section "config".

use patronus_types::{Document, Generation, SiteId};
use serde::{Deserialize, Serialize};

use crate::{Operation, Protocol};

/// `config`'s protocol.
#[derive(Debug)]
pub struct Config;

impl Protocol for Config {
    const SERVICE: &'static str = "config";
    type Request = Request;
    type Reply = Reply;
}

/// What may be asked of `config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Follow the state: [`Reply::State`] now and at each change.
    Watch,
    /// Parse and validate without changing anything.
    Check {
        /// The document as TOML.
        toml: String,
    },
    /// Make a document the running one.
    Apply {
        /// The document as TOML.
        toml: String,
        /// If given, only if this is still the running generation: nobody overwrites what he has not seen.
        base: Option<Generation>,
        /// If given, go back by itself unless confirmed within this many seconds.
        confirm_within_s: Option<u32>,
        /// Who did it, for the history.
        author: String,
    },
    /// Keep what an `Apply` with a deadline has made the running one.
    Confirm {
        /// The generation to keep.
        generation: Generation,
    },
    /// Make an earlier document the running one again: as a new generation, so that history only grows.
    Rollback {
        /// Which; `None` is the one before the running one.
        to: Option<Generation>,
        /// Who did it, for the history.
        author: String,
    },
    /// The last revisions, newest first.
    History,
    /// A document as TOML.
    Export {
        /// Which; `None` is the running one.
        generation: Option<Generation>,
    },
    /// Turn the unclaimed box into a claimed one. Works once, in one transaction.
    Claim(Box<Claim>),
    /// The stored verifier of the administrator's password.
    Credential,
    /// The seed of the site's identity key, for the one service that signs with it.
    Identity,
    /// Replace the stored verifier.
    SetCredential {
        /// PHC string of the new password.
        password_phc: String,
    },
}

impl Operation for Request {
    fn operation(&self) -> &'static str {
        match self {
            Self::Watch => crate::WATCH,
            Self::Check { .. } => "check",
            Self::Apply { .. } => "apply",
            Self::Confirm { .. } => "confirm",
            Self::Rollback { .. } => "rollback",
            Self::History => "history",
            Self::Export { .. } => "export",
            Self::Claim(_) => "claim",
            Self::Credential => "credential",
            Self::Identity => "identity",
            Self::SetCredential { .. } => "set-credential",
        }
    }
}

/// What `config` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Watch`].
    State(Box<State>),
    /// To [`Request::Check`]: the document could become the running one.
    Valid,
    /// The document is the running one, on disk, and survives a power cut (`Apply`, `Confirm`, `Rollback`, `Claim`).
    Committed {
        /// Its generation.
        generation: Generation,
    },
    /// To [`Request::History`].
    History(Vec<Revision>),
    /// To [`Request::Export`].
    Document {
        /// The document as TOML.
        toml: String,
    },
    /// To [`Request::Credential`]: a PHC string; `None` while unclaimed.
    Credential(Option<String>),
    /// To [`Request::Identity`]; `None` while unclaimed.
    Identity(Option<IdentitySeed>),
    /// To [`Request::SetCredential`].
    CredentialSet,
    /// Nothing was changed, for these reasons. Never empty.
    Rejected(Vec<Problem>),
}

/// Seed of the site's Ed25519 identity key: made once at the claim, kept for ever.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentitySeed(pub [u8; 32]);

impl std::fmt::Debug for IdentitySeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentitySeed")
    }
}

/// One reason why a request to `config` changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Name for counters and programs, such as `gateway-outside-prefix`.
    pub code: String,
    /// Where in the document, such as `uplink.0.ipv4.gateway`; empty if nowhere in particular.
    pub at: String,
    /// What is wrong and what to do, for people.
    pub message: String,
}

/// The running configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// That of the running document: grows with every change of it, including automatic roll back. A confirmation keeps it.
    pub generation: Generation,
    /// `None` while the box is unclaimed.
    pub claimed: Option<Claimed>,
}

/// What a claimed box has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Who this site is in its network.
    pub site_id: SiteId,
    /// The running document.
    pub document: Document,
    /// Set while the running document is on trial.
    pub trial: Option<Trial>,
}

/// A document that goes away by itself unless confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// What comes back otherwise.
    pub falls_back_to: Generation,
    /// Deadline on the monotonic clock of this boot (`CLOCK_BOOTTIME`), in milliseconds. A reboot ends the trial at once.
    pub deadline_uptime_ms: u64,
}

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its generation.
    pub generation: Generation,
    /// When it was committed, in seconds since 1970 by the box's clock.
    pub committed_unix_s: i64,
    /// Who did it: a person, or `roll back`.
    pub author: String,
    /// Whether it is the running one.
    pub running: bool,
}

/// What a person decides in the first-boot flow.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The first document.
    pub document: Document,
    /// PHC string of the administrator's password.
    pub password_phc: String,
    /// How the site comes into a network.
    pub network: Network,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim").field("document", &self.document).finish_non_exhaustive()
    }
}

/// How a site comes into a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// It is the first one. The identity is made in the same transaction.
    Create,
}
