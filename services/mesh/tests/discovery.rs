//! Sites on one LAN: who hears whom, for how long, and what a reboot may not undo.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use patronus_mesh::{Event, Liveness, Mesh, Refusal, Roster, Standing, limit};
use patronus_types::SiteId;
use patronus_wire::{Bundle, Capabilities, Endpoint, EndpointKind, Message};
use support::{
    Lan, ROOT, SIGNERS, SITES, address, announcement, at, bundle, events, id, member, public, record, revocation,
    roster, sealed, signed, uplinks,
};

const A: u16 = SITES;
const B: u16 = SITES + 1;
const C: u16 = SITES + 2;

fn liveness(mesh: &Mesh, site: u16) -> Option<Liveness> {
    mesh.book().get(&id(site)).map(|heard| heard.liveness)
}

fn announced(site: u16, boot_epoch: u64, sequence: u64) -> Vec<u8> {
    sealed(&Message::Announce(signed(&announcement(site, boot_epoch, sequence), site)))
}

#[test]
fn sites_hear_each_other_at_once_and_keep_hearing_each_other() {
    let mut lan = Lan::new([A, B, C].map(|site| (site, member(site, roster(A..=C), 1))).into());
    lan.run(0, 0, |_| false);
    for (site, other) in [(A, B), (A, C), (B, A), (B, C), (C, A), (C, B)] {
        assert_eq!(liveness(lan.mesh(site), other), Some(Liveness::Active));
    }
    lan.run(1, 600_000, |_| false);
    for site in [A, B, C] {
        let mesh = lan.mesh(site);
        assert_eq!(mesh.refusals().by_name(), Default::default());
        let seen = events(mesh);
        assert!(!seen.iter().any(|event| matches!(event, Event::SiteInactive(_))), "{seen:?}");
    }
}

#[test]
fn an_address_that_all_others_would_refuse_is_not_announced_whoever_says_it() {
    let mut lan = Lan::new([A, B].map(|site| (site, member(site, roster(A..=B), 1))).into());
    let mut offers = uplinks(A);
    let told = "10.0.1.9:51830".parse().unwrap();
    offers[0].endpoints.push(Endpoint { kind: EndpointKind::Stun, address: told });
    lan.mesh(A).handle_uplinks(Capabilities::default(), offers, at(0));
    lan.run(0, 0, |_| false);
    assert_eq!(liveness(lan.mesh(B), A), Some(Liveness::Active));
    assert_eq!(lan.mesh(B).refusals().by_name(), Default::default());
}

#[test]
fn half_of_the_datagrams_lost_is_no_reason_to_call_a_site_inactive() {
    let mut lan = Lan::new([A, B].map(|site| (site, member(site, roster(A..=B), 1))).into());
    // Of every four in a row the first two are lost: at 30 s each, 120 s hold at least two that arrive.
    lan.run(0, 3_600_000, |number| number % 4 < 2);
    for (site, other) in [(A, B), (B, A)] {
        let seen = events(lan.mesh(site));
        assert!(!seen.contains(&Event::SiteInactive(id(other))), "{seen:?}");
    }
}

#[test]
fn silence_of_two_minutes_makes_inactive_and_a_word_makes_active_again() {
    let mut mesh = member(A, roster(A..=B), 1);
    mesh.handle_datagram(address(B), &announced(B, 1, 1), at(1_000));
    assert_eq!(events(&mut mesh), [Event::SiteActive(id(B)), Event::SiteMoved(id(B))]);
    mesh.handle_timeout(at(1_000 + limit::SILENCE_MS - 1), 0);
    assert_eq!(liveness(&mesh, B), Some(Liveness::Active));
    assert_eq!(mesh.book().deadline(), Some(1_000 + limit::SILENCE_MS));
    mesh.handle_timeout(at(1_000 + limit::SILENCE_MS), 0);
    assert_eq!(liveness(&mesh, B), Some(Liveness::Inactive));
    assert_eq!(events(&mut mesh), [Event::SiteInactive(id(B))]);
    // Nothing about it has changed: it is back, and not moved.
    mesh.handle_datagram(address(B), &announced(B, 1, 2), at(200_000));
    assert_eq!(events(&mut mesh), [Event::SiteActive(id(B))]);
    // What its tunnel says counts as well.
    mesh.handle_timeout(at(400_000), 0);
    events(&mut mesh);
    mesh.handle_sign_of_life(&id(B), at(400_001));
    assert_eq!(events(&mut mesh), [Event::SiteActive(id(B))]);
}

#[test]
fn what_others_say_of_a_site_is_no_sign_of_its_life() {
    let mut mesh = member(A, roster(A..=C), 1);
    let announcements = vec![signed(&announcement(B, 1, 1), B)];
    mesh.handle_datagram(address(C), &sealed(&Message::Bundle(Bundle { announcements, ..Bundle::default() })), at(5));
    assert_eq!(liveness(&mesh, B), Some(Liveness::Inactive));
    assert_eq!(events(&mut mesh), [Event::SiteMoved(id(B))]);
}

#[test]
fn a_new_uplink_is_known_to_all_at_once() {
    let mut lan = Lan::new([A, B].map(|site| (site, member(site, roster(A..=B), 1))).into());
    lan.run(0, 10_000, |_| false);
    let mut offers = uplinks(A);
    offers[0].endpoints[0].address.set_port(4_444);
    lan.mesh(A).handle_uplinks(Capabilities::default(), offers.clone(), at(10_001));
    lan.run(10_001, 10_001, |_| false);
    assert_eq!(lan.mesh(B).book().get(&id(A)).unwrap().announcement.uplinks, offers);
}

#[test]
fn an_address_behind_the_site_itself_is_not_announced() {
    let mut lan = Lan::new([A, B].map(|site| (site, member(site, roster(A..=B), 1))).into());
    let mut offers = uplinks(A);
    let behind = Endpoint::new(EndpointKind::Own, "10.0.0.1:51830".parse().unwrap()).unwrap();
    offers[0].endpoints.push(behind);
    lan.mesh(A).handle_uplinks(Capabilities::default(), offers, at(0));
    lan.run(0, 0, |_| false);
    assert_eq!(lan.mesh(B).book().get(&id(A)).unwrap().announcement.uplinks, uplinks(A));
}

/// B need not ask: the record is there before the new site says its first word.
#[test]
fn what_a_signer_signs_its_neighbours_have_at_once() {
    let mut lan = Lan::new([A, B].map(|site| (site, member(site, roster(A..=B), 1))).into());
    lan.run(0, 10_000, |_| false);
    let records = vec![signed(&record(C, SIGNERS, 1), SIGNERS)];
    lan.mesh(A).handle_own(Bundle { records, ..Bundle::default() }, at(10_001));
    let said = support::transmits(lan.mesh(A));
    assert_eq!(said.len(), 1);
    lan.mesh(B).handle_datagram(address(A), &said[0].datagram, at(10_001));
    assert!(lan.mesh(B).members().get(&id(C)).is_some());
}

/// Also when the box that replays starts, and the box that is replayed to has rebooted: what it heard was on its disk.
#[test]
fn a_replay_is_none_the_better_for_a_reboot() {
    let mut mesh = member(A, roster(A..=B), 1);
    let old = announced(B, 1, 1);
    mesh.handle_datagram(address(B), &old, at(0));
    mesh.handle_datagram(address(B), &announced(B, 2, 1), at(10));
    let kept: Vec<_> = mesh.book().iter().map(|(_, heard)| heard.announcement.clone().into_unverified()).collect();

    let mut rebooted = member(A, roster(A..=B), 2);
    rebooted.restore(kept);
    assert_eq!(liveness(&rebooted, B), Some(Liveness::Inactive), "reachable at once, but not heard");
    rebooted.handle_datagram(address(B), &old, at(0));
    assert_eq!(rebooted.refusals().of(Refusal::AnnouncementReplayed), 1);
    assert_eq!(liveness(&rebooted, B), Some(Liveness::Inactive));
}

#[test]
fn a_site_that_rebooted_is_believed_at_once() {
    let mut lan = Lan::new([A, B].map(|site| (site, member(site, roster(A..=B), 1))).into());
    lan.run(0, 100_000, |_| false);
    *lan.mesh(B) = Mesh::new(support::key(B), roster(A..=B), support::network_key(), 2, at(100_001));
    lan.run(100_001, 100_001, |_| false);
    assert_eq!(lan.mesh(A).book().get(&id(B)).unwrap().announcement.freshness(), (2, 1));
    assert_eq!(lan.mesh(A).refusals().total(), 0);
}

/// A third of all, spread without a pattern.
fn lost_often(number: u64) -> bool {
    patronus_wire::sha256(&[&number.to_be_bytes()])[0] < 85
}

/// Only A knows C's record and B's revocation: D has just joined, E has been away.
#[test]
fn neighbours_complete_each_others_rosters_in_spite_of_loss() {
    let (d, e) = (SITES + 3, SITES + 4);
    let mut full = roster(A..=e);
    let revocations = vec![signed(&revocation(B, SIGNERS), SIGNERS)];
    assert!(full.merge(Bundle { revocations, ..Bundle::default() }).iter().all(Result::is_ok));
    let little = |site: u16| {
        let mut roster = Roster::new(public(ROOT));
        let mut both = bundle([site, A].into_iter());
        both.records.push(signed(&record(B, SIGNERS, 1), SIGNERS));
        roster.merge(both);
        roster
    };
    let sites = vec![(A, member(A, full.clone(), 1)), (d, member(d, little(d), 1)), (e, member(e, little(e), 1))];
    let mut lan = Lan::new(sites);
    lan.run(0, 100_000, lost_often);
    for site in [d, e] {
        assert_eq!(lan.mesh(site).roster().digest(), full.digest(), "{site}");
        assert_eq!(lan.mesh(site).members().get(&id(B)).unwrap().standing, Standing::Revoked);
        assert!(events(lan.mesh(site)).contains(&Event::SiteRevoked(id(B))));
    }
}

/// Two hundred sites' records come to a new site over the LAN, in datagrams.
#[test]
fn a_new_site_learns_of_two_hundred_in_seconds() {
    let count = 200;
    let full = roster(A..A + count);
    let mut new = Roster::new(public(ROOT));
    new.merge(bundle([A, B].into_iter()));
    let mut lan = Lan::new(vec![(A, member(A, full.clone(), 1)), (B, member(B, new, 1))]);
    lan.run(0, 10_000, |_| false);
    assert_eq!(lan.mesh(B).roster().digest(), full.digest());
    println!("{} datagrams, {} bytes", lan.datagrams, lan.bytes);
    assert!(lan.bytes < 400_000, "{}", lan.bytes);
}

#[test]
fn quiet_neighbours_say_little() {
    let mut lan = Lan::new([A, B, C].map(|site| (site, member(site, roster(A..=C), 1))).into());
    lan.run(0, 60_000, |_| false);
    let before = lan.bytes;
    lan.run(60_001, 660_000, |_| false);
    let per_site_s = (lan.bytes - before) / 3 / 600;
    assert!(per_site_s <= 20, "{per_site_s} bytes a second");
}

#[test]
fn a_revoked_site_is_forgotten_and_not_heard_again() {
    let mut mesh = member(A, roster(A..=B), 1);
    mesh.handle_datagram(address(B), &announced(B, 1, 1), at(0));
    let revocations = vec![signed(&revocation(B, SIGNERS), SIGNERS)];
    mesh.handle_datagram(address(C), &sealed(&Message::Bundle(Bundle { revocations, ..Bundle::default() })), at(1));
    assert!(mesh.book().get(&id(B)).is_none());
    assert!(mesh.members().valid().all(|(site, _): (&SiteId, _)| *site != id(B)));
    mesh.handle_datagram(address(B), &announced(B, 1, 2), at(2));
    assert_eq!(mesh.refusals().of(Refusal::SiteRevoked), 1);
}

/// Its store was damaged and set aside: it counts from 1 again.
#[test]
fn a_site_that_forgot_its_boot_epochs_is_reminded_and_believed_again() {
    let mut lan = Lan::new([(A, 5), (B, 1)].map(|(site, epoch)| (site, member(site, roster(A..=B), epoch))).into());
    lan.run(0, 10_000, |_| false);
    *lan.mesh(A) = member(A, roster(A..=B), 1);
    lan.run(10_001, 20_000, |_| false);
    assert!(lan.mesh(B).refusals().of(Refusal::AnnouncementReplayed) > 0);
    let forgotten = events(lan.mesh(A)).into_iter().find_map(|event| match event {
        Event::BootEpochForgotten(next) => Some(next),
        _ => None,
    });
    assert_eq!(forgotten, Some(6));
    lan.mesh(A).handle_boot_epoch(6, at(20_001));
    lan.run(20_001, 20_001, |_| false);
    assert_eq!(lan.mesh(B).book().get(&id(A)).unwrap().announcement.boot_epoch, 6);
}

/// With a clock in the far future all records have ended; what was on the disk is as new as ever.
#[test]
fn a_box_that_starts_with_the_wrong_time_forgets_nothing() {
    let later = patronus_mesh::Now { ms: 0, clock: patronus_mesh::Wallclock::Known(u64::MAX / 2) };
    let mut mesh = Mesh::new(support::key(A), roster(A..=B), support::network_key(), 2, later);
    mesh.restore(vec![signed(&announcement(B, 3, 7), B)]);
    mesh.handle_timeout(at(60_000), 0);
    mesh.handle_datagram(address(B), &announced(B, 3, 6), at(60_001));
    assert_eq!(mesh.refusals().of(Refusal::AnnouncementReplayed), 1);
    assert_eq!(mesh.book().get(&id(B)).unwrap().announcement.freshness(), (3, 7));
}
