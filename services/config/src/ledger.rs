//! The commit state machine.
//!
//! ```text
//!             Claim                 Apply(confirm_within)
//! unclaimed ---------> settled(N) ------------------------> trial(N+1, falls back to N)
//!                       |    ^  ^ ^                          |          |
//!      Apply, Rollback  +----+  | +--- Confirm (N+1 stays) --+          |
//!                               +----- deadline, reboot, Rollback ------+
//!                                      (N+2 has the document of N)
//! ```
//! *Does*: turn a request, the deadline or a start into at most one [`Change`]. The caller writes the change to disk, then gives it back
//! with [`Ledger::commit`], then acknowledges.
//! *Never does*: change itself before [`Ledger::commit`]; afterwards it is what a restart would read from disk.

mod requests;

use ed25519_dalek::SigningKey;
use patronus_ipc::config::{Claimed, Reply, State, Trial};
use patronus_types::{Document, Generation, SiteId};
use sha2::{Digest, Sha256};

use crate::{Change, Damage, Head, Record, Snapshot, document, limit};

/// The author of a roll back that nobody asked for.
pub const ROLL_BACK: &str = "roll back";

/// The box's configuration, and the way it changes.
#[derive(Clone, Debug)]
pub struct Ledger {
    disk: Snapshot,
    state: State,
}

/// When something happens, and the randomness it may use.
#[derive(Clone, Debug)]
pub struct Moment {
    /// `CLOCK_BOOTTIME` in milliseconds.
    pub uptime_ms: u64,
    /// The box's clock in seconds since 1970.
    pub unix_s: i64,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// Fresh random bytes; a claim makes the identity from them.
    pub entropy: [u8; 32],
}

/// What a request leads to: the reply holds once the change, if any, is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to write first.
    pub change: Option<Change>,
    /// What to answer then.
    pub reply: Reply,
}

impl Ledger {
    /// Takes over what lies on disk.
    ///
    /// # Errors
    /// [`Damage`] if it does not fit together.
    pub fn restore(disk: Snapshot) -> Result<Self, Damage> {
        let state = read_state(&disk)?;
        Ok(Self { disk, state })
    }

    /// What followers see.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// What a restart would read.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.disk
    }

    /// When [`Ledger::handle_timeout`] wants to be called, on the monotonic clock of this boot in milliseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.disk.head.as_ref()?.trial.as_ref().map(|trial| trial.deadline_uptime_ms)
    }

    /// To be called once after a start: a trial outlives the service, but not the boot.
    #[must_use]
    pub fn handle_start(&self, moment: &Moment) -> Option<Change> {
        let trial = self.disk.head.as_ref()?.trial.as_ref()?;
        if trial.boot_id == moment.boot_id { self.handle_timeout(moment) } else { self.roll_back(moment) }
    }

    /// Ends a trial whose deadline has come.
    #[must_use]
    pub fn handle_timeout(&self, moment: &Moment) -> Option<Change> {
        if moment.uptime_ms >= self.deadline()? { self.roll_back(moment) } else { None }
    }

    /// Takes note that the change is on disk.
    ///
    /// # Errors
    /// [`Damage`] if the change was not one of this ledger's; the ledger is as before.
    pub fn commit(&mut self, change: Change) -> Result<(), Damage> {
        let mut disk = self.disk.clone();
        disk.apply(change);
        *self = Self::restore(disk)?;
        Ok(())
    }

    fn roll_back(&self, moment: &Moment) -> Option<Change> {
        let trial = self.disk.head.as_ref()?.trial.as_ref()?;
        let toml = self.disk.records.get(&trial.falls_back_to)?.toml.clone();
        Some(self.revision(Record { committed_unix_s: moment.unix_s, author: ROLL_BACK.to_owned(), toml }))
    }

    /// A change that makes `record` the running revision, for good.
    fn revision(&self, record: Record) -> Change {
        let running = self.disk.records.keys().next_back().copied().unwrap_or_default().next();
        let head = Head { running, trial: None };
        Change { head, record: Some((running, record)), forget: self.forget(None), secret: None }
    }

    /// The oldest revisions, so that there is room for a new one; never `keep`.
    fn forget(&self, keep: Option<Generation>) -> Vec<Generation> {
        let surplus = self.disk.records.len().saturating_add(1).saturating_sub(limit::HISTORY);
        self.disk.records.keys().copied().filter(|generation| Some(*generation) != keep).take(surplus).collect()
    }
}

fn read_state(disk: &Snapshot) -> Result<State, Damage> {
    let (head, secret) = match (&disk.head, &disk.secret) {
        (Some(head), Some(secret)) => (head, secret),
        (None, None) if disk.records.is_empty() => return Ok(State::default()),
        _ => return Err(Damage::HalfClaimed),
    };
    let document = read_document(disk, head.running)?;
    let trial = match &head.trial {
        None => None,
        Some(trial) => {
            // Read for the error only: what a trial falls back to must be there when it is needed.
            read_document(disk, trial.falls_back_to)?;
            Some(Trial { falls_back_to: trial.falls_back_to, deadline_uptime_ms: trial.deadline_uptime_ms })
        }
    };
    let claimed = Claimed { site_id: site_id(&secret.identity_seed), document, trial };
    Ok(State { generation: head.running, claimed: Some(claimed) })
}

/// Parsed and not validated: what ran before an upgrade runs after it, even if a rule has become stricter.
fn read_document(disk: &Snapshot, generation: Generation) -> Result<Document, Damage> {
    let record = disk.records.get(&generation).ok_or(Damage::RecordMissing(generation))?;
    document::parse(&record.toml).map_err(|problem| Damage::RecordUnreadable { generation, message: problem.message })
}

/// Who a site is: the SHA-256 of its Ed25519 public key.
fn site_id(identity_seed: &[u8; 32]) -> SiteId {
    let public = SigningKey::from_bytes(identity_seed).verifying_key();
    SiteId(Sha256::digest(public.as_bytes()).into())
}

#[cfg(test)]
mod tests;
