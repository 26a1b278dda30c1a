//! What a person carries to a new site: where the network is, whom to trust, and the right to join once.
//!
//! As text: `patronus1`, then base32 (RFC 4648) without padding of the bytes and the first four of their SHA-256. Case and white space
//! do not matter, so it survives mail programs and QR codes in upper case.
//!
//! *Never does*: decide whether it is still good: only the signer that made it knows.
//! *Spec*: `docs/wire.md`, section "Join tokens".

use std::fmt;

use data_encoding::BASE32_NOPAD;
use patronus_types::{HostName, IpNet};

use crate::{
    IdentityKey, Refused,
    bytes::{Reader, Writer},
    digest::sha256,
    limit,
    object::VERSION,
    prefix,
    record::{Roles, read_roles},
};

const PREFIX: &str = "patronus1";
const CHECKSUM_BYTES: usize = 4;

/// The name of a token; says nothing about its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub [u8; 16]);

/// The right to join, once.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(pub [u8; 16]);

impl TokenSecret {
    /// Under which name the signer keeps it.
    #[must_use]
    pub fn id(&self) -> TokenId {
        let mut id = [0; 16];
        id.iter_mut().zip(sha256(&[b"patronus/1/token-id\0", &self.0])).for_each(|(place, byte)| *place = byte);
        TokenId(id)
    }

    /// What request and answer are sealed with.
    pub(crate) fn seal_key(&self) -> [u8; 32] {
        sha256(&[b"patronus/1/join-key\0", &self.0])
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSecret of {:?}", self.id())
    }
}

/// Where the network can be asked: TCP, TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Name or address.
    pub host: HostName,
    /// TCP port.
    pub port: u16,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// Whom to trust; its hash is the network's id.
    pub root: IdentityKey,
    /// The right to join.
    pub secret: TokenSecret,
    /// Until when, in seconds since 1970.
    pub expires_s: u64,
    /// What the site may be.
    pub roles: Roles,
    /// What the site may have behind it.
    pub prefixes: Vec<IpNet>,
    /// Whom to ask beyond the LAN.
    pub seeds: Vec<Seed>,
}

impl JoinToken {
    /// The token as bytes.
    ///
    /// # Errors
    /// What a reader of them would say.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Refused> {
        let mut writer = Writer::default();
        writer.u8(VERSION);
        self.root.write(&mut writer);
        writer.bytes(&self.secret.0);
        writer.u64(self.expires_s);
        writer.u8(self.roles.bits());
        prefix::write_all(&self.prefixes, &mut writer);
        writer.count(self.seeds.len());
        for seed in &self.seeds {
            writer.count(seed.host.as_str().len());
            writer.bytes(seed.host.as_str().as_bytes());
            writer.u16(seed.port);
        }
        let bytes = writer.into_bytes();
        Self::parse_bytes(&bytes).map(|_| bytes)
    }

    /// The token as text, for people and QR codes.
    ///
    /// # Errors
    /// As [`JoinToken::to_bytes`].
    pub fn to_text(&self) -> Result<String, Refused> {
        let mut bytes = self.to_bytes()?;
        bytes.extend(sha256(&[&bytes]).into_iter().take(CHECKSUM_BYTES));
        Ok(format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()))
    }

    /// Reads what a person pasted.
    ///
    /// # Errors
    /// [`Refused::TokenNotOne`] if it is something else, [`Refused::TokenMistyped`] if a part is missing or wrong, and the rules of the
    /// fields.
    pub fn parse_text(text: &str) -> Result<Self, Refused> {
        if text.len() > limit::TOKEN_TEXT_BYTES {
            return Err(Refused::TokenTooLong);
        }
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
        let code = text.strip_prefix(&PREFIX.to_ascii_uppercase()).ok_or(Refused::TokenNotOne)?;
        let bytes = BASE32_NOPAD.decode(code.as_bytes()).map_err(|_| Refused::TokenMistyped)?;
        let (bytes, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Refused::TokenMistyped)?;
        if !sha256(&[bytes]).starts_with(checksum) {
            return Err(Refused::TokenMistyped);
        }
        Self::parse_bytes(bytes)
    }

    /// Reads a token's bytes.
    ///
    /// # Errors
    /// The rules of the fields.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() > limit::TOKEN_BYTES {
            return Err(Refused::TokenTooLong);
        }
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(Refused::VersionUnknown);
        }
        let token = Self {
            root: IdentityKey::read(&mut reader)?,
            secret: TokenSecret(reader.array()?),
            expires_s: reader.time_s()?,
            roles: read_roles(&mut reader)?,
            prefixes: prefix::read_all(&mut reader)?,
            seeds: read_seeds(&mut reader)?,
        };
        reader.finish()?;
        Ok(token)
    }
}

fn read_seeds(reader: &mut Reader<'_>) -> Result<Vec<Seed>, Refused> {
    let count = reader.count(limit::SEEDS, Refused::TooManySeeds)?;
    let mut seeds = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize::from(reader.u8()?);
        let host = std::str::from_utf8(reader.bytes(length)?).map_err(|_| Refused::SeedInvalid)?;
        let host = host.parse().map_err(|_| Refused::SeedInvalid)?;
        let port = reader.u16()?;
        if port == 0 {
            return Err(Refused::SeedInvalid);
        }
        seeds.push(Seed { host, port });
    }
    Ok(seeds)
}
