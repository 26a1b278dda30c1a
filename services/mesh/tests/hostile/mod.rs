//! Messages as a stranger, a former member or a member gone mad makes them: right but for one thing, signed and sealed where that is in his power.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use ed25519_dalek::Signer;
use patronus_mesh::{Mesh, Refusal};
use patronus_wire::{
    Announcement, Body, Bundle, Message, Refused, Revocation, SignerCertificate, SiteRecord, Unverified, Validity,
};

use crate::support::{
    DAY_S, NEW_YEAR_S, ROOT, SIGNERS, SITES, address, announcement, at, id, key, member, network_key, record,
    revocation, roster, sealed, signed, withdrawal,
};

pub const US: u16 = SITES;
pub const PEER: u16 = SITES + 1;
pub const THIRD: u16 = SITES + 2;
/// Has been revoked.
pub const REVOKED: u16 = SITES + 3;
/// Its record has ended.
pub const EXPIRED: u16 = SITES + 4;
/// Its record begins tomorrow.
pub const EARLY: u16 = SITES + 5;
/// Nobody has made it a member.
pub const STRANGER: u16 = SITES + 6;
/// Was a signer.
pub const FORMER_SIGNER: u16 = SIGNERS + 1;
/// Never was one.
pub const NO_SIGNER: u16 = SIGNERS + 2;

/// A site that knows the others and has heard PEER and THIRD.
pub fn us() -> Mesh {
    let mut roster = roster(US..=THIRD);
    let mut merge = |bundle: Bundle| assert!(roster.merge(bundle).iter().all(Result::is_ok));
    let ended = Validity { not_before_s: NEW_YEAR_S, not_after_s: NEW_YEAR_S + DAY_S };
    let begins = Validity { not_before_s: NEW_YEAR_S + 3 * DAY_S, not_after_s: NEW_YEAR_S + 9 * DAY_S };
    merge(Bundle {
        signers: vec![signed(&withdrawal(FORMER_SIGNER), ROOT)],
        revocations: vec![signed(&revocation(REVOKED, SIGNERS), SIGNERS)],
        records: vec![
            signed(&record(REVOKED, SIGNERS, 1), SIGNERS),
            signed(&SiteRecord { validity: ended, ..record(EXPIRED, SIGNERS, 1) }, SIGNERS),
            signed(&SiteRecord { validity: begins, ..record(EARLY, SIGNERS, 1) }, SIGNERS),
        ],
        ..Bundle::default()
    });
    let mut mesh = member(US, roster, 9);
    for site in [PEER, THIRD] {
        mesh.handle_datagram(address(site), &announced(&announcement(site, 5, 5)), at(0));
    }
    assert_eq!(mesh.refusals().total(), 0);
    assert_eq!(mesh.book().iter().count(), 2);
    mesh
}

pub fn announced(announcement: &Announcement) -> Vec<u8> {
    let site = (US..=NO_SIGNER.max(STRANGER)).find(|site| id(*site) == announcement.site).unwrap();
    sealed(&Message::Announce(signed(announcement, site)))
}

/// PEER's next announcement, spoiled and signed again.
pub fn peer(spoil: impl FnOnce(&mut Announcement)) -> Vec<u8> {
    let mut announcement = announcement(PEER, 5, 6);
    spoil(&mut announcement);
    sealed(&Message::Announce(signed(&announcement, PEER)))
}

/// A well-signed object with any body, sealed.
pub fn forged<B: Body>(body: &[u8], signer: u16) -> Vec<u8> {
    let header = [1, B::KIND, (body.len() >> 8) as u8, body.len() as u8];
    let object = [header.as_slice(), body].concat();
    let signature = key(signer).sign(&[B::DOMAIN, &object].concat()).to_bytes();
    raw(&[bundle_head::<B>().as_slice(), &object, &signature, bundle_tail::<B>()].concat())
}

/// What stands before the one object of a bundle.
pub fn bundle_head<B: Body>() -> Vec<u8> {
    match B::KIND {
        1 => vec![1, 0x13, 0, 1],
        4 => vec![1, 0x13, 0, 0, 0, 1],
        2 => vec![1, 0x13, 0, 0, 0, 0, 0, 1],
        _ => vec![1, 0x10],
    }
}

pub fn bundle_tail<B: Body>() -> &'static [u8] {
    match B::KIND {
        1 => &[0; 6],
        4 => &[0; 4],
        2 => &[0; 2],
        _ => &[],
    }
}

/// Bytes that are sealed, whatever they are: what a hostile member can send.
pub fn raw(plain: &[u8]) -> Vec<u8> {
    use chacha20poly1305::{
        KeyInit, XChaCha20Poly1305,
        aead::{Aead, Payload},
    };
    let good = sealed(&Message::Observed("192.0.2.1:1".parse().unwrap()));
    let (header, nonce) = (&good[..6], [5; 24]);
    let cipher = XChaCha20Poly1305::new(&network_key().0.into());
    let sealed = cipher.encrypt(&nonce.into(), Payload { msg: plain, aad: header }).unwrap();
    [header, &nonce, &sealed].concat()
}

/// PEER's next announcement with bytes of its body altered, signed again.
pub fn peer_body(spoil: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = announcement(PEER, 5, 6).to_signed_bytes().unwrap()[4..].to_vec();
    spoil(&mut body);
    forged::<Announcement>(&body, PEER)
}

/// THIRD's next record with bytes of its body altered, signed again by the signer.
pub fn record_body(spoil: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = record(THIRD, SIGNERS, 2).to_signed_bytes().unwrap()[4..].to_vec();
    spoil(&mut body);
    forged::<SiteRecord>(&body, SIGNERS)
}

pub fn put<const N: usize>(at: usize, bytes: [u8; N]) -> impl FnOnce(&mut Vec<u8>) {
    move |body| body[at..at + N].copy_from_slice(&bytes)
}

pub fn in_bundle(bundle: Bundle) -> Vec<u8> {
    sealed(&Message::Bundle(bundle))
}

pub fn recorded(record: Unverified<SiteRecord>) -> Vec<u8> {
    in_bundle(Bundle { records: vec![record], ..Bundle::default() })
}

pub fn certified(certificate: Unverified<SignerCertificate>) -> Vec<u8> {
    in_bundle(Bundle { signers: vec![certificate], ..Bundle::default() })
}

pub fn revoked(revocation: Unverified<Revocation>) -> Vec<u8> {
    in_bundle(Bundle { revocations: vec![revocation], ..Bundle::default() })
}

pub fn wire(refused: Refused) -> Refusal {
    Refusal::Wire(refused)
}
