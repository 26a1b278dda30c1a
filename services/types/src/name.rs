//! Names that people and kernels give to things, each with its own alphabet and length.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text that is not a valid name. The message is for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} \"{text}\" {reason}")]
pub struct InvalidName {
    what: &'static str,
    text: String,
    reason: &'static str,
}

/// Declares a name: a string that a rule has accepted.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                match $rule(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    // Long input is cut: the message goes into pages and logs.
                    Err(reason) => Err(InvalidName { what: $what, text: text.chars().take(80).collect(), reason }),
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// The name of a site, such as `hq-chicago`: one DNS label (RFC 1123), because it is also the host name.
    SiteName, "site name", dns_label
);
name!(
    /// The name of an uplink, such as `fibre`: a DNS label, unique on its site.
    UplinkName, "uplink name", dns_label
);
name!(
    /// The name of a port forward, such as `web-server`: a DNS label, unique on its site.
    ForwardName, "port forward", dns_label
);
name!(
    /// The name of a rule of the firewall or of a block list, such as `no-telnet`: a DNS label, unique among its kind on its site.
    RuleName, "rule", dns_label
);
name!(
    /// The name of a network interface as the kernel knows it, such as `eth0`.
    PortName, "port", interface_name
);
name!(
    /// The name of a host to be asked over the network: a DNS name or an IP address.
    HostName, "host", host_name
);
name!(
    /// The name of a time zone in the IANA database, such as `Europe/Zurich`. That it exists is checked by `config`.
    TimeZoneName, "time zone", time_zone
);

fn dns_label(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 63 {
        return Err("must have 1 to 63 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err("may contain only the letters a-z, digits and \"-\"");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err("must begin and end with a letter or digit");
    }
    Ok(())
}

/// Linux: `dev_valid_name` in `net/core/dev.c`, narrowed to printable ASCII.
fn interface_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 15 {
        return Err("must have 1 to 15 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) || matches!(text, "." | "..")
    {
        return Err("may contain only letters, digits, \"-\", \"_\" and \".\"");
    }
    Ok(())
}

fn host_name(text: &str) -> Result<(), &'static str> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    if text.is_empty() || text.len() > 253 {
        return Err("must have 1 to 253 characters");
    }
    text.to_ascii_lowercase().split('.').try_for_each(dns_label).map_err(|_| "must be a DNS name or an IP address")
}

fn time_zone(text: &str) -> Result<(), &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err("must be a name such as Europe/Zurich or UTC");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_names_are_dns_labels() {
        for good in ["a", "hq-chicago", "0", &"x".repeat(63)] {
            assert!(good.parse::<SiteName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "HQ", "a.b", "a b", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<SiteName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn port_names_are_those_the_kernel_accepts() {
        assert!("enp1s0f0.100".parse::<PortName>().is_ok());
        for bad in ["", ".", "..", "a/b", "a b", "sixteen-letters-"] {
            assert!(bad.parse::<PortName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for good in ["pool.ntp.org", "192.0.2.1", "2001:db8::1", "localhost"] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        for bad in ["", "a..b", "http://x", "a b"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_message_says_what_is_wrong_with_which_text() {
        let message = "Bad Name".parse::<SiteName>().unwrap_err().to_string();
        assert_eq!(message, "site name \"Bad Name\" may contain only the letters a-z, digits and \"-\"");
    }
}
