//! What sites say to each other: bytes, then meaning. Version 1.
//!
//! *Does*: one encoding for each value; parsers that check every limit before they allocate; signatures and seals, each with a domain of
//! its own.
//! *Never does*: I/O, clocks, randomness, decisions about whom to trust: which key a signature is checked with is the caller's word.
//! *Spec*: `docs/wire.md`; the bytes are frozen in `tests/golden/`.
#![forbid(unsafe_code)]

mod announcement;
mod bytes;
mod digest;
mod endpoint;
mod inner;
mod join;
mod key;
pub mod limit;
mod message;
mod object;
mod prefix;
mod record;
mod recovery;
mod refused;
mod revocation;
mod seal;
mod signer;
mod token;
mod validity;

pub use announcement::{Announcement, Capabilities, UplinkOffer};
pub use digest::{BucketSet, Digest32, Summary, bucket_of, sha256};
pub use endpoint::{Endpoint, EndpointKind};
pub use inner::{inner_address, inner_address_beside, inner_sites};
pub use join::{Admission, JoinAnswer, JoinRefusal, JoinRequest, JoinWish, open_request, seal_request};
pub use key::{IdentityKey, TunnelKey, network_id, site_id};
pub use message::{Bundle, Message, encode_frame, take_frame};
pub use object::{Body, Unverified, Verified};
pub use prefix::overlap;
pub use record::{Roles, SiteRecord};
pub use recovery::{network_of, parse_recovery, recovery_text};
pub use refused::Refused;
pub use revocation::Revocation;
pub use seal::{LanMessage, NetworkKey, Nonce};
pub use signer::{SignerCertificate, Standing};
pub use token::{JoinToken, Seed, TokenId, TokenSecret};
pub use validity::Validity;
