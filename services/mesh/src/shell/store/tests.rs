//! On a real disk: what is consumed once, and what a restart finds.

use std::sync::{Arc, Barrier};

use patronus_mesh::{Joiner, Members, Registrar, Wallclock, found};
use patronus_wire::{Bundle, JoinRequest, Message, Roles, TokenSecret, site_id};

use super::*;

const NOW_S: u64 = 1_767_225_600;
const SECRET: TokenSecret = TokenSecret([5; 16]);

fn key(number: u16) -> SigningKey {
    let mut seed = [3; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

fn membership() -> Membership {
    let founding = found(&key(1), &key(2), &key(3), "hq".parse().unwrap(), Vec::new(), NOW_S).unwrap();
    let roster = founding.roster(IdentityKey::from(&key(1)));
    Membership { roster, network_key: NetworkKey([4; 32]), signer: Some(key(2)), seeds: vec![seed()] }
}

fn seed() -> Seed {
    Seed { host: "192.0.2.1".parse().unwrap(), port: 51_822 }
}

fn own() -> SiteId {
    site_id(&IdentityKey::from(&key(3)))
}

fn opened(dir: &Path) -> Store {
    let opened = Store::open(dir).unwrap();
    assert_eq!(opened.set_aside, None);
    opened.content
}

fn request(number: u16) -> JoinRequest {
    let token = Invitation::new(&SECRET, NOW_S, 60, Roles::SITE, Vec::new()).unwrap();
    let token = token.token(IdentityKey::from(&key(1)), Vec::new());
    let name = format!("racer-{number}").parse().unwrap();
    let mut joiner = Joiner::new(token, &key(number), name, Vec::new(), [6; 24], 0).unwrap();
    let Some(Message::JoinRequest(request)) = joiner.poll_ask(0) else { unreachable!() };
    request
}

/// Each racer is another site, and each would do: which of them is first is the database's word.
#[test]
fn a_thousand_joins_that_race_with_one_token_make_one_member() {
    const RACERS: u16 = 1_000;
    const THREADS: u16 = 10;
    let dir = tempfile::tempdir().unwrap();
    let (mut store, membership) = (opened(dir.path()), Arc::new(membership()));
    store.begin(own()).unwrap();
    store.save(&membership).unwrap();
    store.save_invitation(&Invitation::new(&SECRET, NOW_S, 60, Roles::SITE, Vec::new()).unwrap(), None).unwrap();
    let (store, start) = (Arc::new(store), Arc::new(Barrier::new(usize::from(THREADS))));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (store, membership, start) = (Arc::clone(&store), Arc::clone(&membership), Arc::clone(&start));
            std::thread::spawn(move || {
                let requests: Vec<_> =
                    (thread..RACERS).step_by(usize::from(THREADS)).map(|n| request(10 + n)).collect();
                let clock = Wallclock::Known(NOW_S);
                let members = Members::new(&membership.roster, clock);
                let signer = membership.signer.as_ref().unwrap();
                start.wait();
                let join = |request: JoinRequest| {
                    let registrar = Registrar::new(signer, &membership.roster, &members, clock);
                    let decide = |invitation: &Invitation| registrar.admit(&request, invitation);
                    store.admit(&request.token, decide).unwrap().unwrap().unwrap()
                };
                requests.into_iter().map(join).collect::<Vec<_>>()
            })
        })
        .collect();
    let outcomes: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(outcomes.len(), usize::from(RACERS));
    let (admitted, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(admitted.len(), 1);
    assert!(refused.into_iter().all(|outcome| outcome == Err(JoinRefusal::TokenUsed)));

    // The disk says the same, and has the record with the use.
    drop(store);
    let mut store = opened(dir.path());
    let winner = admitted.into_iter().next().unwrap().unwrap();
    assert_eq!(store.invitations().unwrap()[&SECRET.id()].used, Some(winner.used));
    let roster = store.load().unwrap().unwrap().roster;
    assert_eq!(roster.sites(), 2);
    assert!(Members::new(&roster, Wallclock::Known(NOW_S)).get(&winner.site).is_some());
}

#[test]
fn a_token_that_nobody_made_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    assert!(store.admit(&SECRET.id(), |_| unreachable!()).unwrap().is_none());
}

#[test]
fn each_start_has_a_boot_epoch_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let epochs: Vec<u64> = (0..5).map(|_| opened(dir.path()).begin(own()).unwrap()).collect();
    assert_eq!(epochs, [1, 2, 3, 4, 5]);
}

#[test]
fn a_membership_outlives_a_restart_and_a_roster_is_written_by_its_differences() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    store.begin(own()).unwrap();
    assert!(store.load().unwrap().is_none());
    let mut membership = membership();
    store.save(&membership).unwrap();
    let record = {
        let members = Members::new(&membership.roster, Wallclock::Known(NOW_S));
        let registrar =
            Registrar::new(membership.signer.as_ref().unwrap(), &membership.roster, &members, Wallclock::Known(NOW_S));
        registrar.rename(own(), "head-office".parse().unwrap()).unwrap()
    };
    membership.roster.merge(Bundle { records: vec![record.into_unverified()], ..Bundle::default() });
    store.save_roster(&membership.roster).unwrap();
    drop(store);
    let found = opened(dir.path()).load().unwrap().unwrap();
    assert_eq!(found.roster.digest(), membership.roster.digest());
    assert_eq!(found.network_key, membership.network_key);
    assert_eq!(found.seeds, [seed()]);
    assert_eq!(found.signer.map(|signer| signer.to_bytes()), membership.signer.map(|signer| signer.to_bytes()));
}

/// The box was claimed by somebody else: he gets neither the old network nor its keys.
#[test]
fn another_identity_finds_nothing_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    store.begin(own()).unwrap();
    store.save(&membership()).unwrap();
    store.save_invitation(&Invitation::new(&SECRET, NOW_S, 60, Roles::SITE, Vec::new()).unwrap(), None).unwrap();
    drop(store);
    let mut store = opened(dir.path());
    assert_eq!(store.begin(SiteId([1; 32])).unwrap(), 1);
    assert!(store.load().unwrap().is_none());
    assert!(store.invitations().unwrap().is_empty());
    assert!(store.fact(SIGNER).unwrap().is_none());
}

#[test]
fn what_was_altered_on_disk_is_damage_and_no_membership() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    store.begin(own()).unwrap();
    store.save(&membership()).unwrap();
    store
        .change(|transaction| {
            let mut table = transaction.open_table(OBJECTS)?;
            let (name, mut bytes) = {
                let last = table.last()?.unwrap();
                (last.0.value().to_vec(), last.1.value().to_vec())
            };
            *bytes.last_mut().unwrap() ^= 1;
            table.insert(name.as_slice(), bytes.as_slice())?;
            Ok(())
        })
        .unwrap();
    assert!(matches!(store.load(), Err(StoreError::Damaged(reason)) if reason == "signature-invalid"));
}
