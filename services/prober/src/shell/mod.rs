//! The shell: everything that touches the kernel, the disk, or another service.

mod desk;
mod moment;
pub(crate) mod service;
mod socket;
mod sources;
mod store;
mod worker;

use std::io;

use patronus_ipc::ServiceError;
use patronus_store::StoreError;
use thiserror::Error;

/// Why the service ends. `init` starts it again; packets go on meanwhile.
#[derive(Debug, Error)]
pub(crate) enum Fatal {
    /// As of any service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The history cannot be read or written.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The thread that probes has ended.
    #[error("probing: {0}")]
    Worker(#[source] io::Error),
}
