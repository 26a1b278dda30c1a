//! Why a datagram was not used, and how often.

use std::collections::BTreeMap;

use thiserror::Error;

/// Why a datagram was not used. It is dropped; its name is its counter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Reject {
    /// From an address that is no site's of these paths.
    #[error("unknown-source")]
    UnknownSource,
    /// From a site with which there is no such path.
    #[error("unknown-path")]
    UnknownPath,
    /// Fewer bytes than a packet has.
    #[error("too-short")]
    TooShort,
    /// More bytes than a packet may have.
    #[error("too-long")]
    TooLong,
    /// Of another version.
    #[error("unknown-version")]
    UnknownVersion,
    /// Neither probe nor answer.
    #[error("unknown-kind")]
    UnknownKind,
    /// Numbers that no sender has.
    #[error("impossible")]
    Impossible,
    /// An answer to nothing that was asked.
    #[error("not-asked")]
    NotAsked,
    /// One path was asked more often than it answers.
    #[error("too-many")]
    TooMany,
    /// One site has sent more load than tests need.
    #[error("too-much-load")]
    TooMuchLoad,
    /// Load on an uplink that pays for each byte.
    #[error("load-on-metered")]
    LoadOnMetered,
    /// Not sent: this box has sent all that it may in a second.
    #[error("budget-spent")]
    BudgetSpent,
    /// Not sent: the metered uplink has had its bytes.
    #[error("metered-budget-spent")]
    MeteredBudgetSpent,
}

/// How often, by reason.
#[derive(Clone, Debug, Default)]
pub struct Rejects(BTreeMap<Reject, u64>);

impl Rejects {
    /// One more.
    pub fn count(&mut self, reason: Reject) {
        *self.0.entry(reason).or_default() += 1;
    }

    /// As they are published.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(reason, count)| (reason.to_string(), *count)).collect()
    }
}
