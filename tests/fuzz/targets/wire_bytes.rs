//! What anybody on a LAN, or at the other end of a connection, can send, and what a person can paste: refused by name, or the same bytes
//! after writing it again. The first byte chooses the reader.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patronus_wire::{
    Announcement, Body, JoinToken, LanMessage, Message, NetworkKey, Revocation, SignerCertificate, SiteRecord,
    Unverified, take_frame,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    match first % 8 {
        0 => object::<SignerCertificate>(bytes),
        1 => object::<SiteRecord>(bytes),
        2 => object::<Announcement>(bytes),
        3 => object::<Revocation>(bytes),
        4 => message(bytes),
        5 => token(bytes),
        6 => stream(bytes),
        _ => _ = LanMessage::open(bytes, &[NetworkKey([0; 32])]),
    }
});

fn object<B: Body>(bytes: &[u8]) {
    let Ok(object) = Unverified::<B>::parse(bytes) else { return };
    assert_eq!(object.as_bytes(), bytes);
    let signed = object.claims().to_signed_bytes().expect("what was read can be written");
    assert_eq!(bytes.strip_prefix(signed.as_slice()).map(<[u8]>::len), Some(64), "one encoding for one value");
}

fn message(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes) {
        assert_eq!(message.to_bytes().as_deref(), Ok(bytes), "one encoding for one value");
    }
}

fn token(bytes: &[u8]) {
    if let Ok(token) = JoinToken::parse_bytes(bytes) {
        assert_eq!(token.to_bytes().as_deref(), Ok(bytes), "one encoding for one value");
        let text = token.to_text().expect("what was read can be written");
        assert_eq!(JoinToken::parse_text(&text), Ok(token));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = JoinToken::parse_text(text);
    }
}

fn stream(mut bytes: &[u8]) {
    while let Ok(Some((_, length))) = take_frame(bytes) {
        bytes = bytes.get(length..).expect("no more than there was");
    }
}
