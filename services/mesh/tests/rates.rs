//! How much one source, and all together, may ask: before a signature is checked, and before a byte is looked at.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use patronus_mesh::{Mesh, Refusal, limit};
use patronus_wire::{BucketSet, Bundle, Message, Refused};
use support::{SIGNERS, SITES, address, announcement, at, id, member, record, roster, sealed, signed};

const US: u16 = SITES;
const PEER: u16 = SITES + 1;

fn us() -> Mesh {
    member(US, roster(US..=PEER), 1)
}

fn hears_the_peer(mesh: &mut Mesh, now_ms: u64) -> bool {
    let announcement = signed(&announcement(PEER, 5, 6), PEER);
    mesh.handle_datagram(address(PEER), &sealed(&Message::Announce(announcement)), at(now_ms));
    mesh.book().get(&id(PEER)).is_some()
}

#[test]
fn a_source_over_its_rate_is_not_looked_at_and_others_are() {
    let mut mesh = us();
    let (_, burst) = limit::SOURCE_RATE;
    for _ in 0..burst + 50 {
        mesh.handle_datagram(address(7), b"noise", at(10));
    }
    assert_eq!(mesh.refusals().of(Refusal::SourceOverRate), 50);
    assert_eq!(mesh.refusals().of(Refusal::Wire(Refused::VersionUnknown)), u64::from(burst));
    assert!(hears_the_peer(&mut mesh, 10));
}

#[test]
fn all_sources_together_have_a_rate_too() {
    let mut mesh = us();
    let (_, burst) = limit::TOTAL_RATE;
    for number in 0..burst + 100 {
        mesh.handle_datagram(address(number as u16), b"noise", at(10));
    }
    // Ten milliseconds had passed since the start, but the bucket was full.
    assert_eq!(mesh.refusals().of(Refusal::TotalOverRate), 100);
    assert_eq!(mesh.refusals().of(Refusal::SourceOverRate), 0);
    assert!(!hears_the_peer(&mut mesh, 10));
    assert!(hears_the_peer(&mut mesh, 11));
}

/// Records with bad signatures by a member that has gone mad: so many are checked, and then none for a while.
#[test]
fn signatures_have_a_rate_of_their_own() {
    let mut mesh = us();
    let (_, burst) = limit::SIGNATURE_SOURCE_RATE;
    let each = 200;
    let records = (0..each as u16).map(|number| signed(&record(SITES + 10 + number, SIGNERS, 1), PEER)).collect();
    let bundle = Bundle { records, ..Bundle::default() };
    for _ in 0..burst / each {
        assert_eq!(mesh.handle_message(address(PEER), Message::Bundle(bundle.clone()), at(10)), []);
    }
    assert_eq!(mesh.refusals().of(Refusal::Wire(Refused::SignatureInvalid)), u64::from(burst));
    mesh.handle_message(address(PEER), Message::Bundle(bundle.clone()), at(10));
    assert_eq!(mesh.refusals().of(Refusal::Wire(Refused::SignatureInvalid)), u64::from(burst), "not one more");
    assert_eq!(mesh.refusals().of(Refusal::SourceOverSignatureRate), 1);
    // From elsewhere they are checked still.
    mesh.handle_message(address(7), Message::Bundle(bundle), at(10));
    assert_eq!(mesh.refusals().of(Refusal::Wire(Refused::SignatureInvalid)), u64::from(burst + each));
}

/// Whoever asks for more than is taken away gets the newest: the oldest makes room.
#[test]
fn what_waits_to_be_sent_or_told_has_its_limit() {
    let mut mesh = us();
    let summary = mesh.summary();
    let news = sealed(&Message::Observed("192.0.2.9:1".parse().unwrap()));
    mesh.handle_datagram(
        address(PEER),
        &sealed(&Message::Pull { members: BucketSet(!0), announcements: BucketSet(0) }),
        at(10),
    );
    let first = support::transmits(&mut mesh);
    assert!(!first.is_empty());
    let mut now_ms = 10;
    for _ in 0..=limit::EVENTS.max(limit::OUTBOX) {
        now_ms += 20;
        mesh.handle_datagram(address(PEER), &news, at(now_ms));
        mesh.handle_datagram(
            address(7),
            &sealed(&Message::Pull { members: BucketSet(!0), announcements: BucketSet(0) }),
            at(now_ms),
        );
    }
    assert_eq!(mesh.refusals().total(), 0);
    assert_eq!(support::events(&mut mesh).len(), limit::EVENTS);
    assert_eq!(support::transmits(&mut mesh).len(), limit::OUTBOX);
    assert_eq!(mesh.summary(), summary);
}
