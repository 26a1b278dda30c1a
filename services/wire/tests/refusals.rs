//! Every rule of the format by its name: for each refusal, bytes that are right but for that, correctly signed.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use patronus_wire::{
    Announcement, Body, JoinToken, LanMessage, Message, NetworkKey, Refused, Revocation, SignerCertificate, SiteRecord,
    Unverified, limit, take_frame,
};
use support::{
    ROOT, SIGNER, SITE, announcement, body_of, bundle, forge, key, network_key, public, signer_certificate,
    site_record, token,
};

/// Where fields begin in the bodies of the samples.
mod at {
    pub(super) const KEY: usize = 32;
    pub(super) const SERIAL: usize = 64;
    pub(super) const STANDING: usize = 72;
    pub(super) const SIGNER_NOT_BEFORE: usize = 73;
    pub(super) const MEMBER_SINCE: usize = 104;
    pub(super) const NOT_BEFORE: usize = 112;
    pub(super) const NOT_AFTER: usize = 120;
    pub(super) const ROLES: usize = 128;
    pub(super) const NAME: usize = 130;
    pub(super) const PREFIXES: usize = 140;
    pub(super) const EPOCH: usize = 64;
    pub(super) const SEQUENCE: usize = 72;
    pub(super) const UPLINKS: usize = 116;
    pub(super) const SLOT: usize = 117;
    pub(super) const TUNNEL_KEY: usize = 118;
    pub(super) const ENDPOINTS: usize = 150;
}

/// What is said to an object of this body, with a good signature.
fn refusal<B: Body>(body: &[u8], signer: u8) -> Refused {
    let bytes = forge::<B>(body, &key(signer));
    Unverified::<B>::parse(&bytes).and_then(|object| object.verify(&public(signer))).unwrap_err()
}

fn spoiled<B: Body>(object: &B, signer: u8, spoil: impl FnOnce(&mut Vec<u8>)) -> Refused {
    let mut body = body_of(object);
    spoil(&mut body);
    refusal::<B>(&body, signer)
}

fn record(spoil: impl FnOnce(&mut Vec<u8>)) -> Refused {
    spoiled(&site_record(), SIGNER, spoil)
}

fn announced(spoil: impl FnOnce(&mut Vec<u8>)) -> Refused {
    spoiled(&announcement(), SITE, spoil)
}

fn put<const N: usize>(at: usize, bytes: [u8; N]) -> impl FnOnce(&mut Vec<u8>) {
    move |body| body[at..at + N].copy_from_slice(&bytes)
}

/// A record with these prefixes, as raw bytes.
fn prefixes(list: &[&[u8]]) -> Refused {
    record(|body| {
        body.truncate(at::PREFIXES);
        body.push(list.len() as u8);
        list.iter().for_each(|prefix| body.extend_from_slice(prefix));
    })
}

/// An announcement with one uplink and these endpoints, as raw bytes.
fn endpoints(list: &[&[u8]]) -> Refused {
    announced(|body| {
        body[at::UPLINKS] = 1;
        body.truncate(at::ENDPOINTS);
        body.push(list.len() as u8);
        list.iter().for_each(|endpoint| body.extend_from_slice(endpoint));
    })
}

fn token_bytes(spoil: impl FnOnce(&mut Vec<u8>)) -> Refused {
    let mut bytes = token().to_bytes().unwrap();
    spoil(&mut bytes);
    JoinToken::parse_bytes(&bytes).unwrap_err()
}

fn message(spoil: impl FnOnce(&mut Vec<u8>)) -> Refused {
    let mut bytes = Message::Bundle(bundle()).to_bytes().unwrap();
    spoil(&mut bytes);
    Message::parse(&bytes).unwrap_err()
}

fn datagram(spoil: impl FnOnce(&mut Vec<u8>)) -> Refused {
    let mut bytes = network_key().seal(&Message::Observed("192.0.2.1:1".parse().unwrap()), [1; 24]).unwrap();
    spoil(&mut bytes);
    LanMessage::open(&bytes, &[network_key()]).unwrap_err()
}

const V4_TEN: &[u8] = &[4, 16, 10, 1, 0, 0];
const ENDPOINT: &[u8] = &[1, 4, 192, 0, 2, 1, 0xca, 0x76];

fn framing() -> Vec<(Refused, Refused)> {
    vec![
        (Refused::Truncated, record(|body| body.truncate(at::NAME))),
        (Refused::TrailingBytes, record(|body| body.push(0))),
        (Refused::VersionUnknown, message(|bytes| bytes[0] = 2)),
        (Refused::VersionUnknown, datagram(|bytes| bytes[0] = 0)),
        (Refused::VersionUnknown, token_bytes(|bytes| bytes[0] = 2)),
        (Refused::KindUnknown, message(|bytes| bytes[1] = 0x18)),
        (Refused::KindUnknown, datagram(|bytes| bytes[1] = 0x21)),
        // A revocation's bytes are no record, however well they are signed.
        (Refused::KindUnexpected, {
            let revoked = forge::<Revocation>(&body_of(&support::revocation()), &key(SIGNER));
            Unverified::<SiteRecord>::parse(&revoked).unwrap_err()
        }),
        // What is for members must be sealed.
        (Refused::KindUnexpected, {
            LanMessage::open(&Message::Bundle(bundle()).to_bytes().unwrap(), &[network_key()]).unwrap_err()
        }),
        (Refused::ObjectTooLarge, refusal::<SiteRecord>(&[0; limit::RECORD_BODY_BYTES + 1], SIGNER)),
        (Refused::ObjectTooLarge, refusal::<Announcement>(&[0; limit::ANNOUNCEMENT_BODY_BYTES + 1], SITE)),
        (Refused::MessageTooLarge, Message::parse(&vec![1; limit::MESSAGE_BYTES + 1]).unwrap_err()),
        (Refused::MessageTooLarge, take_frame(&[0xff; 4]).unwrap_err()),
        (Refused::DatagramTooLarge, datagram(|bytes| bytes.resize(limit::DATAGRAM_BYTES + 1, 0))),
        (Refused::TooManyObjects, message(|bytes| bytes[2..4].copy_from_slice(&257_u16.to_be_bytes()))),
        (Refused::ObjectsOutOfOrder, {
            let one = signer_certificate().sign(&key(ROOT)).unwrap();
            let twice = [&[1, 0x13, 0, 2], one.as_bytes(), one.as_bytes(), &[0; 6]].concat();
            Message::parse(&twice).unwrap_err()
        }),
    ]
}

fn keys() -> Vec<(Refused, Refused)> {
    let mut weak = [0; 32];
    weak[0] = 1;
    vec![
        (Refused::KeyInvalid, record(put(at::KEY, [0x02; 32]))),
        (Refused::KeyWeak, record(put(at::KEY, weak))),
        (Refused::TunnelKeyInvalid, announced(put(at::TUNNEL_KEY, [0xff; 32]))),
        (Refused::TunnelKeyWeak, announced(put(at::TUNNEL_KEY, [0; 32]))),
        (Refused::SignatureInvalid, {
            let object = Unverified::<SiteRecord>::parse(&forge::<SiteRecord>(&body_of(&site_record()), &key(SITE)));
            object.unwrap().verify(&public(SIGNER)).unwrap_err()
        }),
        (Refused::NetworkKeyUnknown, {
            let sealed = NetworkKey([1; 32]).seal(&Message::Bundle(bundle()), [1; 24]).unwrap();
            LanMessage::open(&sealed, &[network_key()]).unwrap_err()
        }),
        (Refused::SealBroken, datagram(|bytes| bytes[30] ^= 1)),
    ]
}

fn fields() -> Vec<(Refused, Refused)> {
    let longest = limit::RECORD_VALIDITY_S + 1;
    vec![
        (Refused::SerialOutOfRange, record(put(96, [0; 8]))),
        (Refused::SerialOutOfRange, record(put(96, (limit::COUNTER_MAX + 1).to_be_bytes()))),
        (Refused::SerialOutOfRange, spoiled(&signer_certificate(), ROOT, put(at::SERIAL, [0xff; 8]))),
        (Refused::EpochOutOfRange, announced(put(at::EPOCH, [0xff; 8]))),
        (Refused::SequenceOutOfRange, announced(put(at::SEQUENCE, [0; 8]))),
        (Refused::SequenceOutOfRange, announced(put(at::SEQUENCE, (limit::COUNTER_MAX + 1).to_be_bytes()))),
        (Refused::TimeOutOfRange, record(put(at::MEMBER_SINCE, [0xff; 8]))),
        (Refused::TimeOutOfRange, record(put(at::NOT_AFTER, (limit::TIME_MAX_S + 1).to_be_bytes()))),
        (Refused::ValidityInverted, record(put(at::NOT_AFTER, [0; 8]))),
        (
            Refused::ValidityTooLong,
            record(|body| {
                put(at::NOT_BEFORE, [0; 8])(body);
                put(at::NOT_AFTER, longest.to_be_bytes())(body);
            }),
        ),
        (Refused::ValidityTooLong, spoiled(&signer_certificate(), ROOT, put(at::SIGNER_NOT_BEFORE, [0; 8]))),
        (Refused::StandingUnknown, spoiled(&signer_certificate(), ROOT, put(at::STANDING, [3]))),
        (Refused::NameInvalid, record(put(at::NAME, *b"HQ"))),
        (Refused::NameInvalid, record(put(at::NAME, [0xff]))),
        (Refused::RolesUnknown, record(put(at::ROLES, [0x10]))),
        (Refused::RolesEmpty, record(put(at::ROLES, [0]))),
    ]
}

fn networks() -> Vec<(Refused, Refused)> {
    let many = vec![V4_TEN; limit::PREFIXES + 1];
    vec![
        (Refused::TooManyPrefixes, prefixes(&many)),
        (Refused::PrefixFamilyUnknown, prefixes(&[&[5, 16, 10, 1, 0, 0]])),
        (Refused::PrefixTooLong, prefixes(&[&[4, 33, 10, 1, 0, 0]])),
        (Refused::PrefixTooWide, prefixes(&[&[4, 0, 0, 0, 0, 0]])),
        (Refused::PrefixTooWide, prefixes(&[&[4, 7, 10, 0, 0, 0]])),
        (Refused::PrefixHostBits, prefixes(&[&[4, 16, 10, 1, 0, 1]])),
        (Refused::PrefixReserved, prefixes(&[&[4, 8, 127, 0, 0, 0]])),
        (Refused::PrefixReserved, prefixes(&[&[4, 24, 169, 254, 7, 0]])),
        (Refused::PrefixReserved, prefixes(&[&[4, 8, 224, 0, 0, 0]])),
        (Refused::PrefixReserved, prefixes(&[&[6, 16, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]])),
        (Refused::PrefixesOutOfOrder, prefixes(&[&[4, 16, 10, 2, 0, 0], V4_TEN])),
        (Refused::PrefixesOverlap, prefixes(&[V4_TEN, &[4, 24, 10, 1, 7, 0]])),
        (Refused::PrefixesOverlap, prefixes(&[V4_TEN, V4_TEN])),
        (Refused::TooManyUplinks, announced(put(at::UPLINKS, [17]))),
        (Refused::SlotOutOfRange, announced(put(at::SLOT, [16]))),
        (Refused::SlotsOutOfOrder, announced(put(at::SLOT, [3]))),
        (Refused::TunnelKeyTwice, announced(put(at::TUNNEL_KEY, [10; 32]))),
        (Refused::TooManyEndpoints, endpoints(&[ENDPOINT; limit::ENDPOINTS_PER_UPLINK + 1])),
        (Refused::EndpointKindUnknown, endpoints(&[&[5, 4, 192, 0, 2, 1, 1, 1]])),
        (Refused::EndpointFamilyUnknown, endpoints(&[&[1, 5, 192, 0, 2, 1, 1, 1]])),
        (Refused::EndpointAddressUnusable, endpoints(&[&[1, 4, 127, 0, 0, 1, 1, 1]])),
        (Refused::EndpointAddressUnusable, endpoints(&[&[1, 4, 239, 255, 42, 1, 1, 1]])),
        (Refused::EndpointAddressUnusable, endpoints(&[&[1, 4, 0, 0, 0, 0, 1, 1]])),
        (Refused::EndpointAddressUnusable, {
            endpoints(&[&[1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1, 1, 1]])
        }),
        (Refused::EndpointPortZero, endpoints(&[&[1, 4, 192, 0, 2, 1, 0, 0]])),
        (Refused::EndpointTwice, endpoints(&[ENDPOINT, ENDPOINT])),
    ]
}

fn tokens() -> Vec<(Refused, Refused)> {
    let text = |text: &str| JoinToken::parse_text(text).unwrap_err();
    let good = token().to_text().unwrap();
    // Seeds stand last: their number, then length, name, port of each.
    let seeds = token().to_bytes().unwrap().len() - (1 + 1 + "192.0.2.1".len() + 2);
    vec![
        (Refused::TokenNotOne, text("hello")),
        (Refused::TokenTooLong, text(&"x".repeat(limit::TOKEN_TEXT_BYTES + 1))),
        (Refused::TokenTooLong, token_bytes(|bytes| bytes.resize(limit::TOKEN_BYTES + 1, 0))),
        (Refused::TokenMistyped, text(&good.replace('q', "r"))),
        (Refused::TooManySeeds, token_bytes(|bytes| bytes[seeds] = limit::SEEDS as u8 + 1)),
        (Refused::SeedInvalid, token_bytes(|bytes| bytes[seeds + 2] = b' ')),
        (
            Refused::SeedInvalid,
            token_bytes(|bytes| {
                let port = bytes.len() - 2;
                bytes[port..].copy_from_slice(&[0, 0]);
            }),
        ),
    ]
}

#[test]
fn each_rule_refuses_under_its_own_name() {
    let cases = [framing(), keys(), fields(), networks(), tokens()].concat();
    for (number, (expected, found)) in cases.iter().enumerate() {
        assert_eq!(found, expected, "case {number}");
    }
    let mut covered: BTreeSet<Refused> = cases.into_iter().map(|(expected, _)| expected).collect();
    // Only a holder of the token's secret can say it, so its test is inside the crate (`join.rs`).
    covered.insert(Refused::JoinReasonUnknown);
    let missing: Vec<_> = Refused::ALL.iter().filter(|refused| !covered.contains(refused)).collect();
    assert_eq!(missing, Vec::<&Refused>::new());
}

#[test]
fn each_rule_stands_in_the_document() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/wire.md")).unwrap();
    for refused in Refused::ALL {
        assert!(document.contains(&format!("`{refused}`")), "docs/wire.md does not explain {refused}");
    }
}

#[test]
fn a_signer_certificate_at_the_limits_is_one() {
    let mut largest = signer_certificate();
    largest.serial = limit::COUNTER_MAX;
    largest.validity.not_after_s = largest.validity.not_before_s + limit::SIGNER_VALIDITY_S;
    assert!(largest.sign(&key(ROOT)).is_ok());
    assert_eq!(<SignerCertificate as Body>::KIND, 1);
}
