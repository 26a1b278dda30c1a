//! Sealed bytes: nobody reads or alters them without the key.
//!
//! ```text
//! version 1 | kind 0x20 | key id 4 | nonce 24 | XChaCha20-Poly1305(message) ... tag 16
//! ```
//! *Does*: hide from a LAN which sites there are. Random nonces of 192 bits never meet, so many sites share one key.
//! *Never does*: say who sent it: every member has the key. Trust comes from the signatures inside.
//! *Spec*: `docs/wire.md`, section "Sealed datagrams"; draft-irtf-cfrg-xchacha-03.

use std::fmt;

use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use crate::{
    Message, Refused,
    bytes::{Reader, Writer},
    digest::sha256,
    limit,
    object::VERSION,
};

const SEALED: u8 = 0x20;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
/// Version, kind, key id.
const HEADER_BYTES: usize = 2 + KEY_ID_BYTES;
/// What sealing adds to a message.
pub(crate) const OVERHEAD_BYTES: usize = HEADER_BYTES + NONCE_BYTES + 16;

/// A random number that is used once.
pub type Nonce = [u8; NONCE_BYTES];

/// The key that all members of a network have.
#[derive(Clone, PartialEq, Eq)]
pub struct NetworkKey(pub [u8; 32]);

impl NetworkKey {
    /// Which key this is, without saying it.
    fn id(&self) -> [u8; KEY_ID_BYTES] {
        let [a, b, c, d, ..] = sha256(&[b"patronus/1/network-key-id\0", &self.0]);
        [a, b, c, d]
    }

    /// Seals a message into one datagram.
    ///
    /// # Errors
    /// [`Refused::DatagramTooLarge`] if it does not fit into [`limit::DATAGRAM_BYTES`].
    pub fn seal(&self, message: &Message, nonce: Nonce) -> Result<Vec<u8>, Refused> {
        let plain = message.to_bytes()?;
        if plain.len() + OVERHEAD_BYTES > limit::DATAGRAM_BYTES {
            return Err(Refused::DatagramTooLarge);
        }
        let mut writer = Writer::default();
        writer.u8(VERSION);
        writer.u8(SEALED);
        writer.bytes(&self.id());
        let header = writer.into_bytes();
        let sealed = seal(&self.0, &header, nonce, &plain)?;
        Ok([header.as_slice(), &nonce, &sealed].concat())
    }

    fn open(&self, datagram: &[u8]) -> Result<Message, Refused> {
        let mut reader = Reader::new(datagram);
        let header = reader.bytes(HEADER_BYTES)?;
        let nonce = reader.array()?;
        let sealed = reader.bytes(datagram.len().saturating_sub(HEADER_BYTES + NONCE_BYTES))?;
        Message::parse(&open(&self.0, header, nonce, sealed)?)
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkKey")
    }
}

/// What a datagram on the LAN says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LanMessage {
    /// From a member.
    Sealed(Message),
    /// From a site that is none yet, or to it: sealed with a token, not with the network's key.
    Join(Message),
}

impl LanMessage {
    /// Opens a datagram with the first of these keys that is its own.
    ///
    /// # Errors
    /// [`Refused::NetworkKeyUnknown`] for another network's, [`Refused::SealBroken`], and every rule of messages.
    pub fn open(datagram: &[u8], keys: &[NetworkKey]) -> Result<Self, Refused> {
        if datagram.len() > limit::DATAGRAM_BYTES {
            return Err(Refused::DatagramTooLarge);
        }
        let mut reader = Reader::new(datagram);
        if reader.u8()? != VERSION {
            return Err(Refused::VersionUnknown);
        }
        if reader.u8()? == SEALED {
            let id = reader.array()?;
            let key = keys.iter().find(|key| key.id() == id).ok_or(Refused::NetworkKeyUnknown)?;
            return key.open(datagram).map(Self::Sealed);
        }
        match Message::parse(datagram)? {
            message @ (Message::JoinRequest(_) | Message::JoinAnswer(_)) => Ok(Self::Join(message)),
            _ => Err(Refused::KindUnexpected),
        }
    }
}

/// XChaCha20-Poly1305 with additional data.
pub(crate) fn seal(key: &[u8; 32], aad: &[u8], nonce: Nonce, plain: &[u8]) -> Result<Vec<u8>, Refused> {
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad }).map_err(|_| Refused::MessageTooLarge)
}

pub(crate) fn open(key: &[u8; 32], aad: &[u8], nonce: Nonce, sealed: &[u8]) -> Result<Vec<u8>, Refused> {
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad }).map_err(|_| Refused::SealBroken)
}
