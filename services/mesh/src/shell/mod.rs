//! The shell: everything that touches the network, the disk, a clock, or another service.

pub(crate) mod apply;
pub(crate) mod inside;
pub(crate) mod lan;
pub(crate) mod moment;
pub(crate) mod phase;
pub(crate) mod publish;
pub(crate) mod requests;
pub(crate) mod seed;
pub(crate) mod service;
pub(crate) mod sessions;
pub(crate) mod signers;
pub(crate) mod signing;
pub(crate) mod sources;
pub(crate) mod store;
pub(crate) mod stun;

use patronus_ipc::ServiceError;
use patronus_store::StoreError;
use thiserror::Error;

/// Why the service ends. `init` starts it again.
#[derive(Debug, Error)]
pub(crate) enum Fatal {
    /// As of any service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Keys and roster cannot be read or written.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The box was claimed anew while this service ran.
    #[error("this box has another identity now")]
    OtherIdentity,
}
