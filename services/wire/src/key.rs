//! Public keys: Ed25519 for who somebody is, X25519 for his tunnels. Never one for the other.
//!
//! *Does*: accept a key in its one encoding only, so that no key has two names.
//! *Never does*: accept a key of small order, with which signatures or sessions mean nothing.
//! *Spec*: RFC 8032 section 5.1.3, RFC 7748 section 5.

use std::{cmp::Ordering, fmt};

use ed25519_dalek::VerifyingKey;
use patronus_types::{NetworkId, SiteId};

use crate::{
    Refused,
    bytes::{Reader, Writer},
    digest::sha256,
};

/// An Ed25519 public key: of a root, a signer, or a site.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentityKey(VerifyingKey);

impl IdentityKey {
    /// The key with this encoding.
    ///
    /// # Errors
    /// [`Refused::KeyInvalid`] if it is no point or not its one encoding, [`Refused::KeyWeak`] if it is of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Refused> {
        if !is_below_prime(bytes) {
            return Err(Refused::KeyInvalid);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Refused::KeyInvalid)?;
        if key.is_weak() { Err(Refused::KeyWeak) } else { Ok(Self(key)) }
    }

    /// Its encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(crate) const fn verifying_key(&self) -> &VerifyingKey {
        &self.0
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        Self::from_bytes(&reader.array()?)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.as_bytes());
    }
}

impl From<&ed25519_dalek::SigningKey> for IdentityKey {
    fn from(key: &ed25519_dalek::SigningKey) -> Self {
        Self(key.verifying_key())
    }
}

impl PartialOrd for IdentityKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IdentityKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", data_encoding::HEXLOWER.encode(self.as_bytes().get(..4).unwrap_or_default()))
    }
}

/// Who the site with this key is.
#[must_use]
pub fn site_id(key: &IdentityKey) -> SiteId {
    SiteId(sha256(&[key.as_bytes()]))
}

/// Which network the root with this key stands for.
#[must_use]
pub fn network_id(root: &IdentityKey) -> NetworkId {
    NetworkId(sha256(&[root.as_bytes()]))
}

/// An X25519 public key: of one uplink slot of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelKey([u8; 32]);

impl TunnelKey {
    /// The key with this encoding.
    ///
    /// # Errors
    /// [`Refused::TunnelKeyInvalid`] if it is not its one encoding, [`Refused::TunnelKeyWeak`] if every session with it would have the
    /// same secret.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, Refused> {
        if bytes.last().is_none_or(|last| last & 0x80 != 0) || !is_below_prime(&bytes) {
            return Err(Refused::TunnelKeyInvalid);
        }
        if SMALL_ORDER.contains(&bytes) { Err(Refused::TunnelKeyWeak) } else { Ok(Self(bytes)) }
    }

    /// Its encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 2^255 - 19 in little-endian bytes.
const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The u coordinates of small order below the prime: 0, 1, two of order 8, and -1.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    {
        let mut minus_one = PRIME;
        minus_one[0] = 0xec;
        minus_one
    },
];

/// Whether the lower 255 bits are the one encoding of a field element. The highest bit is not looked at.
fn is_below_prime(bytes: &[u8; 32]) -> bool {
    let mut field = *bytes;
    if let Some(last) = field.last_mut() {
        *last &= 0x7f;
    }
    field.iter().rev().lt(PRIME.iter().rev())
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::MontgomeryPoint;
    use ed25519_dalek::SigningKey;

    use super::*;

    #[test]
    fn a_key_has_one_encoding() {
        let good = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        assert!(IdentityKey::from_bytes(&good).is_ok());
        // y = 2^255 - 19 + 3 is y = 3 a second time.
        let mut second = PRIME;
        second[0] += 3;
        assert_eq!(IdentityKey::from_bytes(&second), Err(Refused::KeyInvalid));
        assert_eq!(IdentityKey::from_bytes(&[2; 32]).err(), Some(Refused::KeyInvalid));
        assert_eq!(TunnelKey::from_bytes(second), Err(Refused::TunnelKeyInvalid));
        let mut high = [9; 32];
        high[31] = 0x89;
        assert_eq!(TunnelKey::from_bytes(high), Err(Refused::TunnelKeyInvalid));
    }

    #[test]
    fn keys_of_small_order_are_weak() {
        let mut one = [0; 32];
        one[0] = 1;
        assert_eq!(IdentityKey::from_bytes(&one), Err(Refused::KeyWeak));
        for weak in SMALL_ORDER {
            assert_eq!(TunnelKey::from_bytes(weak), Err(Refused::TunnelKeyWeak));
            assert_eq!(MontgomeryPoint(weak).mul_clamped([0x5a; 32]), MontgomeryPoint([0; 32]), "every session alike");
        }
        assert!(TunnelKey::from_bytes([9; 32]).is_ok());
    }
}
