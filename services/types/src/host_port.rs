//! A service on a host, as a person writes it: `stun.example.net:3478`.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::HostName;

/// A text that names no host and port. The message is for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" must be HOST:PORT, such as stun.example.net:3478 or [2001:db8::1]:3478")]
pub struct InvalidHostPort(String);

/// A host and a port there that is not 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    /// Name or address.
    pub host: HostName,
    /// TCP or UDP port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = InvalidHostPort;

    fn from_str(text: &str) -> Result<Self, InvalidHostPort> {
        // Long input is cut: the message goes into pages and logs.
        read(text).ok_or_else(|| InvalidHostPort(text.chars().take(80).collect()))
    }
}

fn read(text: &str) -> Option<HostPort> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    // Brackets are around an IPv6 address, and around nothing else.
    let host =
        bare.filter(|bare| bare.parse::<Ipv6Addr>().is_ok()).or_else(|| (!host.contains(':')).then_some(host))?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some(HostPort { host: host.parse().ok()?, port })
}

impl TryFrom<String> for HostPort {
    type Error = InvalidHostPort;

    fn try_from(text: String) -> Result<Self, InvalidHostPort> {
        text.parse()
    }
}

impl From<HostPort> for String {
    fn from(at: HostPort) -> Self {
        at.to_string()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.as_str().contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_is_written_as_it_is_read() {
        for good in ["stun.example.net:3478", "192.0.2.1:1", "[2001:db8::1]:65535"] {
            assert_eq!(good.parse::<HostPort>().unwrap().to_string(), good);
        }
        let bad = ["", "stun", ":1", "stun:", "stun:0", "stun:65536", "2001:db8::1:1", "[stun]:1", "a b:1", "stun:1:1"];
        for bad in bad {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }
}
