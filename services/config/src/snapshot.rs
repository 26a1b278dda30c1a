//! What lies on disk, as values: the shapes of the database and the change that one transaction makes.
//!
//! *Does*: apply a [`Change`] to a [`Snapshot`] in memory exactly as the store does it on disk.
//! *Never does*: hold anything that cannot be read back after a restart.

use std::{collections::BTreeMap, fmt};

use patronus_types::Generation;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Everything on disk. The default is an unclaimed box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Which revision runs; `None` while unclaimed.
    pub head: Option<Head>,
    /// The history, by generation.
    pub records: BTreeMap<Generation, Record>,
    /// What never leaves the box; `None` while unclaimed.
    pub secret: Option<Secret>,
}

impl Snapshot {
    /// What the disk holds after this change.
    pub fn apply(&mut self, change: Change) {
        self.head = Some(change.head);
        for generation in change.forget {
            self.records.remove(&generation);
        }
        if let Some((generation, record)) = change.record {
            self.records.insert(generation, record);
        }
        if let Some(secret) = change.secret {
            self.secret = Some(secret);
        }
    }
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The new head.
    pub head: Head,
    /// A new revision.
    pub record: Option<(Generation, Record)>,
    /// Revisions that leave the history.
    pub forget: Vec<Generation>,
    /// New secrets.
    pub secret: Option<Secret>,
}

/// Which revision runs, and on which terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The running revision; always the newest.
    pub running: Generation,
    /// Set while it is on trial.
    pub trial: Option<TrialRecord>,
}

/// A trial as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Whose document comes back.
    pub falls_back_to: Generation,
    /// When, on the monotonic clock of the boot `boot_id`, in milliseconds.
    pub deadline_uptime_ms: u64,
    /// The kernel's id of the boot in which the trial began; it ends with that boot.
    pub boot_id: String,
}

/// One revision. The document is kept as text, with its own version inside, so that later versions can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it was committed, in seconds since 1970.
    pub committed_unix_s: i64,
    /// Who did it.
    pub author: String,
    /// The document.
    pub toml: String,
}

/// What never leaves the box, apart from the verifier, which `web` asks for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Seed of the Ed25519 identity key (RFC 8032 section 5.1.5). Made once and kept.
    pub identity_seed: [u8; 32],
    /// PHC string of the administrator's password.
    pub password_phc: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The disk holds something that no sequence of changes leads to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// A claimed box without identity, or the reverse.
    #[error("head and secrets do not belong together")]
    HalfClaimed,
    /// The running revision, or the one a trial falls back to, is not there.
    #[error("generation {0} is missing from the history")]
    RecordMissing(Generation),
    /// A revision that must be readable is not.
    #[error("generation {generation} cannot be read: {message}")]
    RecordUnreadable {
        /// Which.
        generation: Generation,
        /// What is wrong with it.
        message: String,
    },
}
