//! What is written is read as the same, and nothing else is.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::fmt::Debug;

use patronus_wire::{
    Admission, Announcement, Body, BucketSet, Bundle, JoinAnswer, JoinRefusal, JoinToken, JoinWish, LanMessage,
    Message, Refused, SiteRecord, Summary, TokenSecret, Unverified, encode_frame, limit, open_request, seal_request,
    take_frame,
};
use proptest::{collection::vec, prelude::*};
use support::{
    ROOT, SIGNER, SITE, any_announcement, any_record, any_token, body_of, bundle, join_wish, key, largest_announcement,
    largest_record, network, network_key, public, site_record, token,
};

fn survives<B: Body>(object: &B, number: u8) {
    let signed = object.sign(&key(number)).unwrap();
    assert_eq!(&*signed, object);
    let read = Unverified::<B>::parse(signed.as_bytes()).unwrap();
    assert_eq!(read.claims().to_signed_bytes().unwrap(), signed.as_bytes()[..signed.as_bytes().len() - 64]);
    assert_eq!(read.verify(&public(number)).unwrap(), signed);
}

#[test]
fn the_largest_objects_are_at_their_limits() {
    survives(&largest_announcement(), SITE);
    survives(&largest_record(), SIGNER);
    assert_eq!(body_of(&largest_record()).len(), limit::RECORD_BODY_BYTES);
    assert_eq!(body_of(&largest_announcement()).len(), limit::ANNOUNCEMENT_BODY_BYTES);
    let SiteRecord { name, prefixes, .. } = largest_record();
    let wish = JoinWish { name, prefixes, ..join_wish() };
    survives(&wish, SITE);
    assert_eq!(body_of(&wish).len(), limit::WISH_BODY_BYTES);
    let announcement = largest_announcement().sign(&key(SITE)).unwrap();
    assert!(announcement.as_bytes().len() <= Bundle::DATAGRAM_OBJECT_BYTES, "{}", announcement.as_bytes().len());
    let bundle = Bundle { announcements: vec![announcement.into_unverified()], ..Bundle::default() };
    assert!(network_key().seal(&Message::Bundle(bundle), [1; 24]).unwrap().len() <= limit::DATAGRAM_BYTES);
}

#[test]
fn nothing_is_signed_that_others_refuse() {
    let mut record = site_record();
    record.serial = 0;
    assert_eq!(record.sign(&key(SIGNER)).err(), Some(Refused::SerialOutOfRange));
    let mut record = site_record();
    record.prefixes = vec!["10.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    assert_eq!(record.sign(&key(SIGNER)).err(), Some(Refused::PrefixesOverlap));
}

#[test]
fn every_bit_of_an_object_counts() {
    let signed = site_record().sign(&key(SIGNER)).unwrap();
    for bit in 0..signed.as_bytes().len() * 8 {
        let mut bytes = signed.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let outcome = Unverified::<SiteRecord>::parse(&bytes).and_then(|object| object.verify(&public(SIGNER)));
        assert!(outcome.is_err(), "bit {bit} changes nothing");
    }
}

#[test]
fn a_summary_fits_into_a_datagram() {
    let summary = Summary { signers: 1, members: [2; 64], announcements: [3; 64] };
    let datagram = network_key().seal(&Message::Summary(Box::new(summary)), [1; 24]).unwrap();
    assert!(datagram.len() <= limit::DATAGRAM_BYTES);
}

/// The name and the number of prefixes are chosen so that not one byte is left.
#[test]
fn a_datagram_at_the_limit_is_sealed_and_one_above_is_refused() {
    let Bundle { signers, announcements, .. } = bundle();
    let others = signers[0].as_bytes().len() + announcements[0].as_bytes().len();
    let mut record = SiteRecord { name: "x".parse().unwrap(), prefixes: Vec::new(), ..largest_record() };
    let left = Bundle::DATAGRAM_OBJECT_BYTES - others - record.sign(&key(SIGNER)).unwrap().as_bytes().len();
    record.prefixes = largest_record().prefixes[..left / 18].to_vec();
    record.name = "x".repeat(1 + left % 18).parse().unwrap();
    let sealed = |record: &SiteRecord| {
        let records = vec![record.sign(&key(SIGNER)).unwrap().into_unverified()];
        let (signers, announcements) = (signers.clone(), announcements.clone());
        let full = Bundle { signers, records, announcements, ..Bundle::default() };
        network_key().seal(&Message::Bundle(full), [1; 24]).map(|datagram| datagram.len())
    };
    assert_eq!(sealed(&record), Ok(limit::DATAGRAM_BYTES));
    record.name = format!("{}x", record.name).parse().unwrap();
    assert_eq!(sealed(&record), Err(Refused::DatagramTooLarge));
}

#[test]
fn only_the_makers_of_a_token_can_open_a_request_and_only_its_sender_the_answer() {
    let wish = join_wish().sign(&key(SITE)).unwrap();
    let request = seal_request(&token(), &wish, [3; 24]).unwrap();
    assert_eq!(open_request(&request, &token().secret, network()).unwrap(), wish);
    let other = TokenSecret([1; 16]);
    assert_eq!(open_request(&request, &other, network()), Err(Refused::SealBroken));

    let admission = Admission { network_key: network_key(), bundle: bundle() };
    for outcome in [Ok(admission), Err(JoinRefusal::TokenUsed), Err(JoinRefusal::SignerUnable)] {
        let answer = JoinAnswer::seal(&request, &token().secret, &outcome, [4; 24]).unwrap();
        assert_eq!(answer.open(&request, &token().secret).unwrap(), outcome);
        let another = seal_request(&token(), &wish, [5; 24]).unwrap();
        assert_eq!(answer.open(&another, &token().secret), Err(Refused::SealBroken));
    }
}

#[test]
fn tokens_survive_mail_programs_and_qr_codes() {
    let text = token().to_text().unwrap();
    let folded: String =
        text.chars().enumerate().map(|(at, c)| if at % 60 == 59 { format!("{c}\r\n  ") } else { c.into() }).collect();
    assert_eq!(JoinToken::parse_text(&folded).unwrap(), token());
    assert_eq!(JoinToken::parse_text(&text.to_ascii_uppercase()).unwrap(), token());
}

/// The last character may hold bits that mean nothing; then a change of it is refused as well.
#[test]
fn every_mistyped_character_of_a_token_is_noticed() {
    let text = token().to_text().unwrap();
    for at in 0..text.len() {
        for wrong in ['a', 'b', '7', '1', '!'] {
            if text[at..].starts_with(wrong) {
                continue;
            }
            let typed = format!("{}{wrong}{}", &text[..at], &text[at + 1..]);
            assert!(JoinToken::parse_text(&typed).is_err(), "{at} {wrong}");
        }
        assert!(JoinToken::parse_text(&text[..at]).is_err(), "cut at {at}");
    }
}

fn parses_only_whole<T: PartialEq + Debug>(bytes: &[u8], parse: impl Fn(&[u8]) -> Result<T, Refused>) {
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length]).is_err(), "{length} of {} bytes are something", bytes.len());
    }
    assert!(parse(&[bytes, &[0]].concat()).is_err());
}

#[test]
fn a_part_is_nothing_and_more_is_nothing_either() {
    let message = Message::Bundle(bundle());
    parses_only_whole(&message.to_bytes().unwrap(), Message::parse);
    parses_only_whole(&token().to_bytes().unwrap(), JoinToken::parse_bytes);
    let record = site_record().sign(&key(SIGNER)).unwrap();
    parses_only_whole(record.as_bytes(), Unverified::<SiteRecord>::parse);
    let sealed = network_key().seal(&message, [1; 24]).unwrap();
    parses_only_whole(&sealed, |bytes| LanMessage::open(bytes, &[network_key()]));
    assert_eq!(LanMessage::open(&sealed, &[network_key()]).unwrap(), LanMessage::Sealed(message));
}

proptest! {
    #[test]
    fn records_survive(record in any_record()) {
        survives(&record, ROOT);
    }

    #[test]
    fn announcements_survive(announcement in any_announcement()) {
        survives(&announcement, SITE);
        let signed = announcement.sign(&key(SITE)).unwrap();
        let bundle = Bundle { announcements: vec![signed.into_unverified()], ..Bundle::default() };
        prop_assert!(network_key().seal(&Message::Bundle(bundle), [1; 24]).is_ok());
    }

    #[test]
    fn tokens_survive(token in any_token()) {
        prop_assert_eq!(JoinToken::parse_text(&token.to_text().unwrap()).unwrap(), token);
    }

    #[test]
    fn bundles_are_the_same_in_any_order(records in vec(any_record(), 0..20), seed: u64) {
        let objects: Vec<_> = records.iter().map(|record| record.sign(&key(SIGNER)).unwrap().into_unverified()).collect();
        let mut shuffled = objects.clone();
        shuffled.sort_by_key(|object| patronus_wire::sha256(&[object.as_bytes(), &seed.to_be_bytes()]));
        let bytes = |records| Message::Bundle(Bundle { records, ..Bundle::default() }).to_bytes().unwrap();
        let one = bytes(objects);
        prop_assert_eq!(&one, &bytes(shuffled));
        let read = Message::parse(&one).unwrap();
        prop_assert_eq!(read.to_bytes().unwrap(), one);
    }

    #[test]
    fn streams_survive_any_cutting(cut in 1_usize..200, members: u64) {
        let messages = [Message::Pull { members: BucketSet(members), announcements: BucketSet(1) }, Message::Bundle(bundle())];
        let stream: Vec<u8> = messages.iter().flat_map(|message| encode_frame(message).unwrap()).collect();
        let (mut buffer, mut seen) = (Vec::new(), Vec::new());
        for piece in stream.chunks(cut) {
            buffer.extend_from_slice(piece);
            while let Some((message, length)) = take_frame(&buffer).unwrap() {
                buffer.drain(..length);
                seen.push(message);
            }
        }
        prop_assert_eq!(seen, messages);
    }

    #[test]
    fn noise_is_refused_and_never_a_panic(noise: Vec<u8>, first in 0_u8..3, kind in 0_u8..0x24) {
        let bytes = [&[first, kind], noise.as_slice()].concat();
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert_eq!(message.to_bytes().unwrap(), bytes.clone());
        }
        let _ = LanMessage::open(&bytes, &[network_key()]);
        let _ = Unverified::<Announcement>::parse(&bytes);
        let _ = JoinToken::parse_bytes(&bytes);
        let _ = take_frame(&bytes);
    }
}
