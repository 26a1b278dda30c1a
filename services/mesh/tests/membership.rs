//! Founding, joining, renewing, revoking: what signers do, and what of it counts.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use patronus_mesh::{
    Admitted, Conflict, Invitation, Invitations, JoinError, Joiner, Members, Registrar, Roster, SignError, Standing,
    Use, Wallclock, found, invitation, limit,
};
use patronus_types::IpNet;
use patronus_wire::{
    Admission, Bundle, JoinAnswer, JoinRefusal, JoinRequest, Message, Refused, Roles, SiteRecord, TokenSecret, Validity,
};
use support::{
    DAY_S, NEW_YEAR_S, ROOT, SIGNERS, SITES, certificate, id, key, network_key, public, record, revocation, roster,
    signed, withdrawal,
};

const FIRST: u16 = SITES;
const NEW: u16 = SITES + 1;
const OTHER: u16 = SITES + 2;
const NOON_S: u64 = NEW_YEAR_S + DAY_S + DAY_S / 2;
const NOON: Wallclock = Wallclock::Known(NOON_S);
const SECRET: TokenSecret = TokenSecret([9; 16]);

fn prefixes(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|prefix| prefix.parse().unwrap()).collect()
}

fn invitation(granted: &[&str]) -> Invitation {
    Invitation::new(&SECRET, NOON_S - 60, DAY_S, Roles::SITE, prefixes(granted)).unwrap()
}

fn joiner(site: u16, name: &str, wanted: &[&str]) -> Joiner {
    let token = invitation(&[]).token(public(ROOT), Vec::new());
    Joiner::new(token, &key(site), name.parse().unwrap(), prefixes(wanted), [3; 24], 0).unwrap()
}

fn request(joiner: &mut Joiner) -> JoinRequest {
    let Some(Message::JoinRequest(request)) = joiner.poll_ask(u64::MAX - 1_000_000) else { panic!("asks nothing") };
    request
}

fn decided(
    roster: &Roster,
    request: &JoinRequest,
    invitation: &Invitation,
    clock: Wallclock,
) -> Result<Admitted, JoinRefusal> {
    let members = Members::new(roster, clock);
    Registrar::new(&key(SIGNERS), roster, &members, clock).admit(request, invitation).unwrap()
}

fn refused(site: u16, name: &str, wanted: &[&str], granted: &[&str]) -> JoinRefusal {
    let request = request(&mut joiner(site, name, wanted));
    decided(&roster(FIRST..=FIRST), &request, &invitation(granted), NOON).unwrap_err()
}

#[test]
fn a_network_is_founded_and_a_second_site_joins_it() {
    let founding =
        found(&key(ROOT), &key(SIGNERS), &key(FIRST), "hq".parse().unwrap(), prefixes(&["10.1.0.0/16"]), NOON_S);
    let mut roster = founding.unwrap().roster(public(ROOT));
    assert_eq!(Members::new(&roster, NOON).valid().count(), 1);

    let mut joiner = joiner(NEW, "branch", &["10.2.0.0/16"]);
    let request = request(&mut joiner);
    let admitted = decided(&roster, &request, &invitation(&["10.0.0.0/8"]), NOON).unwrap();
    assert_eq!(admitted.site, id(NEW));
    let records = vec![admitted.record.unwrap().into_unverified()];
    assert!(roster.merge(Bundle { records, ..Bundle::default() }).iter().all(Result::is_ok));

    let bundle = roster.excerpt(&[id(FIRST), id(NEW)]);
    let answer = JoinAnswer::seal(&request, &SECRET, &Ok(Admission { network_key: network_key(), bundle }), [4; 24]);
    let joined = joiner.handle_answer(&answer.unwrap(), NOON).unwrap();
    assert_eq!((joined.roster, joined.network_key), (roster.clone(), network_key()));
    let members = Members::new(&roster, NOON);
    assert_eq!(members.get(&id(NEW)).unwrap().prefixes, prefixes(&["10.2.0.0/16"]));
    assert_eq!(members.named(&"branch".parse().unwrap()), Some(id(NEW)));
}

#[test]
fn whoever_asks_again_with_the_same_token_gets_the_same_and_no_other_gets_any() {
    let roster = roster(FIRST..=FIRST);
    let mut used = invitation(&[]);
    used.used = Some(Use { site: id(NEW), at_s: NOON_S });
    let again = decided(&roster, &request(&mut joiner(NEW, "branch", &[])), &used, NOON).unwrap();
    assert_eq!((again.site, again.record, Some(again.used)), (id(NEW), None, used.used));
    let other = decided(&roster, &request(&mut joiner(OTHER, "branch", &[])), &used, NOON);
    assert_eq!(other, Err(JoinRefusal::TokenUsed));
}

#[test]
fn a_wish_beyond_the_token_is_refused_by_its_name() {
    assert_eq!(refused(NEW, "site-0", &[], &[]), JoinRefusal::NameTaken);
    assert_eq!(refused(NEW, "x", &["10.7.0.0/16"], &[]), JoinRefusal::PrefixNotGranted);
    assert_eq!(refused(NEW, "x", &["10.0.0.0/8"], &["10.7.0.0/16"]), JoinRefusal::PrefixNotGranted);
    // FIRST has 10.0.0.0/24.
    for taken in ["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/16"] {
        assert_eq!(refused(NEW, "x", &[taken], &["10.0.0.0/8"]), JoinRefusal::PrefixTaken, "{taken}");
    }
    // No wish is a wish for all.
    assert_eq!(refused(NEW, "x", &[], &["10.0.0.0/8"]), JoinRefusal::PrefixTaken);
}

#[test]
fn a_token_ends_with_its_time_and_a_signer_without_the_time_admits_nobody() {
    let (roster, invitation) = (roster(FIRST..=FIRST), invitation(&[]));
    let request = request(&mut joiner(NEW, "x", &[]));
    let end_s = invitation.expires_s;
    assert!(decided(&roster, &request, &invitation, Wallclock::Known(end_s)).is_ok());
    let late = decided(&roster, &request, &invitation, Wallclock::Known(end_s + 1));
    assert_eq!(late, Err(JoinRefusal::TokenExpired));
    let clockless = decided(&roster, &request, &invitation, Wallclock::AtLeast(0));
    assert_eq!(clockless, Err(JoinRefusal::ClockUnknown));
}

#[test]
fn a_revoked_identity_never_comes_back_and_a_signer_that_is_none_admits_nobody() {
    let request = request(&mut joiner(NEW, "x", &[]));
    let mut revoked = roster(FIRST..=NEW);
    revoked.merge_revocation(signed(&revocation(NEW, SIGNERS), SIGNERS)).unwrap();
    assert_eq!(decided(&revoked, &request, &invitation(&[]), NOON), Err(JoinRefusal::SiteRevoked));
    let mut withdrawn = roster(FIRST..=FIRST);
    withdrawn.merge_signer(signed(&withdrawal(SIGNERS), ROOT)).unwrap();
    assert_eq!(decided(&withdrawn, &request, &invitation(&[]), NOON), Err(JoinRefusal::SignerUnable));
}

#[test]
fn a_wish_for_another_network_or_with_another_secret_is_none() {
    let roster = roster(FIRST..=FIRST);
    let members = Members::new(&roster, NOON);
    let signer = key(SIGNERS);
    let registrar = Registrar::new(&signer, &roster, &members, NOON);
    let request = request(&mut joiner(NEW, "x", &[]));
    let other = Invitation::new(&TokenSecret([1; 16]), 0, 0, Roles::SITE, Vec::new()).unwrap();
    assert_eq!(registrar.admit(&request, &other), Err(Refused::SealBroken));
    // The same secret, but the token named another root.
    let foreign = invitation(&[]).token(public(OTHER), Vec::new());
    let mut foreign = Joiner::new(foreign, &key(NEW), "x".parse().unwrap(), Vec::new(), [3; 24], 0).unwrap();
    assert_eq!(registrar.admit(&self::request(&mut foreign), &invitation(&[])), Err(Refused::SealBroken));
}

#[test]
fn a_joiner_believes_only_what_goes_back_to_its_root() {
    let mut joiner = joiner(NEW, "x", &[]);
    let request = request(&mut joiner);
    let answered = |bundle| {
        let admission = Admission { network_key: network_key(), bundle };
        let answer = JoinAnswer::seal(&request, &SECRET, &Ok(admission), [4; 24]).unwrap();
        joiner.handle_answer(&answer, NOON).err()
    };
    let certificates = || vec![signed(&certificate(SIGNERS), ROOT)];
    let of = |signers, records| Bundle { signers, records, ..Bundle::default() };
    let good = signed(&record(NEW, SIGNERS, 1), SIGNERS);
    assert_eq!(answered(of(certificates(), vec![good.clone()])), None);
    let bad = [
        ("nobody vouches for the signer", of(Vec::new(), vec![good.clone()])),
        ("the signer vouches for itself", of(vec![signed(&certificate(SIGNERS), SIGNERS)], vec![good])),
        ("no record at all", of(certificates(), Vec::new())),
        ("another site's record", of(certificates(), vec![signed(&record(OTHER, SIGNERS, 1), SIGNERS)])),
        ("a record by somebody else", of(certificates(), vec![signed(&record(NEW, SIGNERS, 1), OTHER)])),
        ("a record that has ended", of(certificates(), vec![signed(&ended(NEW), SIGNERS)])),
    ];
    for (name, bundle) in bad {
        assert_eq!(answered(bundle), Some(JoinError::WithoutRecord), "{name}");
    }
    let no = JoinAnswer::seal(&request, &SECRET, &Err(JoinRefusal::TokenUsed), [4; 24]).unwrap();
    assert_eq!(joiner.handle_answer(&no, NOON), Err(JoinError::Refused(JoinRefusal::TokenUsed)));
    let forged = JoinAnswer::seal(&request, &TokenSecret([1; 16]), &Err(JoinRefusal::TokenUsed), [4; 24]).unwrap();
    assert_eq!(joiner.handle_answer(&forged, NOON), Err(JoinError::Wire(Refused::SealBroken)));
}

fn ended(site: u16) -> SiteRecord {
    let validity = Validity { not_before_s: NEW_YEAR_S - 9 * DAY_S, not_after_s: NEW_YEAR_S };
    SiteRecord { validity, ..record(site, SIGNERS, 1) }
}

#[test]
fn a_joiner_asks_every_second_and_always_the_same() {
    let mut joiner = joiner(NEW, "x", &[]);
    let first = joiner.poll_ask(0).unwrap();
    assert_eq!(joiner.poll_ask(limit::JOIN_RETRY_MS - 1), None);
    assert_eq!(joiner.poll_ask(limit::JOIN_RETRY_MS), Some(first));
}

#[test]
fn records_are_renewed_in_time_and_keep_what_they_say() {
    let mut roster = roster(FIRST..=NEW);
    let (signer, early) = (key(SIGNERS), Wallclock::Known(NEW_YEAR_S + 30 * DAY_S - limit::RENEW_BEFORE_S));
    let due = |roster: &Roster, clock| Registrar::new(&signer, roster, &Members::new(roster, clock), clock).due();
    assert_eq!(due(&roster, early), []);
    let Wallclock::Known(early_s) = early else { panic!() };
    let late = Wallclock::Known(early_s + 1);
    assert_eq!(due(&roster, late).len(), 2);
    assert_eq!(due(&roster, Wallclock::AtLeast(early_s + 1)), [], "a signer without the time signs nothing");
    let before = Members::new(&roster, late).get(&id(NEW)).unwrap().record.clone();
    let renewed = Registrar::new(&signer, &roster, &Members::new(&roster, late), late).renew(id(NEW)).unwrap();
    assert_eq!(renewed.serial, 2);
    assert_eq!(renewed.member_since_s, before.member_since_s);
    assert_eq!((&renewed.name, &renewed.prefixes, renewed.roles), (&before.name, &before.prefixes, before.roles));
    roster.merge_record(renewed.into_unverified()).unwrap();
    assert_eq!(due(&roster, late), [id(FIRST)]);
}

#[test]
fn a_renamed_site_has_its_new_name_and_nobody_elses() {
    let mut roster = roster(FIRST..=NEW);
    let signer = key(SIGNERS);
    let members = Members::new(&roster, NOON);
    let registrar = Registrar::new(&signer, &roster, &members, NOON);
    assert_eq!(registrar.rename(id(NEW), "site-0".parse().unwrap()), Err(SignError::NameTaken));
    assert_eq!(registrar.rename(id(OTHER), "x".parse().unwrap()), Err(SignError::SiteUnknown));
    let renamed = registrar.rename(id(NEW), "branch".parse().unwrap()).unwrap();
    roster.merge_record(renamed.into_unverified()).unwrap();
    let members = Members::new(&roster, NOON);
    assert_eq!(members.named(&"branch".parse().unwrap()), Some(id(NEW)));
    assert_eq!(members.named(&"site-1".parse().unwrap()), None);
}

#[test]
fn a_revocation_is_signed_once_and_beats_every_record() {
    let mut roster = roster(FIRST..=NEW);
    let signer = key(SIGNERS);
    let revoked = |roster: &Roster| Registrar::new(&signer, roster, &Members::new(roster, NOON), NOON).revoke(id(NEW));
    let revocation = revoked(&roster).unwrap().unwrap();
    roster.merge_revocation(revocation.into_unverified()).unwrap();
    assert_eq!(revoked(&roster), Ok(None));
    roster.merge_record(signed(&record(NEW, SIGNERS, 99), SIGNERS)).unwrap();
    let members = Members::new(&roster, NOON);
    assert_eq!(members.get(&id(NEW)).unwrap().standing, Standing::Revoked);
    assert_eq!(members.get(&id(NEW)).unwrap().prefixes, []);
}

/// Three signers that do not know of each other grant the same; whatever the order, all boxes agree who has it.
#[test]
fn the_older_member_keeps_a_prefix_and_a_name_and_the_conflict_is_told() {
    let site = |site: u16, since_s: u64, granted: &[&str]| SiteRecord {
        member_since_s: since_s,
        name: "same".parse().unwrap(),
        prefixes: prefixes(granted),
        ..record(site, SIGNERS, 1)
    };
    let records = [
        site(FIRST, 300, &["10.1.0.0/16", "10.9.0.0/24"]),
        site(NEW, 100, &["10.1.2.0/24"]),
        site(OTHER, 200, &["10.0.0.0/8", "192.168.0.0/24"]),
    ];
    let members = |order: [usize; 3]| {
        let mut roster = roster(FIRST..FIRST);
        for place in order {
            roster.merge_record(signed(&records[place], SIGNERS)).unwrap();
        }
        Members::new(&roster, NOON)
    };
    let one = members([0, 1, 2]);
    assert_eq!(one, members([2, 1, 0]));
    assert_eq!(one.get(&id(NEW)).unwrap().prefixes, prefixes(&["10.1.2.0/24"]));
    assert_eq!(one.get(&id(OTHER)).unwrap().prefixes, prefixes(&["192.168.0.0/24"]));
    assert_eq!(one.get(&id(FIRST)).unwrap().prefixes, prefixes(&["10.9.0.0/24"]));
    assert_eq!(one.named(&"same".parse().unwrap()), Some(id(NEW)));
    let overlaps = one.conflicts().iter().filter(|it| matches!(it, Conflict::PrefixOverlap { .. })).count();
    assert_eq!((overlaps, one.conflicts().len()), (2, 4));
}

#[test]
fn a_site_with_the_wrong_time_is_judged_as_everybody_else_once_it_knows_it() {
    let mut roster = roster(FIRST..FIRST);
    roster.merge_record(signed(&ended(NEW), SIGNERS)).unwrap();
    let standing = |clock| Members::new(&roster, clock).get(&id(NEW)).unwrap().standing;
    assert_eq!(standing(Wallclock::AtLeast(0)), Standing::Valid, "1970, after the battery was empty");
    assert_eq!(standing(Wallclock::Known(0)), Standing::NotYet);
    assert_eq!(standing(Wallclock::Known(NEW_YEAR_S + limit::SKEW_S)), Standing::Valid);
    assert_eq!(standing(Wallclock::Known(NEW_YEAR_S + limit::SKEW_S + 1)), Standing::Expired);
    assert_eq!(standing(Wallclock::AtLeast(NEW_YEAR_S + limit::SKEW_S + 1)), Standing::Expired);
}

#[test]
fn used_invitations_make_room_and_good_ones_do_not() {
    let mut all = Invitations::new();
    let secret = |number: u16| {
        let mut secret = [0; 16];
        secret[..2].copy_from_slice(&number.to_be_bytes());
        TokenSecret(secret)
    };
    for number in 0..limit::INVITATIONS as u16 {
        assert_eq!(invitation::room(&all, NOON_S), Ok(None));
        let made_s = NOON_S - u64::from(number);
        all.insert(
            secret(number).id(),
            Invitation::new(&secret(number), made_s, DAY_S, Roles::SITE, Vec::new()).unwrap(),
        );
    }
    assert_eq!(invitation::room(&all, NOON_S), Err(SignError::TooManyInvitations));
    for number in [5, 9] {
        all.get_mut(&secret(number).id()).unwrap().used = Some(Use { site: id(NEW), at_s: NOON_S });
    }
    assert_eq!(invitation::room(&all, NOON_S), Ok(Some(secret(9).id())), "of two that are used up the older one");
    let long = Invitation::new(&SECRET, 0, limit::INVITATION_S + 1, Roles::SITE, Vec::new());
    assert_eq!(long, Err(SignError::ValidityTooLong));
}

#[test]
fn a_network_at_its_limit_admits_and_revokes_no_more() {
    let all = limit::SITES as u16;
    let mut full = roster(FIRST..FIRST + all - 1);
    let wish = |site: u16| request(&mut joiner(site, "one-more", &[]));
    let room = decided(&full, &wish(FIRST + all - 1), &invitation(&[]), NOON);
    assert!(room.is_ok());
    full.merge_record(signed(&record(FIRST + all - 1, SIGNERS, 1), SIGNERS)).unwrap();
    let over = decided(&full, &wish(FIRST + all), &invitation(&[]), NOON);
    assert_eq!(over, Err(JoinRefusal::NetworkFull));

    let revoked = FIRST + all..FIRST + all + limit::REVOCATIONS as u16 - 1;
    for site in revoked {
        full.merge_revocation(signed(&revocation(site, SIGNERS), SIGNERS)).unwrap();
    }
    let signer = key(SIGNERS);
    let revoke =
        |roster: &Roster, site| Registrar::new(&signer, roster, &Members::new(roster, NOON), NOON).revoke(site);
    let last = revoke(&full, id(FIRST)).unwrap().unwrap();
    full.merge_revocation(last.into_unverified()).unwrap();
    assert_eq!(revoke(&full, id(NEW)), Err(SignError::TooManyRevocations));
}
