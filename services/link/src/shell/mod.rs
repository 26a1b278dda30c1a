//! The shell: everything that touches the kernel, the disk, or another service.

pub(crate) mod announce;
pub(crate) mod apply;
pub(crate) mod dhcp;
pub(crate) mod firewall;
pub(crate) mod kernel;
pub(crate) mod packet;
pub(crate) mod publish;
pub(crate) mod service;
pub(crate) mod solicit;
pub(crate) mod store;
pub(crate) mod sys;
pub(crate) mod sysfs;

use patronus_ipc::ServiceError;
use thiserror::Error;

/// Why the service ends. `init` starts it again; what is in the kernel stays as it is.
#[derive(Debug, Error)]
pub(crate) enum Fatal {
    /// As of any service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The kernel's network state cannot be read.
    #[error("netlink: {0}")]
    Netlink(#[from] rtnetlink::Error),
    /// The packet filter could not be set; without it no WAN port comes up.
    #[error("packet filter: {0}")]
    Firewall(String),
    /// The stored leases cannot be read or written.
    #[error("lease store: {0}")]
    Store(#[from] patronus_store::StoreError),
}
