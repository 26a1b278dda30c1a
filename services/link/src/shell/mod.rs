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

use std::io;

use thiserror::Error;

/// Why the service ends. `init` starts it again; what is in the kernel stays as it is.
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
