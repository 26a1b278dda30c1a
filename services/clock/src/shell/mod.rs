//! The shell: everything that touches the clock, the network, the disk, or another service.

pub(crate) mod ask;
pub(crate) mod dns;
pub(crate) mod round;
pub(crate) mod service;
pub(crate) mod store;
pub(crate) mod sys;
pub(crate) mod time;

use std::io;

use thiserror::Error;

/// Why the service ends. `init` starts it again.
#[derive(Debug, Error)]
pub(crate) enum Fatal {
    /// Not started by `init`.
    #[error("{0}")]
    Context(#[from] patronus_ipc::ContextError),
    /// Something is missing that the manifest should give.
    #[error("{0} was not handed over")]
    Missing(&'static str),
    /// The operating system refused something that must work.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
    /// The mark cannot be read or written.
    #[error("mark: {0}")]
    Store(#[from] patronus_store::StoreError),
}

/// Randomness for numbers that others must not guess.
pub(crate) fn random() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}
