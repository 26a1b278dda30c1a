//! The guard of the uplinks, as a person writes it.

use serde::{Deserialize, Serialize};

use crate::{IpNet, RuleName};

/// What is dropped as it comes in by an uplink, before anything else looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Where it looks.
    pub hook: GuardHook,
    /// Whether packets are dropped whose source is nobody's on the Internet (RFC 6890), on uplinks that have an address there.
    pub bogons: bool,
    /// TCP connections that one source may open in a second; 0: as many as it likes.
    pub syn_per_second: u32,
    /// WireGuard handshakes that one source may begin in a second; 0: as many as it likes.
    pub handshakes_per_second: u32,
    /// Sources that are never dropped here.
    pub allow: Vec<IpNet>,
    /// Sources of which nothing is let in.
    pub block: Vec<BlockList>,
}

impl Default for Guard {
    fn default() -> Self {
        let (hook, bogons, syn_per_second, handshakes_per_second) = (GuardHook::Auto, true, 200, 100);
        Self { hook, bogons, syn_per_second, handshakes_per_second, allow: Vec::new(), block: Vec::new() }
    }
}

/// Where the guard looks at packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardHook {
    /// In the driver of network cards, behind it on virtual ones: there, drivers that run programs take no packets of many segments.
    #[default]
    Auto,
    /// In the driver, of whatever kind; behind it where the driver cannot.
    Xdp,
    /// Behind the driver.
    Tc,
}

/// Sources of which nothing is let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockList {
    /// What people call it; packets are counted under this name.
    pub name: RuleName,
    /// IPv4 or IPv6. Of several that hold an address, the longest decides.
    pub prefixes: Vec<IpNet>,
}
