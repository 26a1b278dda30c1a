//! The shell: everything that touches a clock or another service.

pub(crate) mod service;
mod store;

use patronus_ipc::ServiceError;
use patronus_store::StoreError;
use thiserror::Error;

/// Why the service ends.
#[derive(Debug, Error)]
pub(crate) enum Fatal {
    /// As of any service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The drains cannot be read or written.
    #[error("store: {0}")]
    Store(#[from] StoreError),
}
