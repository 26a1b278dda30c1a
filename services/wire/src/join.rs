//! Joining: what a new site asks and what the signer that made its token answers.
//!
//! Both are sealed with a key from the token's secret, so whoever carries them - a member on the LAN, a seed - neither reads nor alters
//! them; the answer is bound to its request. The wish inside is signed by the new site's identity key: nobody joins with another's.
//!
//! *Spec*: `docs/wire.md`, section "Joining".

use patronus_types::{IpNet, NetworkId, SiteName};

use crate::{
    Bundle, IdentityKey, JoinToken, NetworkKey, Nonce, Refused, TokenId, TokenSecret, Unverified, Verified,
    bytes::{Reader, Writer},
    digest::{Digest32, sha256},
    limit, network_id,
    object::{Body, sealed::Fields},
    prefix,
    record::{read_name, write_name},
    seal::{open, seal},
};

const REQUEST_AAD: &[u8] = b"patronus/1/join-request\0";
const ANSWER_AAD: &[u8] = b"patronus/1/join-answer\0";
const ADMITTED: u8 = 1;
const REFUSED: u8 = 2;

/// Signed by the new site's identity key: what it wants to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinWish {
    /// Which network.
    pub network: NetworkId,
    /// Its identity.
    pub identity: IdentityKey,
    /// What it wants to be called.
    pub name: SiteName,
    /// What is behind it; none means all that the token grants.
    pub prefixes: Vec<IpNet>,
}

impl Body for JoinWish {
    const KIND: u8 = 5;
    const DOMAIN: &'static [u8] = b"patronus/1/join-wish\0";
    const BODY_BYTES: usize = limit::WISH_BODY_BYTES;

    fn network(&self) -> NetworkId {
        self.network
    }
}

impl Fields for JoinWish {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.network.0);
        self.identity.write(writer);
        write_name(&self.name, writer);
        prefix::write_all(&self.prefixes, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        Ok(Self {
            network: NetworkId(reader.array()?),
            identity: IdentityKey::read(reader)?,
            name: read_name(reader)?,
            prefixes: prefix::read_all(reader)?,
        })
    }
}

/// A wish, sealed with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// Which token; who made it knows its secret.
    pub token: TokenId,
    nonce: Nonce,
    sealed: Vec<u8>,
}

/// An answer, sealed with the same token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAnswer {
    /// To whose request.
    pub token: TokenId,
    nonce: Nonce,
    sealed: Vec<u8>,
}

/// What a new member needs to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// For the LAN.
    pub network_key: NetworkKey,
    /// At least the signer's certificate, its own record, and the record of who answers.
    pub bundle: Bundle,
}

/// Why a signer does not admit a site. The token is not used up by it, unless it was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum JoinRefusal {
    /// Nobody has made it, or it was taken back.
    #[error("token-unknown")]
    TokenUnknown,
    /// Another site has joined with it.
    #[error("token-used")]
    TokenUsed,
    /// Its time is over.
    #[error("token-expired")]
    TokenExpired,
    /// The wish is for another network, or not signed by the identity that it names.
    #[error("wish-invalid")]
    WishInvalid,
    /// The identity was revoked before.
    #[error("site-revoked")]
    SiteRevoked,
    /// Another site has the name.
    #[error("name-taken")]
    NameTaken,
    /// The token does not grant the prefix.
    #[error("prefix-not-granted")]
    PrefixNotGranted,
    /// Another site has the prefix, or a part of it.
    #[error("prefix-taken")]
    PrefixTaken,
    /// The network has as many sites as it can.
    #[error("network-full")]
    NetworkFull,
    /// The signer does not know the time.
    #[error("clock-unknown")]
    ClockUnknown,
    /// The signer may not sign any more.
    #[error("signer-unable")]
    SignerUnable,
}

/// By their number on the wire, from 1.
const REFUSALS: [JoinRefusal; 11] = [
    JoinRefusal::TokenUnknown,
    JoinRefusal::TokenUsed,
    JoinRefusal::TokenExpired,
    JoinRefusal::WishInvalid,
    JoinRefusal::SiteRevoked,
    JoinRefusal::NameTaken,
    JoinRefusal::PrefixNotGranted,
    JoinRefusal::PrefixTaken,
    JoinRefusal::NetworkFull,
    JoinRefusal::ClockUnknown,
    JoinRefusal::SignerUnable,
];

/// Seals a wish with a token.
///
/// # Errors
/// [`Refused::MessageTooLarge`].
pub fn seal_request(token: &JoinToken, wish: &Verified<JoinWish>, nonce: Nonce) -> Result<JoinRequest, Refused> {
    let id = token.secret.id();
    let aad = [REQUEST_AAD, &id.0, &network_id(&token.root).0].concat();
    let sealed = seal(&token.secret.seal_key(), &aad, nonce, wish.as_bytes())?;
    Ok(JoinRequest { token: id, nonce, sealed })
}

/// Opens a request whose token this signer has made, and checks that who wishes holds the identity.
///
/// # Errors
/// [`Refused::SealBroken`], [`Refused::SignatureInvalid`], and the rules of the fields.
pub fn open_request(
    request: &JoinRequest,
    secret: &TokenSecret,
    network: NetworkId,
) -> Result<Verified<JoinWish>, Refused> {
    let aad = [REQUEST_AAD, &request.token.0, &network.0].concat();
    let plain = open(&secret.seal_key(), &aad, request.nonce, &request.sealed)?;
    let wish = Unverified::<JoinWish>::parse(&plain)?;
    let identity = wish.claims().identity;
    wish.verify(&identity)
}

impl JoinRequest {
    /// What an answer to it is bound to.
    fn digest(&self) -> Digest32 {
        sha256(&[&self.token.0, &self.nonce, &self.sealed])
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        write_sealed(&self.token, &self.nonce, &self.sealed, writer);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let (token, nonce, sealed) = read_sealed(reader, limit::JOIN_REQUEST_BYTES)?;
        Ok(Self { token, nonce, sealed })
    }
}

impl JoinAnswer {
    /// Seals an answer to a request.
    ///
    /// # Errors
    /// [`Refused::MessageTooLarge`].
    pub fn seal(
        request: &JoinRequest,
        secret: &TokenSecret,
        outcome: &Result<Admission, JoinRefusal>,
        nonce: Nonce,
    ) -> Result<Self, Refused> {
        let mut writer = Writer::default();
        match outcome {
            Ok(admission) => {
                writer.u8(ADMITTED);
                writer.bytes(&admission.network_key.0);
                admission.bundle.write(&mut writer)?;
            }
            Err(refusal) => {
                writer.u8(REFUSED);
                writer.u8((1..).zip(REFUSALS).find(|(_, one)| one == refusal).map_or(0, |(number, _)| number));
            }
        }
        let aad = [ANSWER_AAD, &request.digest()].concat();
        let sealed = seal(&secret.seal_key(), &aad, nonce, &writer.into_bytes())?;
        Ok(Self { token: request.token, nonce, sealed })
    }

    /// Opens the answer to a request of one's own.
    ///
    /// # Errors
    /// [`Refused::SealBroken`] unless it answers this request, and the rules of the fields.
    pub fn open(&self, request: &JoinRequest, secret: &TokenSecret) -> Result<Result<Admission, JoinRefusal>, Refused> {
        let aad = [ANSWER_AAD, &request.digest()].concat();
        let plain = open(&secret.seal_key(), &aad, self.nonce, &self.sealed)?;
        let mut reader = Reader::new(&plain);
        let outcome = match reader.u8()? {
            ADMITTED => Ok(Admission { network_key: NetworkKey(reader.array()?), bundle: Bundle::read(&mut reader)? }),
            REFUSED => {
                let number = usize::from(reader.u8()?);
                let refusal = number.checked_sub(1).and_then(|place| REFUSALS.get(place));
                Err(*refusal.ok_or(Refused::JoinReasonUnknown)?)
            }
            _ => return Err(Refused::KindUnknown),
        };
        reader.finish()?;
        Ok(outcome)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        write_sealed(&self.token, &self.nonce, &self.sealed, writer);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let (token, nonce, sealed) = read_sealed(reader, limit::JOIN_ANSWER_BYTES)?;
        Ok(Self { token, nonce, sealed })
    }
}

fn write_sealed(token: &TokenId, nonce: &Nonce, sealed: &[u8], writer: &mut Writer) {
    writer.bytes(&token.0);
    writer.bytes(nonce);
    writer.u32(u32::try_from(sealed.len()).unwrap_or(u32::MAX));
    writer.bytes(sealed);
}

fn read_sealed(reader: &mut Reader<'_>, longest: usize) -> Result<(TokenId, Nonce, Vec<u8>), Refused> {
    let (token, nonce) = (TokenId(reader.array()?), reader.array()?);
    let length = reader.u32()? as usize;
    if length > longest {
        return Err(Refused::MessageTooLarge);
    }
    Ok((token, nonce, reader.bytes(length)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By a later version, say: sealed as it should be, but with a number that version 1 does not know.
    #[test]
    fn an_answer_with_an_unknown_reason_is_refused() {
        let secret = TokenSecret([1; 16]);
        let request = JoinRequest { token: secret.id(), nonce: [2; 24], sealed: vec![3] };
        let aad = [ANSWER_AAD, &request.digest()].concat();
        for number in [0, 12, 255] {
            let sealed = seal(&secret.seal_key(), &aad, [4; 24], &[REFUSED, number]).unwrap();
            let answer = JoinAnswer { token: request.token, nonce: [4; 24], sealed };
            assert_eq!(answer.open(&request, &secret), Err(Refused::JoinReasonUnknown));
        }
        for (number, refusal) in (1..).zip(REFUSALS) {
            let sealed = seal(&secret.seal_key(), &aad, [4; 24], &[REFUSED, number]).unwrap();
            let answer = JoinAnswer { token: request.token, nonce: [4; 24], sealed };
            assert_eq!(answer.open(&request, &secret), Ok(Err(refusal)));
        }
    }
}
