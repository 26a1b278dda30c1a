//! Several signers: who renews what, and what stays when one goes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use patronus_mesh::{Members, Now, Registrar, Roster, SignError, Standing, Wallclock, limit, signers};
use patronus_wire::Bundle;
use support::*;

const FIRST: u16 = SIGNERS;
const SECOND: u16 = SIGNERS + 1;

/// Sites by the first signer's word; the second one is appointed by the root.
fn two_signers(sites: u16) -> Roster {
    let mut roster = roster(SITES..SITES + sites);
    let appointed = signers::appoint(&key(ROOT), public(SECOND), &roster, NEW_YEAR_S + DAY_S).unwrap();
    roster.merge_signer(appointed.into_unverified()).unwrap();
    roster
}

fn on_day(day: u64) -> Now {
    Now { ms: 0, clock: Wallclock::Known(NEW_YEAR_S + day * DAY_S) }
}

fn due(roster: &Roster, signer: u16, day: u64) -> usize {
    let (signer, now) = (key(signer), on_day(day));
    let members = Members::new(roster, now.clock);
    Registrar::new(&signer, roster, &members, now.clock).due().len()
}

#[test]
fn the_second_signer_renews_what_the_first_has_left_for_ten_days_and_before_it_ends() {
    let roster = two_signers(3);
    assert_eq!((due(&roster, FIRST, 9), due(&roster, SECOND, 9)), (0, 0));
    assert_eq!((due(&roster, FIRST, 11), due(&roster, SECOND, 11)), (3, 0), "the first does it by itself");
    assert_eq!((due(&roster, SECOND, 20), due(&roster, SECOND, 21)), (0, 3), "the first is gone");
    let (second, now) = (key(SECOND), on_day(21));
    let members = Members::new(&roster, now.clock);
    let record = Registrar::new(&second, &roster, &members, now.clock).renew(id(SITES)).unwrap();
    let mut renewed = roster;
    renewed.merge_record(record.into_unverified()).unwrap();
    let members = Members::new(&renewed, on_day(40).clock);
    let standing = |site| members.get(&id(site)).map(|member| member.standing);
    assert_eq!((standing(SITES), standing(SITES + 1)), (Some(Standing::Valid), Some(Standing::Expired)));
}

#[test]
fn what_a_withdrawn_signer_has_said_stays_by_the_word_of_another() {
    let mut roster = two_signers(3);
    roster.merge_revocation(signed(&revocation(SITES + 2, FIRST), FIRST)).unwrap();
    let (second, now) = (key(SECOND), on_day(2));
    let members = Members::new(&roster, now.clock);
    let stays = Registrar::new(&second, &roster, &members, now.clock).succeed(&public(FIRST)).unwrap();
    assert_eq!((stays.records.len(), stays.revocations.len()), (2, 1));
    let withdrawn = signers::withdraw(&key(ROOT), public(FIRST), &roster, NEW_YEAR_S + 2 * DAY_S).unwrap();
    assert!(roster.merge(stays).iter().all(Result::is_ok));
    assert!(roster.merge(Bundle { signers: vec![withdrawn.into_unverified()], ..Bundle::default() })[0].is_ok());
    let members = Members::new(&roster, now.clock);
    let standing = |site| members.get(&id(site)).map(|member| member.standing);
    assert_eq!((standing(SITES), standing(SITES + 1)), (Some(Standing::Valid), Some(Standing::Valid)));
    assert!(roster.is_revoked(&id(SITES + 2)));
    assert!(members.get(&id(SITES)).is_some_and(|member| member.record.signer == public(SECOND)));
}

#[test]
fn only_this_networks_root_names_signers_and_no_more_than_others_remember() {
    let mut roster = roster(SITES..SITES + 1);
    let appoint = |roster: &Roster, root, signer| signers::appoint(&key(root), public(signer), roster, NEW_YEAR_S);
    assert_eq!(appoint(&roster, ROOT + 1, SECOND).unwrap_err(), SignError::RootKeyWrong);
    assert_eq!(
        signers::withdraw(&key(ROOT), public(SECOND), &roster, NEW_YEAR_S).unwrap_err(),
        SignError::SignerUnknown
    );
    for number in 1..limit::SIGNERS as u16 {
        let appointed = appoint(&roster, ROOT, SIGNERS + number).unwrap();
        roster.merge_signer(appointed.into_unverified()).unwrap();
    }
    assert_eq!(appoint(&roster, ROOT, SIGNERS + limit::SIGNERS as u16).unwrap_err(), SignError::TooManySigners);
    assert_eq!(appoint(&roster, ROOT, FIRST).unwrap().serial, 2, "one that is there is prolonged");
}
