//! Defects of an earlier design of this kind, as tests: each must be impossible here. Those of probing and routing (P8 to P14) are other services'.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use patronus_mesh::{Members, Mesh, Refusal, Standing};
use patronus_types::{IpNet, UplinkSlot};
use patronus_wire::{
    Body, Bundle, Capabilities, Endpoint, EndpointKind, LanMessage, Message, Refused, SiteRecord, Unverified,
    UplinkOffer,
};
use support::{
    Lan, SIGNERS, SITES, address, announcement, at, id, key, member, network_key, public, record, roster, sealed,
    signed, tunnel_key,
};

const A: u16 = SITES;
const B: u16 = SITES + 1;

/// P1: the identity key was used as the tunnel's.
#[test]
fn an_announcement_has_no_place_for_the_identity_key_among_tunnel_keys() {
    // It would have to be the site's own word that they are the same: the identity key is not in the announcement at all.
    let bytes = announcement(A, 1, 1).to_signed_bytes().unwrap();
    assert!(!bytes.windows(32).any(|window| window == public(A).as_bytes()));
    assert!(bytes.windows(32).any(|window| window == tunnel_key(A, 0).as_bytes()));
}

/// P2: the signature was checked with the key inside the message, and a site's id was bound to nothing.
#[test]
fn a_stranger_who_signs_for_a_site_with_a_key_of_his_own_is_nobody() {
    let mut mesh = member(A, roster(A..=B), 1);
    let stranger = SITES + 9;
    let forged = signed(&announcement(B, 1, 1), stranger);
    mesh.handle_datagram(address(9), &sealed(&Message::Announce(forged)), at(0));
    assert_eq!(mesh.refusals().of(Refusal::Wire(Refused::SignatureInvalid)), 1);
    // The id is the key's hash: no record can give B's id to another key.
    assert_eq!(record(B, SIGNERS, 1).site(), id(B));
    let taken = SiteRecord { identity: public(stranger), ..record(B, SIGNERS, 2) };
    assert_ne!(taken.site(), id(B));
}

/// P3: short keys and signatures ended the program, and nothing noticed a replay.
#[test]
fn every_truncation_is_refused_and_every_replay_is_noticed() {
    let good = signed(&announcement(B, 1, 1), B);
    for length in 0..good.as_bytes().len() {
        assert!(Unverified::<patronus_wire::Announcement>::parse(&good.as_bytes()[..length]).is_err());
    }
    let mut mesh = member(A, roster(A..=B), 1);
    let datagram = sealed(&Message::Announce(good));
    (0..3).for_each(|_| mesh.handle_datagram(address(B), &datagram, at(0)));
    assert_eq!(mesh.refusals().of(Refusal::AnnouncementRepeated), 2);
}

/// P4: identities were made anew at each start. Here a start has the identity it is given, and a boot epoch above the last.
#[test]
fn a_restart_is_the_same_site_to_everybody() {
    let mut lan = Lan::new([A, B].map(|site| (site, member(site, roster(A..=B), 1))).into());
    lan.run(0, 1_000, |_| false);
    let before = lan.mesh(B).site();
    *lan.mesh(B) = Mesh::new(key(B), roster(A..=B), network_key(), 2, at(1_001));
    assert_eq!(lan.mesh(B).site(), before);
    lan.run(1_001, 2_000, |_| false);
    assert_eq!(lan.mesh(A).book().iter().count(), 1);
    assert_eq!(lan.mesh(A).refusals().total(), 0);
}

/// P5: only the first endpoint was used, and a known site's were never brought up to date.
#[test]
fn all_uplinks_and_endpoints_arrive_and_their_changes_too() {
    let offer = |slot: u8, ports: &[u16]| UplinkOffer {
        slot: UplinkSlot::new(slot).unwrap(),
        key: tunnel_key(A, slot),
        endpoints: ports
            .iter()
            .map(|port| Endpoint::new(EndpointKind::Own, ([192, 0, 2, slot + 1], *port).into()).unwrap())
            .collect(),
    };
    let mut lan = Lan::new([A, B].map(|site| (site, member(site, roster(A..=B), 1))).into());
    for (ms, offers) in
        [(0, vec![offer(0, &[1, 2]), offer(1, &[3])]), (5_000, vec![offer(1, &[9, 8, 7]), offer(4, &[6])])]
    {
        lan.mesh(A).handle_uplinks(Capabilities::default(), offers.clone(), at(ms));
        lan.run(ms, ms, |_| false);
        assert_eq!(lan.mesh(B).book().get(&id(A)).unwrap().announcement.uplinks, offers);
    }
}

/// P6: addresses were two bytes of a random number, and no site had a LAN behind it, nor IPv6.
#[test]
fn three_hundred_sites_have_their_own_prefixes_of_both_families() {
    let both = |site: u16| {
        let number = site - SITES;
        let v6: IpNet = format!("2001:db8:{number:x}::/48").parse().unwrap();
        let mut record = record(site, SIGNERS, 1);
        record.prefixes.push(v6);
        record
    };
    let mut all = roster(A..A);
    let records = (A..A + 300).map(|site| signed(&both(site), SIGNERS)).collect();
    assert!(all.merge(Bundle { records, ..Bundle::default() }).iter().all(Result::is_ok));
    let members = Members::new(&all, at(0).clock);
    assert_eq!(members.conflicts(), []);
    let prefixes: BTreeSet<IpNet> = members.valid().flat_map(|(_, member)| member.prefixes.clone()).collect();
    assert_eq!(prefixes.len(), 600);
    assert!(members.iter().all(|(_, member)| member.standing == Standing::Valid));
}

/// P7: sites beyond the LAN did not exist. The same messages go over any connection.
#[test]
fn two_sites_that_share_no_lan_complete_each_other_over_a_connection() {
    let mut full = member(A, roster(A..=B), 1);
    let mut little = member(B, roster(B..=B), 1);
    full.handle_timeout(at(0), 0);
    little.handle_timeout(at(0), 0);
    let (mut to_full, mut to_little) = (vec![little.summary()], Vec::new());
    for _ in 0..4 {
        to_little.extend(to_full.drain(..).flat_map(|message| full.handle_message(address(B), message, at(1))));
        to_full.extend(to_little.drain(..).flat_map(|message| little.handle_message(address(A), message, at(1))));
    }
    assert_eq!(little.roster().digest(), full.roster().digest());
    assert!(little.book().get(&id(A)).is_some() && full.book().get(&id(B)).is_some());
}

/// P17: no packet crossed a link in any test; see `namespaces.rs`. What crosses it says nothing to who has not the key.
#[test]
fn what_is_said_on_a_lan_tells_a_stranger_no_name_key_or_address() {
    let mut mesh = member(A, roster(A..=B), 1);
    mesh.handle_timeout(at(0), 0);
    let said = support::transmits(&mut mesh);
    assert!(!said.is_empty());
    for transmit in said {
        let bytes = transmit.datagram;
        assert_eq!(LanMessage::open(&bytes, &[]), Err(Refused::NetworkKeyUnknown));
        for secret in [id(A).0, *tunnel_key(A, 0).as_bytes(), support::network().0] {
            assert!(!bytes.windows(8).any(|window| window == &secret[..8]));
        }
    }
}
