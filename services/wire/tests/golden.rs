//! Version 1 is frozen: these bytes are what sites in the field say. A change of the format is a new version, never a new golden file.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use patronus_wire::{
    Admission, Announcement, Body, BucketSet, JoinAnswer, JoinToken, JoinWish, LanMessage, Message, Revocation,
    SignerCertificate, SiteRecord, Summary, Unverified, seal_request,
};
use support::{
    ROOT, SIGNER, SITE, announcement, bundle, join_wish, key, network_key, public, revocation, signer_certificate,
    site_record, token,
};

/// The bytes of a golden file, which holds lines of hexadecimal digits.
fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    hex::decode(text.split_ascii_whitespace().collect::<String>()).unwrap()
}

fn is_frozen(name: &str, written: &[u8]) {
    assert_eq!(hex::encode(written), hex::encode(golden(name)), "{name}");
}

fn object_is_frozen<B: Body>(name: &str, object: &B, signer: u8) {
    is_frozen(name, object.sign(&key(signer)).unwrap().as_bytes());
    let read = Unverified::<B>::parse(&golden(name)).unwrap().verify(&public(signer)).unwrap();
    assert_eq!(&*read, object, "{name}");
}

#[test]
fn signed_objects() {
    object_is_frozen::<SignerCertificate>("signer-certificate", &signer_certificate(), ROOT);
    object_is_frozen::<SiteRecord>("site-record", &site_record(), SIGNER);
    object_is_frozen::<Announcement>("announcement", &announcement(), SITE);
    object_is_frozen::<Revocation>("revocation", &revocation(), SIGNER);
    object_is_frozen::<JoinWish>("join-wish", &join_wish(), SITE);
}

#[test]
fn messages() {
    let mut summary = Summary { signers: 0x0102_0304_0506_0708, members: [0; 64], announcements: [0; 64] };
    (0..).zip(&mut summary.members).for_each(|(number, hash)| *hash = number);
    (100..).zip(&mut summary.announcements).for_each(|(number, hash)| *hash = number);
    let request = seal_request(&token(), &join_wish().sign(&key(SITE)).unwrap(), [0x11; 24]).unwrap();
    let admission = Admission { network_key: network_key(), bundle: bundle() };
    let answer = JoinAnswer::seal(&request, &token().secret, &Ok(admission), [0x22; 24]).unwrap();
    let messages = [
        ("announce", Message::Announce(announcement().sign(&key(SITE)).unwrap().into_unverified())),
        ("digest", Message::Digest(summary.digest())),
        ("summary", Message::Summary(Box::new(summary))),
        ("pull", Message::Pull { members: BucketSet(1), announcements: BucketSet(1 << 63) }),
        ("bundle", Message::Bundle(bundle())),
        ("observed", Message::Observed("192.0.2.7:51830".parse().unwrap())),
        ("join-request", Message::JoinRequest(request)),
        ("join-answer", Message::JoinAnswer(answer)),
    ];
    for (name, message) in messages {
        is_frozen(name, &message.to_bytes().unwrap());
        assert_eq!(Message::parse(&golden(name)).unwrap(), message, "{name}");
    }
}

#[test]
fn a_sealed_datagram() {
    let message = Message::Pull { members: BucketSet(1), announcements: BucketSet(2) };
    is_frozen("sealed-datagram", &network_key().seal(&message, [0x33; 24]).unwrap());
    let opened = LanMessage::open(&golden("sealed-datagram"), &[network_key()]).unwrap();
    assert_eq!(opened, LanMessage::Sealed(message));
}

#[test]
fn a_join_token() {
    is_frozen("join-token", &token().to_bytes().unwrap());
    assert_eq!(JoinToken::parse_bytes(&golden("join-token")).unwrap(), token());
    let text = "patronus1agfiry65oqe7dfp5klns2pf2lvzmuzyjx4ozieq36n2iqanub5xvyws2ljnfuws2ljnfuws2ljnfuwqaaaaaa2kxbkaacaiebafaaaaaaeetcojsfyyc4mroghfg5lqlllma";
    assert_eq!(token().to_text().unwrap(), text);
    assert_eq!(JoinToken::parse_text(text).unwrap(), token());
}
