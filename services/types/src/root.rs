//! The secret half of a network's root.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Seed of the Ed25519 key that a network's trust begins with. It lies in a recovery file and on no box. Written as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSecret(pub [u8; 32]);

/// A text that is no root secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a root key is 64 hexadecimal digits")]
pub struct InvalidRootSecret;

impl RootSecret {
    /// As it stands in the recovery file.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for RootSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootSecret")
    }
}

impl FromStr for RootSecret {
    type Err = InvalidRootSecret;

    fn from_str(text: &str) -> Result<Self, InvalidRootSecret> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidRootSecret)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_secret_survives_its_text_and_is_never_told_by_accident() {
        let secret = RootSecret([0xa5; 32]);
        assert_eq!(secret.to_hex().parse(), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "RootSecret");
        assert_eq!("a5".parse::<RootSecret>(), Err(InvalidRootSecret));
    }
}
