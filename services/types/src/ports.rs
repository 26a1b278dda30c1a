//! Ports of TCP and UDP.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// UDP port of `mesh` among sites on one network (`docs/membership.md`, section "Discovery").
pub const DISCOVERY_PORT: u16 = 51_821;
/// TCP port of a seed (`docs/membership.md`, section "Beyond the LAN").
pub const SEED_PORT: u16 = 51_822;
/// UDP port of `mesh` inside tunnels (`docs/wire.md`, section "Inside tunnels").
pub const MESH_PORT: u16 = 51_823;
/// UDP port of `prober` inside tunnels (`docs/prober.md`).
pub const PROBER_PORT: u16 = 51_824;
/// What sites say to each other inside tunnels; nobody on a LAN may.
pub const INNER_PORTS: RangeInclusive<u16> = MESH_PORT..=PROBER_PORT;
/// UDP ports of WireGuard, one for each slot (`docs/tunnel.md`, section "Paths").
pub const WIREGUARD_PORTS: RangeInclusive<u16> = 51_830..=51_845;
/// Ports on which the box itself is spoken to; the last is that of DHCP's answers.
pub const OWN_PORTS: [RangeInclusive<u16>; 3] = [DISCOVERY_PORT..=PROBER_PORT, WIREGUARD_PORTS, 68..=68];

/// What has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

impl Transport {
    /// Its number in an IP header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Ports that follow each other, written `8080` or `8000-8010`. None of them is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// A text that names no ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write a port from 1 to 65535, such as 8080, or several that follow each other, such as 8000-8010")]
pub struct InvalidPorts;

impl PortRange {
    /// From `first` to `last`, both among them.
    ///
    /// # Errors
    /// [`InvalidPorts`] if that is none, or one of them is 0.
    pub const fn new(first: u16, last: u16) -> Result<Self, InvalidPorts> {
        if first == 0 || last < first { Err(InvalidPorts) } else { Ok(Self { first, last }) }
    }

    /// The first.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The last.
    #[must_use]
    pub const fn last(self) -> u16 {
        self.last
    }

    /// How many come after the first.
    #[must_use]
    pub const fn more(self) -> u16 {
        self.last - self.first
    }

    /// Whether any port is in both.
    #[must_use]
    pub fn overlaps(self, other: &RangeInclusive<u16>) -> bool {
        self.first <= *other.end() && *other.start() <= self.last
    }
}

impl FromStr for PortRange {
    type Err = InvalidPorts;

    fn from_str(text: &str) -> Result<Self, InvalidPorts> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |word: &str| {
            let digits = word.trim();
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten().ok_or(InvalidPorts)
        };
        Self::new(port(first)?, port(last)?)
    }
}

impl TryFrom<String> for PortRange {
    type Error = InvalidPorts;

    fn try_from(text: String) -> Result<Self, InvalidPorts> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(ports: PortRange) -> Self {
        ports.to_string()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_as_they_are_read() {
        for (typed, written) in [("80", "80"), (" 8000 - 8010 ", "8000-8010"), ("1-65535", "1-65535"), ("7-7", "7")] {
            assert_eq!(typed.parse::<PortRange>().unwrap().to_string(), written);
        }
        for bad in ["", "0", "0-5", "65536", "9-8", "-", "1-", "-1", "+1", "1-2-3", "http"] {
            assert_eq!(bad.parse::<PortRange>(), Err(InvalidPorts), "{bad}");
        }
    }

    #[test]
    fn ranges_overlap_when_they_share_a_port() {
        let ports: PortRange = "10-20".parse().unwrap();
        for (other, shares) in [(1..=9, false), (1..=10, true), (12..=13, true), (20..=30, true), (21..=30, false)] {
            assert_eq!(ports.overlaps(&other), shares, "{other:?}");
        }
    }
}
