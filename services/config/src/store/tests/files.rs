//! The file and its names, on a real file system.

use std::{fs, path::Path};

use patronus_store::DAMAGED_KEPT;
use proptest::prelude::*;

use super::*;
use crate::store::open;

/// A state directory of a box that was claimed and changed once.
fn claimed_box() -> (tempfile::TempDir, Snapshot) {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut ledger) = open(dir.path()).unwrap().content;
    for request in [claim(), apply(1, None)] {
        let change = decide(&ledger, request);
        store.commit(&change).unwrap();
        ledger.commit(change).unwrap();
    }
    (dir, ledger.snapshot().clone())
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let (dir, snapshot) = claimed_box();
    let opened = open(dir.path()).unwrap();
    assert_eq!((opened.content.1.snapshot(), &opened.set_aside), (&snapshot, &None));
    assert_eq!(names(dir.path()), ["config.redb"]);
}

#[test]
fn what_a_power_cut_left_half_made_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.redb.new"), b"half").unwrap();
    assert_eq!(open(dir.path()).unwrap().set_aside, None);
    assert_eq!(names(dir.path()), ["config.redb"]);
}

#[test]
fn damaged_databases_are_set_aside_the_last_three_are_kept_and_the_box_is_unclaimed() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=DAMAGED_KEPT + 1 {
        fs::write(dir.path().join("config.redb"), format!("damage {round}")).unwrap();
        let opened = open(dir.path()).unwrap();
        assert!(opened.content.1.state().claimed.is_none());
        assert!(opened.set_aside.unwrap().to.ends_with(format!("config.redb.damaged-{round}")));
    }
    assert_eq!(
        names(dir.path()),
        ["config.redb", "config.redb.damaged-2", "config.redb.damaged-3", "config.redb.damaged-4"]
    );
    assert_eq!(fs::read(dir.path().join("config.redb.damaged-4")).unwrap(), b"damage 4");
}

#[test]
fn a_file_that_was_cut_or_emptied_is_damaged_and_not_a_new_box() {
    for length in [0, 1, 4096, 10_000] {
        let (dir, _) = claimed_box();
        let file = fs::OpenOptions::new().write(true).open(dir.path().join("config.redb")).unwrap();
        file.set_len(length).unwrap();
        let opened = open(dir.path()).unwrap();
        assert!(opened.set_aside.is_some(), "{length}");
        assert!(opened.content.1.state().claimed.is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A disk that alters bytes by itself leads to the old content or to a named damage: never to a panic, never to other content.
    #[test]
    fn altered_bytes_are_found_out(flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4)) {
        let (dir, snapshot) = claimed_box();
        let path = dir.path().join("config.redb");
        let mut bytes = fs::read(&path).unwrap();
        for (index, flip) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= flip;
        }
        fs::write(&path, bytes).unwrap();
        let opened = open(dir.path()).unwrap();
        match opened.set_aside {
            None => prop_assert_eq!(opened.content.1.snapshot(), &snapshot),
            Some(_) => prop_assert!(opened.content.1.state().claimed.is_none()),
        }
    }
}
