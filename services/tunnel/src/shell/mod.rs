//! The shell: everything that touches the kernel, the disk, or another service.

pub(crate) mod desk;
pub(crate) mod devices;
pub(crate) mod report;
pub(crate) mod service;
pub(crate) mod slots;
pub(crate) mod store;
pub(crate) mod sys;
pub(crate) mod tun;
pub(crate) mod udp;
pub(crate) mod worker;

use std::io;

use patronus_store::StoreError;
use thiserror::Error;
use tokio::task::JoinError;

/// Why the service ends. `init` starts it again; devices and routes stay in the kernel meanwhile.
#[derive(Debug, Error)]
pub(crate) enum Fatal {
    /// Not started by `init`.
    #[error("{0}")]
    Context(#[from] patronus_ipc::ContextError),
    /// A directory or descriptor is missing that the manifest should give.
    #[error("{0} was not handed over")]
    Missing(&'static str),
    /// The operating system refused something that must work.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
    /// Keys cannot be read or written.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A thread that carries packets has ended.
    #[error("slot {0}: {1}")]
    Slot(patronus_types::UplinkSlot, #[source] io::Error),
}

impl Fatal {
    /// Nobody answers on the socket any more.
    pub(crate) fn not_answering(ended: Result<io::Result<()>, JoinError>) -> Self {
        let error = ended.map_err(io::Error::other).flatten().err();
        Self::Io("ipc", error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }
}
