//! Where a router is: a host, and a port when it is not the usual one.
//!
//! *Does*: read `HOST` or `HOST:PORT`, where HOST is a name, an IPv4 address or an IPv6 address (in brackets before a port), and write it the same way.
//! *Never does*: hold text that could name a file elsewhere, or a host that no Host field can carry.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use crate::error::Error;

const HTTPS: u16 = 443;
/// Longest name (RFC 1035 section 2.3.4).
const NAME_BYTES: usize = 253;

/// A router that can be asked, and named a file after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Router {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// A name or an IPv4 address, in lower case.
    Name(String),
    V6(Ipv6Addr),
}

impl Router {
    /// For a socket and a certificate: without brackets and port.
    pub(crate) fn host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::V6(address) => address.to_string(),
        }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Value of the Host field (RFC 9110 section 7.2).
    pub(crate) fn authority(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::V6(address) => format!("[{address}]"),
        };
        if self.port == HTTPS { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.port == HTTPS { f.write_str(&self.host()) } else { f.write_str(&self.authority()) }
    }
}

impl FromStr for Router {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| Error::BadHost(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Router> {
    if let Ok(address) = text.parse() {
        return Some(Router { host: Host::V6(address), port: HTTPS });
    }
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let port = if rest.is_empty() { HTTPS } else { parse_port(rest.strip_prefix(':')?)? };
        return Some(Router { host: Host::V6(address.parse().ok()?), port });
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, parse_port(port)?),
        None => (text, HTTPS),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let good = !name.is_empty() && name.len() <= NAME_BYTES && !name.starts_with(['.', '-']) && name.bytes().all(plain);
    good.then(|| Router { host: Host::Name(name.to_ascii_lowercase()), port })
}

fn parse_port(digits: &str) -> Option<u16> {
    let port = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    (port > 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_is_read_and_written_the_same_way() {
        for (typed, written, host, port, authority) in [
            ("Patronus.LAN", "patronus.lan", "patronus.lan", 443, "patronus.lan"),
            ("192.168.42.1", "192.168.42.1", "192.168.42.1", 443, "192.168.42.1"),
            ("192.168.42.1:443", "192.168.42.1", "192.168.42.1", 443, "192.168.42.1"),
            ("127.0.0.1:8443", "127.0.0.1:8443", "127.0.0.1", 8443, "127.0.0.1:8443"),
            ("localhost:65535", "localhost:65535", "localhost", 65535, "localhost:65535"),
            ("FD00::1", "fd00::1", "fd00::1", 443, "[fd00::1]"),
            ("[fd00::1]", "fd00::1", "fd00::1", 443, "[fd00::1]"),
            ("[fd00::1]:8443", "[fd00::1]:8443", "fd00::1", 8443, "[fd00::1]:8443"),
        ] {
            let router: Router = typed.parse().unwrap();
            assert_eq!((router.to_string().as_str(), router.port()), (written, port), "{typed}");
            assert_eq!((router.host().as_str(), router.authority().as_str()), (host, authority), "{typed}");
            assert_eq!(written.parse::<Router>().unwrap(), router);
        }
    }

    #[test]
    fn what_is_no_host_or_no_port_is_refused() {
        let longest = "a".repeat(NAME_BYTES);
        assert!(longest.parse::<Router>().is_ok());
        assert!(format!("{longest}a").parse::<Router>().is_err());
        for bad in [
            "",
            ":",
            ":443",
            "../x",
            "a/b",
            "..",
            "a b",
            "h\u{e4}",
            "-x",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            "host:https",
            "host:1:2",
            "[fd00::1",
            "[fd00::1]8443",
            "[fd00::1]:",
            "[host]:1",
            "[]:1",
            "fe80::1%eth0",
        ] {
            assert!(bad.parse::<Router>().is_err(), "{bad}");
        }
    }
}
