//! Identifiers that are bytes: the site and the Ethernet address.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Who a site is: the SHA-256 of its Ed25519 identity key. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SiteId(pub [u8; 32]);

/// A text that is not a site id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a site id is 64 hexadecimal digits")]
pub struct InvalidSiteId;

impl SiteId {
    /// The first eight digits: enough for people to tell sites apart, never enough for a decision.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteId({})", self.short())
    }
}

impl FromStr for SiteId {
    type Err = InvalidSiteId;

    fn from_str(text: &str) -> Result<Self, InvalidSiteId> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidSiteId)?;
        Ok(Self(bytes))
    }
}

/// An Ethernet address (EUI-48), in transmission order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MacAddr(pub [u8; 6]);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_ids_survive_their_text_form() {
        let id = SiteId(std::array::from_fn(|i| i as u8));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.short(), "00010203");
        assert_eq!("zz".parse::<SiteId>(), Err(InvalidSiteId));
    }

    #[test]
    fn ethernet_addresses_read_as_on_the_label() {
        assert_eq!(MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]).to_string(), "52:54:00:12:34:56");
    }
}
