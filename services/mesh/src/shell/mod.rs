//! The shell: everything that touches the network, the disk, a clock, or another service.

pub(crate) mod apply;
pub(crate) mod lan;
pub(crate) mod moment;
pub(crate) mod phase;
pub(crate) mod publish;
pub(crate) mod requests;
pub(crate) mod seed;
pub(crate) mod service;
pub(crate) mod sessions;
pub(crate) mod signing;
pub(crate) mod sources;
pub(crate) mod store;

use std::io;

use patronus_store::StoreError;
use thiserror::Error;
use tokio::task::JoinError;

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
    /// Keys and roster cannot be read or written.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The box was claimed anew while this service ran.
    #[error("this box has another identity now")]
    OtherIdentity,
}

impl Fatal {
    /// Nobody answers on the socket any more.
    pub(crate) fn not_answering(ended: Result<io::Result<()>, JoinError>) -> Self {
        let error = ended.map_err(io::Error::other).flatten().err();
        Self::Io("ipc", error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }
}
