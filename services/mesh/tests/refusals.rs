//! Each kind of bad message, as a stranger, a former member or a member can send it: none changes anything, each is counted under its own
//! name.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod hostile;
mod support;

use std::collections::BTreeSet;

use ed25519_dalek::Signer;
use hostile::*;
use patronus_mesh::{Conflict, Heard, Member, Mesh, Refusal};
use patronus_types::NetworkId;
use patronus_wire::{
    Announcement, Body, Capabilities, Endpoint, EndpointKind, JoinAnswer, JoinRefusal, Message, NetworkKey, Refused,
    Revocation, Roles, SignerCertificate, SiteRecord, TokenSecret, limit as wire_limit,
};
use support::{
    DAY_S, NEW_YEAR_S, ROOT, SIGNERS, address, announcement, at, certificate, id, key, public, record, refusals_of,
    revocation, sealed, signed, tunnel_key,
};

type Case = (&'static str, Refusal, Vec<u8>);

fn strangers() -> Vec<Case> {
    let good = peer(|_| {});
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let join_answer = {
        let secret = TokenSecret([1; 16]);
        let request = join_request(&secret);
        let answer = JoinAnswer::seal(&request, &secret, &Err(JoinRefusal::TokenUsed), [1; 24]).unwrap();
        Message::JoinAnswer(answer).to_bytes().unwrap()
    };
    let unsealed = Message::Announce(signed(&announcement(PEER, 5, 6), PEER)).to_bytes().unwrap();
    vec![
        ("an empty datagram", wire(Refused::Truncated), Vec::new()),
        ("one byte", wire(Refused::Truncated), vec![1]),
        ("a version of the future", wire(Refused::VersionUnknown), flipped(0)),
        ("a kind of the future", wire(Refused::KindUnknown), vec![1, 0x21, 0, 0]),
        ("an announcement in the clear", wire(Refused::KindUnexpected), unsealed),
        ("another network's seal", wire(Refused::NetworkKeyUnknown), flipped(3)),
        ("a nonce that was altered", wire(Refused::SealBroken), flipped(8)),
        ("a byte that was altered under way", wire(Refused::SealBroken), flipped(60)),
        ("a tag that was altered", wire(Refused::SealBroken), flipped(good.len() - 1)),
        ("a datagram cut short", wire(Refused::SealBroken), good[..good.len() - 1].to_vec()),
        ("a datagram with a byte too many", wire(Refused::SealBroken), [good.as_slice(), &[0]].concat()),
        ("a datagram of only a header", wire(Refused::Truncated), good[..20].to_vec()),
        ("a datagram above the limit", wire(Refused::DatagramTooLarge), vec![1; wire_limit::DATAGRAM_BYTES + 1]),
        ("a seal by somebody with another key", wire(Refused::NetworkKeyUnknown), {
            NetworkKey([1; 32]).seal(&Message::Observed(address(1)), [1; 24]).unwrap()
        }),
        ("an answer to nobody's wish", Refusal::AnswerUnexpected, join_answer),
    ]
}

fn join_request(secret: &TokenSecret) -> patronus_wire::JoinRequest {
    let token = patronus_wire::JoinToken {
        root: public(ROOT),
        secret: secret.clone(),
        expires_s: 0,
        roles: Roles::SITE,
        prefixes: Vec::new(),
        seeds: Vec::new(),
    };
    let wish = patronus_wire::JoinWish {
        network: support::network(),
        identity: public(STRANGER),
        name: "x".parse().unwrap(),
        prefixes: Vec::new(),
    };
    patronus_wire::seal_request(&token, &wish.sign(&key(STRANGER)).unwrap(), [1; 24]).unwrap()
}

fn announcements() -> Vec<Case> {
    let by = |announcement: &Announcement, signer: u16| sealed(&Message::Announce(signed(announcement, signer)));
    let bytes = |announcement: &Announcement| signed(announcement, PEER).as_bytes().to_vec();
    let with_signature = |spoil: &dyn Fn(&mut [u8])| {
        let mut object = bytes(&announcement(PEER, 5, 6));
        let start = object.len() - 64;
        spoil(&mut object[start..]);
        raw(&[&[1, 0x10], object.as_slice()].concat())
    };
    vec![
        ("unsigned", wire(Refused::SignatureInvalid), with_signature(&|signature| signature.fill(0))),
        ("signed by another member", wire(Refused::SignatureInvalid), by(&announcement(PEER, 5, 6), THIRD)),
        (
            "signed by a stranger with a key of his own",
            wire(Refused::SignatureInvalid),
            by(&announcement(PEER, 5, 6), STRANGER),
        ),
        ("a signature of another announcement", wire(Refused::SignatureInvalid), {
            let other = bytes(&announcement(PEER, 5, 7));
            with_signature(&|signature| signature.copy_from_slice(&other[other.len() - 64..]))
        }),
        (
            "a signature with S + L",
            wire(Refused::SignatureInvalid),
            with_signature(&|signature| add_order(&mut signature[32..])),
        ),
        (
            "a signature with R of small order",
            wire(Refused::SignatureInvalid),
            with_signature(&|signature| {
                signature[..32].fill(0);
                signature[0] = 1;
            }),
        ),
        ("a record's signature domain", wire(Refused::SignatureInvalid), {
            let object = announcement(PEER, 5, 6).to_signed_bytes().unwrap();
            let signature = key(PEER).sign(&[SiteRecord::DOMAIN, &object].concat()).to_bytes();
            raw(&[&[1, 0x10], object.as_slice(), &signature].concat())
        }),
        ("a signature without domain", wire(Refused::SignatureInvalid), {
            let object = announcement(PEER, 5, 6).to_signed_bytes().unwrap();
            raw(&[&[1, 0x10], object.as_slice(), &key(PEER).sign(&object).to_bytes()].concat())
        }),
        ("by a site that nobody made a member", Refusal::SiteUnknown, announced(&announcement(STRANGER, 1, 1))),
        ("by a revoked site", Refusal::SiteRevoked, announced(&announcement(REVOKED, 1, 1))),
        ("by a site whose record has ended", Refusal::SiteExpired, announced(&announcement(EXPIRED, 1, 1))),
        ("by a site whose record begins later", Refusal::SiteNotYetValid, announced(&announcement(EARLY, 1, 1))),
        ("in our own name", Refusal::OwnAnnouncement, announced(&announcement(US, 99, 99))),
        ("for another network", Refusal::WrongNetwork, peer(|it| it.network = NetworkId([1; 32]))),
        ("the same again", Refusal::AnnouncementRepeated, announced(&announcement(PEER, 5, 5))),
        (
            "the same number, other content",
            Refusal::AnnouncementRepeated,
            peer(|it| {
                it.sequence = 5;
                it.uplinks.clear();
            }),
        ),
        ("an earlier one of this boot", Refusal::AnnouncementReplayed, announced(&announcement(PEER, 5, 4))),
        ("a late one of an earlier boot", Refusal::AnnouncementReplayed, announced(&announcement(PEER, 4, 999))),
        ("a boot epoch of zero", wire(Refused::EpochOutOfRange), peer_body(put(64, [0; 8]))),
        ("the last boot epoch there could be", wire(Refused::EpochOutOfRange), peer_body(put(64, [0xff; 8]))),
        ("the last sequence there could be", wire(Refused::SequenceOutOfRange), peer_body(put(72, [0xff; 8]))),
        (
            "a sequence one above the limit",
            wire(Refused::SequenceOutOfRange),
            peer_body(put(72, (wire_limit::COUNTER_MAX + 1).to_be_bytes())),
        ),
        ("a relay without the role", Refusal::RelayNotGranted, peer(|it| it.capabilities = Capabilities::RELAY)),
        ("a seed without the role", Refusal::SeedNotGranted, peer(|it| it.capabilities = Capabilities::SEED)),
        ("a hub without the role", Refusal::HubNotGranted, peer(|it| it.capabilities = Capabilities::HUB)),
        (
            "another site's tunnel key",
            Refusal::TunnelKeyOfAnotherSite,
            peer(|it| it.uplinks[0].key = tunnel_key(THIRD, 0)),
        ),
        ("our own tunnel key", Refusal::TunnelKeyOfAnotherSite, peer(|it| it.uplinks[0].key = tunnel_key(US, 0))),
        ("one tunnel key for two slots", wire(Refused::TunnelKeyTwice), two_slots(tunnel_key(PEER, 0).as_bytes())),
        ("a tunnel key of zeros", wire(Refused::TunnelKeyWeak), peer_body(put(118, [0; 32]))),
        (
            "the identity key's second form as tunnel key",
            wire(Refused::TunnelKeyInvalid),
            peer_body(put(118, [0xff; 32])),
        ),
        ("a slot that no site has", wire(Refused::SlotOutOfRange), peer_body(put(117, [16]))),
        ("more uplinks than a site has", wire(Refused::TooManyUplinks), peer_body(put(116, [17]))),
        ("two uplinks in one slot", wire(Refused::SlotsOutOfOrder), two_slots_of(0)),
        ("more endpoints than the limit", wire(Refused::TooManyEndpoints), peer_body(put(150, [9]))),
        ("a kind of endpoint of the future", wire(Refused::EndpointKindUnknown), peer_body(put(151, [5]))),
        ("an address of no family", wire(Refused::EndpointFamilyUnknown), peer_body(put(152, [5]))),
        ("a loopback endpoint", wire(Refused::EndpointAddressUnusable), peer_body(put(153, [127, 0, 0, 1]))),
        ("a multicast endpoint", wire(Refused::EndpointAddressUnusable), peer_body(put(153, [239, 255, 42, 1]))),
        ("a broadcast endpoint", wire(Refused::EndpointAddressUnusable), peer_body(put(153, [255; 4]))),
        ("an unspecified endpoint", wire(Refused::EndpointAddressUnusable), peer_body(put(153, [0; 4]))),
        ("a link-local endpoint", wire(Refused::EndpointAddressUnusable), peer_body(put(153, [169, 254, 1, 1]))),
        ("port zero", wire(Refused::EndpointPortZero), peer_body(put(157, [0, 0]))),
        (
            "an endpoint in the site's own LAN",
            Refusal::EndpointInsideOwnPrefix,
            peer(|it| {
                it.uplinks[0].endpoints =
                    vec![Endpoint { kind: EndpointKind::Own, address: "10.0.1.9:51830".parse().unwrap() }];
            }),
        ),
        ("an endpoint twice", wire(Refused::EndpointTwice), {
            let mut body = announcement(PEER, 5, 6).to_signed_bytes().unwrap()[4..].to_vec();
            body[150] = 2;
            body.extend_from_within(151..159);
            forged::<Announcement>(&body, PEER)
        }),
        ("a body cut short", wire(Refused::Truncated), peer_body(|body| body.truncate(140))),
        ("a body with a byte too many", wire(Refused::TrailingBytes), peer_body(|body| body.push(0))),
        ("a body above the limit", wire(Refused::ObjectTooLarge), peer_body(|body| body.resize(1_062, 0))),
    ]
}

fn two_slots(second: &[u8; 32]) -> Vec<u8> {
    let mut body = announcement(PEER, 5, 6).to_signed_bytes().unwrap()[4..].to_vec();
    body[116] = 2;
    body.extend_from_slice(&[&[1], second.as_slice(), &[0]].concat());
    forged::<Announcement>(&body, PEER)
}

fn two_slots_of(slot: u8) -> Vec<u8> {
    let mut body = announcement(PEER, 5, 6).to_signed_bytes().unwrap()[4..].to_vec();
    body[116] = 2;
    body.extend_from_slice(&[&[slot], tunnel_key(PEER, 9).as_bytes().as_slice(), &[0]].concat());
    forged::<Announcement>(&body, PEER)
}

/// Adds the order of the base point: a scalar with the same meaning (RFC 8032 section 8.4).
fn add_order(scalar: &mut [u8]) {
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10_u8,
    ];
    let mut carry = 0;
    for (byte, add) in scalar.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
}

fn memberships() -> Vec<Case> {
    let third = |spoil: fn(&mut SiteRecord)| {
        let mut record = record(THIRD, SIGNERS, 2);
        spoil(&mut record);
        record
    };
    let wide = |first: u8, length: u8| record_body(move |body| put(body.len() - 6, [4, length, first, 0, 0, 0])(body));
    vec![
        (
            "a record by a stranger as signer",
            Refusal::SignerUnknown,
            recorded(signed(&record(THIRD, NO_SIGNER, 2), NO_SIGNER)),
        ),
        (
            "a record that names the signer, signed by another",
            wire(Refused::SignatureInvalid),
            recorded(signed(&record(THIRD, SIGNERS, 2), PEER)),
        ),
        ("a member that makes itself a record", Refusal::SignerUnknown, recorded(signed(&record(PEER, PEER, 2), PEER))),
        (
            "a record by a signer that was withdrawn",
            Refusal::SignerWithdrawn,
            recorded(signed(&record(THIRD, FORMER_SIGNER, 9), FORMER_SIGNER)),
        ),
        (
            "a revocation by a signer that was withdrawn",
            Refusal::SignerWithdrawn,
            revoked(signed(&revocation(THIRD, FORMER_SIGNER), FORMER_SIGNER)),
        ),
        ("a revocation by a member", Refusal::SignerUnknown, revoked(signed(&revocation(THIRD, PEER), PEER))),
        (
            "a revocation signed by another than it says",
            wire(Refused::SignatureInvalid),
            revoked(signed(&revocation(THIRD, SIGNERS), PEER)),
        ),
        (
            "a certificate by a signer instead of the root",
            wire(Refused::SignatureInvalid),
            certified(signed(&certificate(NO_SIGNER), SIGNERS)),
        ),
        (
            "a certificate by itself",
            wire(Refused::SignatureInvalid),
            certified(signed(&certificate(NO_SIGNER), NO_SIGNER)),
        ),
        ("a certificate that makes a withdrawn signer one again", Refusal::CertificateSuperseded, {
            certified(signed(&SignerCertificate { serial: 99, ..certificate(FORMER_SIGNER) }, ROOT))
        }),
        ("a certificate for another network", Refusal::WrongNetwork, {
            certified(signed(&SignerCertificate { network: NetworkId([1; 32]), ..certificate(NO_SIGNER) }, ROOT))
        }),
        (
            "a record for another network",
            Refusal::WrongNetwork,
            recorded(signed(&third(|it| it.network = NetworkId([1; 32])), SIGNERS)),
        ),
        ("a revocation for another network", Refusal::WrongNetwork, {
            revoked(signed(&Revocation { network: NetworkId([1; 32]), ..revocation(THIRD, SIGNERS) }, SIGNERS))
        }),
        ("an older record", Refusal::RecordSuperseded, {
            // Of two with one serial the one with the higher hash stays; serial 0 is no serial, so an equal one with a lower hash is made.
            let known = signed(&record(THIRD, SIGNERS, 1), SIGNERS).digest();
            let lower = (0..).map(|at| SiteRecord { member_since_s: at, ..record(THIRD, SIGNERS, 1) });
            recorded(lower.map(|it| signed(&it, SIGNERS)).find(|it| it.digest() < known).unwrap())
        }),
        (
            "a new record of a revoked site",
            Refusal::RecordOfRevokedSite,
            recorded(signed(&record(REVOKED, SIGNERS, 50), SIGNERS)),
        ),
        ("a serial of zero", wire(Refused::SerialOutOfRange), record_body(put(96, [0; 8]))),
        ("the last serial there could be", wire(Refused::SerialOutOfRange), record_body(put(96, [0xff; 8]))),
        ("a record that ends before it begins", wire(Refused::ValidityInverted), record_body(put(120, [0; 8]))),
        ("a record for ten years", wire(Refused::ValidityTooLong), {
            record_body(put(120, (NEW_YEAR_S + 3_650 * DAY_S).to_be_bytes()))
        }),
        ("a record until the end of time", wire(Refused::TimeOutOfRange), record_body(put(120, [0xff; 8]))),
        ("roles of the future", wire(Refused::RolesUnknown), record_body(put(128, [0x80]))),
        ("no role at all", wire(Refused::RolesEmpty), record_body(put(128, [0]))),
        ("a name that is no name", wire(Refused::NameInvalid), record_body(put(130, *b"S/"))),
        ("a default route as prefix", wire(Refused::PrefixTooWide), wide(0, 0)),
        ("half of the Internet as prefix", wire(Refused::PrefixTooWide), wide(128, 1)),
        ("loopback as prefix", wire(Refused::PrefixReserved), wide(127, 8)),
        ("multicast as prefix", wire(Refused::PrefixReserved), wide(224, 8)),
        (
            "a prefix with host bits",
            wire(Refused::PrefixHostBits),
            record_body(|body| {
                let at = body.len() - 1;
                put(at, [1])(body)
            }),
        ),
        ("a prefix longer than an address", wire(Refused::PrefixTooLong), wide(10, 33)),
        ("an identity key that is no point", wire(Refused::KeyInvalid), record_body(put(64, [2; 32]))),
        ("an identity key of small order", wire(Refused::KeyWeak), record_body(put(64, IDENTITY_POINT))),
        ("objects out of order", wire(Refused::ObjectsOutOfOrder), {
            let mut objects = [record(PEER, SIGNERS, 2), record(THIRD, SIGNERS, 2)]
                .map(|it| signed(&it, SIGNERS).as_bytes().to_vec());
            objects.sort_unstable_by(|a, b| b.cmp(a));
            raw(&[&[1, 0x13, 0, 0, 0, 0, 0, 2], objects.concat().as_slice(), &[0, 0]].concat())
        }),
        ("more objects than the limit", wire(Refused::TooManyObjects), raw(&[1, 0x13, 0, 0, 0, 0, 1, 1])),
        ("a revocation where a record should be", wire(Refused::KindUnexpected), {
            raw(&[&[1, 0x13, 0, 0, 0, 0, 0, 1], signed(&revocation(THIRD, SIGNERS), SIGNERS).as_bytes(), &[0, 0]]
                .concat())
        }),
    ]
}

/// The neutral element.
const IDENTITY_POINT: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

#[test]
fn sixty_kinds_of_bad_messages_change_nothing_and_each_has_its_name() {
    let cases = [strangers(), announcements(), memberships()].concat();
    assert!(cases.len() >= 60, "{}", cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.len(), cases.len());
    for (name, expected, datagram) in cases {
        let mut mesh = us();
        let before = what_counts(&mesh);
        let counted = refusals_of(&mut mesh, &datagram, at(10));
        assert_eq!(counted, [expected], "{name}");
        assert_eq!(mesh.refusals().of(expected), 1, "{name}");
        assert_eq!(what_counts(&mesh), before, "{name}");
    }
}

/// Who is a member, with what, and where.
fn what_counts(mesh: &Mesh) -> (Vec<Member>, Vec<Conflict>, Vec<Heard>) {
    let members = mesh.members().valid().map(|(_, member)| member.clone()).collect();
    let book = mesh.book().iter().map(|(_, heard)| heard.clone()).collect();
    (members, mesh.members().conflicts().to_vec(), book)
}

#[test]
fn the_same_messages_unspoiled_are_accepted() {
    for datagram in [peer(|_| {}), peer_body(|_| {}), record_body(|_| {}), announced(&announcement(PEER, 6, 1))] {
        let mut mesh = us();
        assert_eq!(refusals_of(&mut mesh, &datagram, at(10)), []);
    }
}

#[test]
fn every_bit_and_every_length_of_a_sealed_announcement_counts() {
    let good = peer(|_| {});
    let mut mesh = us();
    let accepted = |mesh: &Mesh| mesh.book().get(&id(PEER)).unwrap().announcement.sequence == 6;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        mesh.handle_datagram(address(7), &bytes, at(bit as u64 * 100));
    }
    for length in 0..good.len() {
        mesh.handle_datagram(address(7), &good[..length], at(10_000_000 + length as u64 * 100));
    }
    assert!(!accepted(&mesh));
    assert_eq!(mesh.refusals().total(), (good.len() * 9) as u64);
    mesh.handle_datagram(address(7), &good, at(20_000_000));
    assert!(accepted(&mesh));
}

/// Each name of a refusal stands in the documents.
#[test]
fn each_refusal_is_explained() {
    let read =
        |name: &str| std::fs::read_to_string(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let documents = read("membership.md") + &read("wire.md");
    for refusal in Refusal::each() {
        assert!(documents.contains(&format!("`{refusal}`")), "{refusal}");
    }
}
