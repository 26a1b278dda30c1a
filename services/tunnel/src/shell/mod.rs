//! The shell: everything that touches the kernel, the disk, or another service.

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

use patronus_ipc::ServiceError;
use patronus_store::StoreError;
use thiserror::Error;

/// Why the service ends. `init` starts it again; devices and routes stay in the kernel meanwhile.
#[derive(Debug, Error)]
pub(crate) enum Fatal {
    /// As of any service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Keys cannot be read or written.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A thread that carries packets has ended.
    #[error("slot {0}: {1}")]
    Slot(patronus_types::UplinkSlot, #[source] io::Error),
}
