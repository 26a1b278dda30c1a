use patronus_ipc::config::{Claim, Network, Problem, Reply, Request};
use patronus_types::Generation;
use proptest::prelude::*;

use super::*;
use crate::{Rejection, limit, testing::document};

mod model;

const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG";

fn moment(uptime_ms: u64) -> Moment {
    Moment { uptime_ms, unix_s: 1_800_000_000, boot_id: "boot-1".into(), entropy: [7; 32] }
}

fn claim(number: u16) -> Request {
    let password_phc = PHC.to_owned();
    Request::Claim(Box::new(Claim { document: document(number), password_phc, network: Network::Create }))
}

fn apply(number: u16, base: Option<u64>, confirm_within_s: Option<u32>) -> Request {
    let toml = crate::emit(&document(number)).unwrap();
    Request::Apply { toml, base: base.map(Generation), confirm_within_s, author: "ada".into() }
}

fn roll_back(to: Option<u64>) -> Request {
    Request::Rollback { to: to.map(Generation), author: "ada".into() }
}

/// Carries out a request, with what it writes.
fn act(ledger: &mut Ledger, uptime_ms: u64, request: Request) -> Reply {
    let Decision { change, reply } = ledger.handle_request(&moment(uptime_ms), request);
    if let Some(change) = change {
        ledger.commit(change).unwrap();
    }
    reply
}

fn claimed() -> Ledger {
    let mut ledger = Ledger::restore(Snapshot::default()).unwrap();
    assert_eq!(act(&mut ledger, 0, claim(1)), committed(1));
    ledger
}

fn committed(generation: u64) -> Reply {
    Reply::Committed { generation: Generation(generation) }
}

fn rejected(rejection: Rejection) -> Reply {
    Reply::Rejected(rejection.into())
}

fn running(ledger: &Ledger) -> &Document {
    &ledger.state().claimed.as_ref().unwrap().document
}

#[test]
fn an_unclaimed_box_is_claimed_once_and_refuses_all_else_before() {
    let mut ledger = Ledger::restore(Snapshot::default()).unwrap();
    for request in [apply(1, None, None), roll_back(None), Request::Confirm { generation: Generation(0) }] {
        assert_eq!(act(&mut ledger, 0, request), rejected(Rejection::Unclaimed));
    }
    let new_password = Request::SetCredential { password_phc: PHC.into() };
    assert_eq!(act(&mut ledger, 0, new_password), rejected(Rejection::Unclaimed));
    assert_eq!(act(&mut ledger, 0, Request::Credential), Reply::Credential(None));
    assert_eq!(act(&mut ledger, 0, Request::History), Reply::History(Vec::new()));
    assert_eq!(act(&mut ledger, 0, claim(1)), committed(1));
    assert_eq!(act(&mut ledger, 0, claim(2)), rejected(Rejection::AlreadyClaimed));
    assert_eq!(act(&mut ledger, 0, Request::Credential), Reply::Credential(Some(PHC.into())));
    assert_eq!(running(&ledger), &document(1));
}

#[test]
fn the_site_id_is_the_hash_of_the_public_identity_key() {
    // RFC 8032 section 7.1, test 1: this seed has the public key d75a9801...; the hash was computed with sha256sum.
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let seed: Vec<u8> = (0..64).step_by(2).map(|i| u8::from_str_radix(&seed[i..i + 2], 16).unwrap()).collect();
    let id = site_id(&seed.try_into().unwrap());
    assert_eq!(id.to_string(), "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9");
}

#[test]
fn a_password_that_nobody_could_check_is_refused() {
    let huge = PHC.replace("m=19456", "m=1048576");
    let slow = PHC.replace("t=2", "t=1000");
    let other = PHC.replace("argon2id", "argon2i");
    let long = format!("{PHC}{}", "A".repeat(limit::PASSWORD_PHC_BYTES));
    for bad in ["", "hunter2", "$argon2id$v=19$m=19456,t=2,p=1", &huge, &slow, &other, &long] {
        let request = Request::SetCredential { password_phc: bad.to_owned() };
        assert_eq!(act(&mut claimed(), 0, request), rejected(Rejection::PasswordInvalid), "{bad}");
    }
}

#[test]
fn nobody_overwrites_what_he_has_not_seen() {
    let mut ledger = claimed();
    assert_eq!(act(&mut ledger, 0, apply(2, Some(1), None)), committed(2));
    let (base, running) = (Generation(1), Generation(2));
    assert_eq!(act(&mut ledger, 0, apply(3, Some(1), None)), rejected(Rejection::StaleBase { base, running }));
    assert_eq!(act(&mut ledger, 0, apply(3, None, None)), committed(3));
}

#[test]
fn an_invalid_document_changes_nothing_and_tells_all_problems() {
    let mut ledger = claimed();
    let toml = crate::emit(&document(2)).unwrap().replace("Europe/Zurich", "Mars/Base").replace("/24", "/31");
    let request = Request::Apply { toml: toml.clone(), base: None, confirm_within_s: None, author: "ada".into() };
    let Reply::Rejected(problems) = act(&mut ledger, 0, request) else { panic!("accepted") };
    let codes: Vec<&str> = problems.iter().map(|Problem { code, .. }| code.as_str()).collect();
    assert_eq!(codes, ["time-zone-unknown", "lan-prefix-length"]);
    assert_eq!(act(&mut ledger, 0, Request::Check { toml }), Reply::Rejected(problems));
    assert_eq!(running(&ledger), &document(1));
}

#[test]
fn a_trial_that_is_confirmed_stays() {
    let mut ledger = claimed();
    assert_eq!(act(&mut ledger, 1_000, apply(2, None, Some(60))), committed(2));
    assert_eq!(ledger.deadline(), Some(61_000));
    assert_eq!(act(&mut ledger, 2_000, apply(3, None, None)), rejected(Rejection::TrialRunning(Generation(2))));
    let wrong = Rejection::WrongGeneration { asked: Generation(1), running: Generation(2) };
    assert_eq!(act(&mut ledger, 2_000, Request::Confirm { generation: Generation(1) }), rejected(wrong));
    for _lost_answer in 0..2 {
        assert_eq!(act(&mut ledger, 60_999, Request::Confirm { generation: Generation(2) }), committed(2));
    }
    assert_eq!((ledger.deadline(), running(&ledger)), (None, &document(2)));
}

#[test]
fn a_trial_that_is_not_confirmed_goes_away_at_its_deadline() {
    let mut ledger = claimed();
    act(&mut ledger, 1_000, apply(2, None, Some(60)));
    assert_eq!(ledger.handle_timeout(&moment(60_999)), None);
    let late = act(&mut ledger, 61_000, Request::Confirm { generation: Generation(2) });
    assert_eq!(late, rejected(Rejection::TrialOver(Generation(2))));
    let change = ledger.handle_timeout(&moment(61_000)).unwrap();
    ledger.commit(change).unwrap();
    assert_eq!((ledger.state().generation, running(&ledger)), (Generation(3), &document(1)));
    assert_eq!(ledger.snapshot().records[&Generation(3)].author, ROLL_BACK);
}

#[test]
fn a_trial_outlives_the_service_but_not_the_boot() {
    let mut ledger = claimed();
    act(&mut ledger, 1_000, apply(2, None, Some(60)));
    let restarted = Ledger::restore(ledger.snapshot().clone()).unwrap();
    assert_eq!(restarted.handle_start(&moment(30_000)), None);
    assert_eq!(restarted.deadline(), Some(61_000));
    assert!(restarted.handle_start(&moment(61_000)).is_some(), "the deadline came while the service was down");
    let after_reboot = Moment { boot_id: "boot-2".into(), ..moment(5) };
    let change = restarted.handle_start(&after_reboot).unwrap();
    ledger.commit(change).unwrap();
    assert_eq!(running(&ledger), &document(1));
}

#[test]
fn a_roll_back_is_a_new_generation_and_ends_a_trial() {
    let mut ledger = claimed();
    assert_eq!(act(&mut ledger, 0, roll_back(None)), rejected(Rejection::NothingEarlier));
    act(&mut ledger, 0, apply(2, None, None));
    assert_eq!(act(&mut ledger, 0, roll_back(None)), committed(3));
    assert_eq!(running(&ledger), &document(1));
    act(&mut ledger, 0, apply(4, None, Some(60)));
    assert_eq!(act(&mut ledger, 0, roll_back(None)), committed(5));
    assert_eq!((ledger.deadline(), running(&ledger)), (None, &document(1)));
    assert_eq!(act(&mut ledger, 0, roll_back(Some(2))), committed(6));
    assert_eq!(running(&ledger), &document(2));
    assert_eq!(act(&mut ledger, 0, roll_back(Some(9))), rejected(Rejection::UnknownGeneration(Generation(9))));
}

#[test]
fn the_length_of_a_trial_and_of_an_author_have_limits() {
    for (seconds, good) in [(0, false), (1, true), (3600, true), (3601, false)] {
        let reply = act(&mut claimed(), 0, apply(2, None, Some(seconds)));
        assert_eq!(reply == committed(2), good, "{seconds}");
    }
    for (author, good) in [("", false), ("a\nb", false), (&"a".repeat(64), true), (&"a".repeat(65), false)] {
        let reply = act(&mut claimed(), 0, Request::Rollback { to: Some(Generation(1)), author: author.to_owned() });
        assert_eq!(reply == committed(2), good, "{author}");
    }
}

#[test]
fn the_history_keeps_its_limit_and_what_a_trial_falls_back_to() {
    let mut ledger = claimed();
    for number in 2..=limit::HISTORY as u16 {
        act(&mut ledger, 0, apply(number, None, None));
    }
    assert_eq!(ledger.snapshot().records.len(), limit::HISTORY);
    assert!(ledger.snapshot().records.contains_key(&Generation(1)));
    act(&mut ledger, 0, apply(51, None, None));
    assert_eq!(ledger.snapshot().records.len(), limit::HISTORY);
    assert!(!ledger.snapshot().records.contains_key(&Generation(1)));
    let Reply::History(history) = act(&mut ledger, 0, Request::History) else { panic!("no history") };
    assert_eq!(history.first().map(|newest| (newest.generation, newest.running)), Some((Generation(51), true)));
    assert_eq!(history.iter().filter(|revision| revision.running).count(), 1);
    assert_eq!(
        act(&mut ledger, 0, Request::Export { generation: Some(Generation(1)) }),
        rejected(Rejection::UnknownGeneration(Generation(1)))
    );
}

#[test]
fn a_disk_that_no_change_leads_to_is_damaged() {
    let whole = claimed().snapshot().clone();
    let half = Snapshot { secret: None, ..whole.clone() };
    assert_eq!(Ledger::restore(half).unwrap_err(), Damage::HalfClaimed);
    let headless = Snapshot { head: None, ..whole.clone() };
    assert_eq!(Ledger::restore(headless).unwrap_err(), Damage::HalfClaimed);
    let empty = Snapshot { records: Default::default(), ..whole.clone() };
    assert_eq!(Ledger::restore(empty).unwrap_err(), Damage::RecordMissing(Generation(1)));
    let mut garbled = whole;
    garbled.records.get_mut(&Generation(1)).unwrap().toml = "nonsense".into();
    assert!(matches!(Ledger::restore(garbled), Err(Damage::RecordUnreadable { .. })));
}
