//! The generation number of a snapshot.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How often a piece of state has changed since it was first made; 0 means "never set".
///
/// State moves between services as whole snapshots: a receiver keeps the highest generation and needs nothing older.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one. Saturates: 2^64 changes do not happen.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
