//! The one configuration document of a box: what a person decides, and nothing that the box finds out by itself.
//!
//! *Does*: the shape of the document, version 1, as it is written in TOML and sent to every service.
//! *Never does*: rules across fields (they are in `services/config`), secrets (they never enter the document).

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4},
    ops::RangeInclusive,
};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{
    ForwardName, Guard, HostName, HostPort, Policy, PortName, PortRange, Rule, SiteName, TimeZoneName, Transport,
    UplinkName,
};

/// The version of the document's shape that this code writes. A change of shape adds a version and a migration.
pub const DOCUMENT_VERSION: u32 = 1;

/// How many of a thing a document may hold. One place, checked by `services/config`, tested at the limit and above.
#[derive(Clone, Copy, Debug)]
pub struct Limit;

impl Limit {
    /// Uplinks of one site; the slot number travels in one byte on the wire.
    pub const UPLINKS: usize = 16;
    /// Ports of the LAN bridge.
    pub const LAN_PORTS: usize = 32;
    /// DNS servers of a static uplink.
    pub const DNS_SERVERS: usize = 4;
    /// Forwarded addresses of one uplink: one of each family.
    pub const REACHABLE_AT: usize = 2;
    /// Rules of a policy.
    pub const CLASS_RULES: usize = 1000;
    /// Ranges of ports of all rules together.
    pub const CLASS_PORT_RANGES: usize = 1000;
    /// Prefixes of all these rules together.
    pub const CLASS_PREFIXES: usize = 500;
    /// Time servers.
    pub const CLOCK_SERVERS: usize = 8;
    /// STUN servers; each uplink asks them all.
    pub const STUN_SERVERS: usize = 4;
    /// Collectors of flow records; each gets every message.
    pub const COLLECTORS: usize = 4;
    /// Port forwards of one site.
    pub const FORWARDS: usize = 64;
    /// Prefixes that may use one port forward.
    pub const FORWARD_SOURCES: usize = 8;
    /// Rules of the firewall.
    pub const RULES: usize = 4096;
    /// Prefixes of one rule, on either side; and its port ranges.
    pub const RULE_ENTRIES: usize = 32;
    /// Prefixes and port ranges of all rules together: they are compiled, and take memory.
    pub const RULES_ENTRIES: usize = 16_384;
    /// Lists of sources that uplinks let nothing in from.
    pub const BLOCK_LISTS: usize = 64;
    /// Prefixes of all these lists together, with those that are allowed.
    pub const BLOCKED_PREFIXES: usize = 16_384;
    /// Connections or handshakes a second.
    pub const GUARD_RATE: u32 = 1_000_000;
    /// The document as TOML text, in bytes: 4,096 rules of 190 bytes.
    pub const TOML_BYTES: usize = 768 * 1024;
}

/// The configuration of one site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Always [`DOCUMENT_VERSION`] after parsing.
    pub version: u32,
    /// Who this site is.
    pub site: Site,
    /// Where time comes from.
    #[serde(default)]
    pub clock: Clock,
    /// How other sites find this one.
    #[serde(default)]
    pub discovery: Discovery,
    /// The trusted side.
    pub lan: Lan,
    /// The ways out, most important first; the position is the uplink slot.
    #[serde(default, rename = "uplink")]
    pub uplinks: Vec<Uplink>,
    /// Ports of the uplinks that lead to computers on the LAN.
    #[serde(default, rename = "forward")]
    pub forwards: Vec<Forward>,
    /// Rules of the firewall, the strongest first.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// What uplinks do not let in, whatever the rules say.
    #[serde(default)]
    pub guard: Guard,
    /// Which traffic takes which path to other sites.
    #[serde(default)]
    pub policy: Policy,
    /// Who is told of flows; without it, nobody.
    #[serde(default)]
    pub ipfix: Option<Ipfix>,
}

/// Who is told of flows (IPFIX, RFC 7011).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ipfix {
    /// Where they listen, by UDP.
    pub collectors: Vec<SocketAddr>,
    /// A flow that goes on is told of so often, in seconds.
    #[serde(default = "Ipfix::active_seconds")]
    pub active_seconds: u16,
    /// The observation domain (RFC 7011 section 3.1): which of an operator's boxes it is.
    #[serde(default)]
    pub domain: u32,
}

impl Ipfix {
    /// How often a flow may be told of, in seconds.
    pub const ACTIVE_SECONDS: RangeInclusive<u16> = 10..=3600;

    const fn active_seconds() -> u16 {
        60
    }
}

/// Who this site is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Unique in the network; also the host name.
    pub name: SiteName,
    /// For times shown to people; the box itself counts in UTC.
    pub timezone: TimeZoneName,
}

/// Where time comes from (SNTP, RFC 4330).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Asked in turn; those that DHCP names are asked as well.
    pub servers: Vec<HostName>,
}

impl Default for Clock {
    fn default() -> Self {
        let servers = ["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org"];
        Self { servers: servers.iter().filter_map(|server| server.parse().ok()).collect() }
    }
}

/// How other sites find this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// Servers that tell each uplink at which address it is seen from outside (STUN, RFC 8489). Without any, other sites tell it.
    #[serde(default)]
    pub stun: Vec<HostPort>,
}

/// The trusted side: one bridge over all LAN ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lan {
    /// Members of the bridge; a port has one role only.
    pub ports: Vec<PortName>,
    /// The box's own address and the LAN's prefix, such as 192.168.42.1/24.
    pub address: Ipv4Net,
    /// The same for IPv6, when the site has a fixed prefix.
    #[serde(default)]
    pub address_v6: Option<Ipv6Net>,
}

/// One way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uplink {
    /// What people call it, such as `fibre`.
    pub name: UplinkName,
    /// The port it is plugged into.
    pub port: PortName,
    /// Where other sites reach this uplink's tunnels from outside, because a router before it forwards a port to this box: to UDP port
    /// 51830 plus the slot.
    #[serde(default)]
    pub reachable_at: Vec<SocketAddr>,
    /// What it costs, compared with the others: classes for which cost matters take the cheapest that is good enough.
    #[serde(default)]
    pub cost: u8,
    /// Whether each byte costs: what the box says by itself over it stays within a daily limit.
    #[serde(default)]
    pub metered: bool,
    /// How it gets an IPv4 address.
    #[serde(default)]
    pub ipv4: Ipv4Method,
    /// How it gets an IPv6 address.
    #[serde(default)]
    pub ipv6: Ipv6Method,
}

/// Ports of an uplink that lead to a computer on the LAN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// What people call it, such as `web-server`.
    pub name: ForwardName,
    /// What is forwarded.
    pub protocol: Transport,
    /// The ports outside.
    pub outside: PortRange,
    /// The computer, and its port for the first of those outside; the others follow.
    pub inside: SocketAddrV4,
    /// The uplink that has these ports; without one, each has.
    #[serde(default)]
    pub uplink: Option<UplinkName>,
    /// Who may use it; without any, everybody.
    #[serde(default)]
    pub sources: Vec<Ipv4Net>,
}

/// How an uplink gets its IPv4 address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Ipv4Method {
    /// DHCP (RFC 2131).
    #[default]
    Dhcp,
    /// Given by the provider on paper.
    Static {
        /// Own address and prefix length.
        address: Ipv4Net,
        /// The provider's router; must lie inside the prefix.
        gateway: Ipv4Addr,
        /// Resolvers to ask through this uplink.
        #[serde(default)]
        dns: Vec<Ipv4Addr>,
    },
    /// No IPv4 on this uplink.
    Off,
}

/// How an uplink gets its IPv6 address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Ipv6Method {
    /// Router advertisements (RFC 4862).
    #[default]
    Slaac,
    /// Given by the provider on paper.
    Static {
        /// Own address and prefix length.
        address: Ipv6Net,
        /// The provider's router: inside the prefix, or link-local.
        gateway: Ipv6Addr,
        /// Resolvers to ask through this uplink.
        #[serde(default)]
        dns: Vec<Ipv6Addr>,
    },
    /// No IPv6 on this uplink.
    Off,
}
