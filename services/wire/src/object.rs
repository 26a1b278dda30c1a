//! A signed object: who signed it is not decided here, that it was signed is.
//!
//! ```text
//! version 1 | kind 1 | length of body 2 | body | Ed25519 signature 64
//! ```
//! The signature is over the domain of its kind, then everything before the signature.
//!
//! *Does*: parse into [`Unverified`], of which only [`Unverified::verify`] makes [`Verified`]; both keep the bytes as they came.
//! *Never does*: accept a second encoding of a value: every field has one, and each other is refused by name.
//! *Spec*: `docs/wire.md`, section "Signed objects".

use std::{fmt, ops::Deref, sync::Arc};

use ed25519_dalek::{Signature, Signer, SigningKey};
use patronus_types::NetworkId;

use crate::{
    IdentityKey, Refused,
    bytes::{Reader, Writer},
    digest::{Digest32, sha256},
};

/// The version of everything in this crate.
pub(crate) const VERSION: u8 = 1;
const HEADER_BYTES: usize = 4;
const SIGNATURE_BYTES: usize = 64;

/// What can be signed. Only this crate has such kinds.
pub trait Body: Sized + Clone + fmt::Debug + PartialEq + sealed::Fields {
    /// Number of the kind in the header.
    const KIND: u8;
    /// What stands before the signed bytes, so that no signature serves for two kinds.
    const DOMAIN: &'static [u8];
    /// Largest body.
    const BODY_BYTES: usize;

    /// For which network it was signed.
    fn network(&self) -> NetworkId;

    /// Signs it.
    ///
    /// # Errors
    /// What a reader of it would say: nothing is signed that others refuse.
    fn sign(&self, key: &SigningKey) -> Result<Verified<Self>, Refused> {
        let mut bytes = self.to_signed_bytes()?;
        let signature = key.sign(&[Self::DOMAIN, &bytes].concat());
        bytes.extend_from_slice(&signature.to_bytes());
        Unverified::parse(&bytes)?.verify(&IdentityKey::from(key))
    }

    /// Header and body.
    ///
    /// # Errors
    /// [`Refused::ObjectTooLarge`].
    fn to_signed_bytes(&self) -> Result<Vec<u8>, Refused> {
        let mut body = Writer::default();
        self.write(&mut body);
        let body = body.into_bytes();
        let length = u16::try_from(body.len()).ok().filter(|_| body.len() <= Self::BODY_BYTES);
        let mut writer = Writer::default();
        writer.u8(VERSION);
        writer.u8(Self::KIND);
        writer.u16(length.ok_or(Refused::ObjectTooLarge)?);
        writer.bytes(&body);
        Ok(writer.into_bytes())
    }
}

pub(crate) mod sealed {
    use crate::{
        Refused,
        bytes::{Reader, Writer},
    };

    /// The fields of a body, in their order.
    pub trait Fields: Sized {
        fn write(&self, writer: &mut Writer);
        fn read(reader: &mut Reader<'_>) -> Result<Self, Refused>;
    }
}

/// An object whose fields are in order and whose signature nobody has checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Unverified<B> {
    body: B,
    /// Shared by all who hold the object: the roster, what counts of it, what is under way.
    bytes: Arc<[u8]>,
    /// Of the bytes; rosters are compared by it all the time.
    digest: Digest32,
}

impl<B: Body> Unverified<B> {
    /// Parses the object that these bytes are.
    ///
    /// # Errors
    /// Each rule of the format by its name.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new(bytes);
        let object = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(object)
    }

    /// Reads an object that others may follow.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let header = reader.array::<HEADER_BYTES>()?;
        let [version, kind, high, low] = header;
        if version != VERSION {
            return Err(Refused::VersionUnknown);
        }
        if kind != B::KIND {
            return Err(Refused::KindUnexpected);
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > B::BODY_BYTES {
            return Err(Refused::ObjectTooLarge);
        }
        let content = reader.bytes(length)?;
        let signature = reader.bytes(SIGNATURE_BYTES)?;
        let mut fields = Reader::new(content);
        let body = B::read(&mut fields)?;
        fields.finish()?;
        let bytes = [&header, content, signature].concat();
        let digest = sha256(&[&bytes]);
        Ok(Self { body, bytes: bytes.into(), digest })
    }

    /// As it came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Of all its bytes; decides between two that are otherwise equal.
    #[must_use]
    pub const fn digest(&self) -> Digest32 {
        self.digest
    }

    /// What it claims. Nobody vouches for it.
    #[must_use]
    pub const fn claims(&self) -> &B {
        &self.body
    }

    /// Checks that the holder of this key signed it.
    ///
    /// # Errors
    /// [`Refused::SignatureInvalid`].
    pub fn verify(self, key: &IdentityKey) -> Result<Verified<B>, Refused> {
        let (signed, signature) = self.bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(Refused::Truncated)?;
        let message = [B::DOMAIN, signed].concat();
        // Strict: no signature has a second form that is valid, too.
        let outcome = key.verifying_key().verify_strict(&message, &Signature::from_bytes(signature));
        outcome.map_err(|_| Refused::SignatureInvalid)?;
        Ok(Verified(self))
    }
}

/// An object that the holder of a key has signed. Whether that key may do so is what the roster knows.
#[derive(Clone, PartialEq, Eq)]
pub struct Verified<B>(Unverified<B>);

impl<B: Body> Verified<B> {
    /// As it came, to be handed on.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// See [`Unverified::digest`].
    #[must_use]
    pub const fn digest(&self) -> Digest32 {
        self.0.digest()
    }

    /// The same as something to be checked.
    #[must_use]
    pub fn into_unverified(self) -> Unverified<B> {
        self.0
    }
}

impl<B: fmt::Debug> fmt::Debug for Unverified<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unverified").field(&self.body).finish()
    }
}

impl<B: fmt::Debug> fmt::Debug for Verified<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verified").field(&self.0.body).finish()
    }
}

impl<B> Deref for Verified<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.0.body
    }
}
