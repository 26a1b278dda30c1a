use patronus_config::{Decision, Ledger, Moment};
use patronus_ipc::config::{Claim, Network, Request};
use patronus_store::{
    builder,
    crash::{Disk, cut_at_every_step, empty_database},
};
use patronus_types::Document;
use redb::Builder;

use super::*;

mod files;

const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG";

fn document(number: usize) -> Document {
    let toml = format!(
        "version = 1\n[site]\nname = \"site-{number}\"\ntimezone = \"UTC\"\n[lan]\nports = [\"eth1\"]\naddress = \"10.0.0.1/24\"\n"
    );
    patronus_config::accept(&toml).unwrap()
}

fn claim() -> Request {
    let password_phc = PHC.to_owned();
    Request::Claim(Box::new(Claim { document: document(0), password_phc, network: Network::Create }))
}

fn apply(number: usize, confirm_within_s: Option<u32>) -> Request {
    let toml = patronus_config::emit(&document(number)).unwrap();
    Request::Apply { toml, base: None, confirm_within_s, author: "ada".into() }
}

/// A first boot and some days of work, every kind of change in it.
fn story() -> Vec<Request> {
    vec![
        claim(),
        apply(1, None),
        apply(2, Some(60)),
        Request::Confirm { generation: Generation(3) },
        Request::SetCredential { password_phc: PHC.replace("t=2", "t=3") },
        Request::Rollback { to: None, author: "ada".into() },
    ]
}

fn decide(ledger: &Ledger, request: Request) -> Change {
    let moment = Moment { uptime_ms: 0, unix_s: 0, boot_id: "boot".into(), entropy: [7; 32] };
    let Decision { change, reply } = ledger.handle_request(&moment, request);
    change.unwrap_or_else(|| panic!("{reply:?}"))
}

fn open_disk(disk: &Disk, builder: &Builder) -> Result<Store, StoreError> {
    Ok(Store::new(builder.create_with_backend(disk.clone())?))
}

/// Plays the story until the end or the first error: what was acknowledged, and what was under way.
fn play(disk: &Disk) -> (Snapshot, Option<Snapshot>) {
    let mut ledger = Ledger::restore(Snapshot::default()).unwrap();
    let Ok(store) = open_disk(disk, &builder()) else { return (Snapshot::default(), None) };
    for request in story() {
        let change = decide(&ledger, request);
        if store.commit(&change).is_err() {
            let mut next = ledger.snapshot().clone();
            next.apply(change);
            return (ledger.snapshot().clone(), Some(next));
        }
        ledger.commit(change).unwrap();
    }
    (ledger.snapshot().clone(), None)
}

#[test]
fn a_power_cut_at_any_write_or_sync_loses_nothing_that_was_acknowledged() {
    let mut torn_claims = 0;
    let steps = cut_at_every_step(play, |step, (acknowledged, under_way), disk| {
        let found = open_disk(&disk, &builder()).unwrap().load().unwrap();
        assert!(found == *acknowledged || Some(&found) == under_way.as_ref(), "cut at step {step}: {found:?}");
        // All or nothing: the ledger reads it, so head, document and secrets are there together or not at all.
        let claimed = Ledger::restore(found.clone()).unwrap().state().claimed.is_some();
        assert_eq!(claimed, found.secret.is_some());
        torn_claims += usize::from(acknowledged.head.is_none() && under_way.is_some());
    });
    assert!(steps > 50 && torn_claims > 20, "the story has {steps} steps, {torn_claims} images from within the claim");
}

#[test]
fn a_disk_that_is_full_at_any_size_keeps_what_runs() {
    let empty = empty_database();
    let room = Disk::with(empty.clone());
    let (whole, _) = play(&room);
    let mut refused = 0;
    for capacity in (empty.len()..=room.len_bytes()).step_by(4096) {
        let disk = Disk::with(empty.clone());
        disk.set_capacity(Some(capacity));
        let (acknowledged, under_way) = play(&disk);
        let found = open_disk(&disk, &builder()).unwrap().load().unwrap();
        assert!(found == acknowledged || Some(&found) == under_way.as_ref(), "capacity {capacity}");
        refused += usize::from(under_way.is_some());
        // With room again, the rest of the story goes on from what was found.
        disk.set_capacity(None);
        let store = open_disk(&disk, &builder()).unwrap();
        let ledger = Ledger::restore(found).unwrap();
        let request = if ledger.state().claimed.is_some() {
            Request::Rollback { to: Some(Generation(1)), author: "ada".into() }
        } else {
            claim()
        };
        store.commit(&decide(&ledger, request)).unwrap();
    }
    assert!(refused > 0, "{} bytes are enough for everything: {}", empty.len(), whole.records.len());
}
