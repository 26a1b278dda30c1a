//! The shell: everything that touches the clock, the network, the disk, or another service.

pub(crate) mod ask;
pub(crate) mod round;
pub(crate) mod service;
pub(crate) mod store;
pub(crate) mod sys;
pub(crate) mod time;

use std::io;

use patronus_ipc::ServiceError;
use thiserror::Error;

/// Why the service ends. `init` starts it again.
#[derive(Debug, Error)]
pub(crate) enum Fatal {
    /// As of any service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The mark cannot be read or written.
    #[error("mark: {0}")]
    Store(#[from] patronus_store::StoreError),
}

/// Randomness for numbers that others must not guess.
pub(crate) fn random() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}
