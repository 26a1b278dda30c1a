//! The vocabulary of Patronus: names, identifiers, addresses and the configuration document.
//!
//! *Does*: types whose values are valid by construction, and that serialise the same everywhere.
//! *Never does*: I/O, clocks, randomness, decisions.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Vocabulary".
#![forbid(unsafe_code)]

mod document;
mod generation;
mod name;
mod network;
mod root;
mod site;
mod slot;

pub use document::{Clock, DOCUMENT_VERSION, Document, Ipv4Method, Ipv6Method, Lan, Limit, Site, Uplink};
pub use generation::Generation;
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use name::{HostName, InvalidName, PortName, SiteName, TimeZoneName, UplinkName};
pub use network::NetworkId;
pub use root::{InvalidRootSecret, RootSecret};
pub use site::{InvalidSiteId, MacAddr, SiteId};
pub use slot::UplinkSlot;
