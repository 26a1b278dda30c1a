//! What a member that has gone mad can say: correctly signed objects with any body, correctly sealed, in any order. The input is a list of
//! messages: one byte for the kind, one for who signs, two for the length, then the body.
#![no_main]

use ed25519_dalek::{Signer, SigningKey};
use libfuzzer_sys::fuzz_target;
use patronus_mesh::{Mesh, Now, Standing, Wallclock, found};
use patronus_wire::{
    Announcement, Body, Bundle, IdentityKey, Message, NetworkKey, Revocation, SignerCertificate, SiteRecord, Unverified,
};

const NOW: Now = Now { ms: 0, clock: Wallclock::Known(1_767_225_600) };

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes;
    let mut mesh = us();
    let own = mesh.members().get(&mesh.site()).cloned();
    while let Some(([kind, who, high, low], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high & 0x07, *low])).min(rest.len());
        let (body, rest) = rest.split_at(length);
        bytes = rest;
        // The root's and the signer's keys are not the mad member's.
        let signer = SigningKey::from_bytes(&[4 + who % 3; 32]);
        if let Some(message) = message(kind % 5, body, &signer) {
            let answers = mesh.handle_message("192.0.2.7:1".parse().expect("an address"), message, NOW);
            assert!(answers.iter().all(|answer| answer.to_bytes().is_ok()));
        }
        mesh.handle_timeout(NOW, 0);
        while mesh.poll_event().is_some() {}
        while mesh.poll_transmit([0; 24]).is_some() {}
    }
    assert_eq!(mesh.members().get(&mesh.site()).cloned(), own, "nobody without a signer's key changes a member");
    assert_eq!(mesh.members().iter().filter(|(_, member)| member.standing == Standing::Valid).count(), 1);
    assert_eq!(mesh.roster().revoked_sites(), 0);
    assert_eq!(mesh.book().iter().count(), 0);
});

/// The only member of its network: root 1, signer 2, site 3.
fn us() -> Mesh {
    let [root, signer, site] = [1, 2, 3].map(|number| SigningKey::from_bytes(&[number; 32]));
    let founding = found(&root, &signer, &site, "us".parse().expect("a name"), Vec::new(), 1_767_225_600);
    let roster = founding.expect("a network").roster(IdentityKey::from(&root));
    Mesh::new(site, roster, NetworkKey([0; 32]), 1, NOW)
}

fn message(kind: u8, body: &[u8], signer: &SigningKey) -> Option<Message> {
    Some(match kind {
        0 => Message::Bundle(Bundle { signers: vec![object::<SignerCertificate>(body, signer)?], ..Bundle::default() }),
        1 => Message::Bundle(Bundle { records: vec![object::<SiteRecord>(body, signer)?], ..Bundle::default() }),
        2 => Message::Bundle(Bundle { revocations: vec![object::<Revocation>(body, signer)?], ..Bundle::default() }),
        3 => Message::Announce(object::<Announcement>(body, signer)?),
        _ => Message::parse(body).ok()?,
    })
}

fn object<B: Body>(body: &[u8], signer: &SigningKey) -> Option<Unverified<B>> {
    let length = u16::try_from(body.len()).ok()?.to_be_bytes();
    let object = [&[1, B::KIND], length.as_slice(), body].concat();
    let signature = signer.sign(&[B::DOMAIN, &object].concat()).to_bytes();
    Unverified::parse(&[object.as_slice(), &signature].concat()).ok()
}
