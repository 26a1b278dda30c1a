//! Rules of the firewall, as a person writes them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{IpNet, PortRange, RuleName};

/// A rule: what it does with the first packet of a flow that is as it says. The first rule that fits decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What people call it, such as `no-telnet`; its count is kept under this name.
    pub name: RuleName,
    /// What it does.
    pub action: Action,
    /// Where the flow begins; anywhere if left out.
    #[serde(default)]
    pub from: Option<RuleZone>,
    /// Where it goes; anywhere if left out.
    #[serde(default)]
    pub to: Option<RuleZone>,
    /// Who begins it; anybody if left out.
    #[serde(default)]
    pub source: Vec<IpNet>,
    /// With whom; anybody if left out.
    #[serde(default)]
    pub destination: Vec<IpNet>,
    /// The other site, by its name or id: all its prefixes, as they are.
    #[serde(default)]
    pub site: Option<String>,
    /// The protocol; any if left out.
    #[serde(default)]
    pub protocol: Option<RuleProtocol>,
    /// Ports at the destination, of TCP or UDP.
    #[serde(default)]
    pub ports: Vec<PortRange>,
    /// Differentiated services code point (RFC 2474) of the first packet.
    #[serde(default)]
    pub dscp: Option<u8>,
    /// Whether first packets that it decides about go into the log.
    #[serde(default)]
    pub log: bool,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The flow may go on, in both directions.
    Allow,
    /// Its packets vanish.
    Drop,
}

/// Where packets come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleZone {
    /// The uplinks.
    Wan,
    /// The LAN.
    Lan,
    /// Other sites.
    Mesh,
    /// The router itself.
    #[serde(rename = "self")]
    Own,
}

/// A protocol above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleProtocol {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// ICMP (RFC 792): pings.
    Icmp,
    /// Encapsulating security payload (RFC 4303).
    Esp,
    /// Generic routing encapsulation (RFC 2784).
    Gre,
}

impl RuleProtocol {
    /// Its number in an IP header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Icmp => 1,
            Self::Esp => 50,
            Self::Gre => 47,
        }
    }

    /// Whether it has ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Esp => "esp",
            Self::Gre => "gre",
        }
    }
}

impl fmt::Display for RuleZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Wan => "wan",
            Self::Lan => "lan",
            Self::Mesh => "mesh",
            Self::Own => "self",
        })
    }
}
