//! The vocabulary of Patronus: names, identifiers, addresses and the configuration document.
//!
//! *Does*: types whose values are valid by construction, and that serialise the same everywhere.
//! *Never does*: I/O, clocks, randomness, decisions.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Vocabulary".
#![forbid(unsafe_code)]

mod class;
mod document;
mod generation;
mod guard;
mod host_port;
mod name;
mod network;
mod policy;
pub mod ports;
mod root;
mod rule;
mod site;
mod slot;

pub use class::Class;
pub use document::{
    Clock, DOCUMENT_VERSION, Discovery, Document, Forward, Ipfix, Ipv4Method, Ipv6Method, Lan, Limit, Site, Uplink,
};
pub use generation::Generation;
pub use guard::{BlockList, Guard, GuardHook};
pub use host_port::{HostPort, InvalidHostPort};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use name::{ForwardName, HostName, InvalidName, PortName, RuleName, SiteName, TimeZoneName, UplinkName};
pub use network::NetworkId;
pub use policy::{
    ClassPolicy, ClassRule, Dscp, Failback, OnViolation, Policy, Preset, Sla, Strategy, Traffic, Treatment,
};
pub use ports::{InvalidPorts, PortRange, Transport};
pub use root::{InvalidRootSecret, RootSecret};
pub use rule::{Action, Rule, RuleProtocol, RuleZone};
pub use site::{InvalidSiteId, MacAddr, SiteId};
pub use slot::UplinkSlot;
