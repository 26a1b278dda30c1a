use std::collections::BTreeSet;

use redb::{ReadableDatabase, TableDefinition};

use super::*;
use crate::crash::Disk;

const TABLE: TableDefinition<'_, &str, u32> = TableDefinition::new("numbers");
const NAME: &str = "state.redb";

/// The one number that the tests keep.
fn number(database: &Database) -> Result<Option<u32>, StoreError> {
    match database.begin_read()?.open_table(TABLE) {
        Ok(table) => Ok(table.get("number")?.map(|number| number.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn open(dir: &Path) -> Opened<Option<u32>> {
    Place { dir, name: NAME }.open(|database| number(&database)).unwrap()
}

fn keep(dir: &Path, number: u32) {
    let opened = Place { dir, name: NAME }.open(Ok).unwrap();
    let transaction = opened.content.begin_write().unwrap();
    transaction.open_table(TABLE).unwrap().insert("number", number).unwrap();
    transaction.commit().unwrap();
}

/// Everything that a power cut can leave of a database in the making: at each step, some subsets of what was written, none of it synced.
fn half_made() -> BTreeSet<Vec<u8>> {
    let mut images =
        BTreeSet::from([Vec::new(), vec![0; 1], vec![0; 4096], vec![0; 1024 * 1024], b"no database".repeat(1000)]);
    for step in 0.. {
        let disk = Disk::default().cut_at(step);
        if let Ok(database) = builder().create_with_backend(Nameless(disk.clone())) {
            let _ = database.close();
        }
        images.extend(disk.survivors());
        if !disk.is_cut() {
            assert!(step > 5, "making a database takes {step} steps");
            break;
        }
    }
    images
}

#[test]
fn a_power_cut_at_any_write_or_sync_of_the_making_leaves_nothing_that_matters() {
    for (index, image) in half_made().into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("state.redb.new"), image).unwrap();
        assert_eq!(open(dir.path()).set_aside, None, "image {index}");
        keep(dir.path(), 7);
        assert_eq!(open(dir.path()).content, Some(7), "image {index}");
        assert!(!dir.path().join("state.redb.new").exists());
    }
}

#[test]
fn a_half_made_file_of_the_right_name_is_used_or_set_aside_but_never_in_the_way() {
    let mut set_aside = 0;
    for (index, image) in half_made().into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), image).unwrap();
        let opened = open(dir.path());
        assert_eq!(opened.content, None, "image {index}");
        set_aside += usize::from(opened.set_aside.is_some());
        keep(dir.path(), 7);
        assert_eq!(open(dir.path()).content, Some(7), "image {index}");
    }
    assert!(set_aside > 5, "{set_aside}");
}

#[test]
fn a_file_that_was_cut_short_is_set_aside() {
    let whole = tempfile::tempdir().unwrap();
    keep(whole.path(), 7);
    let bytes = fs::read(whole.path().join(NAME)).unwrap();
    for length in [0, 1, 64, 4096, 10_000, bytes.len() / 2] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), &bytes[..length]).unwrap();
        let opened = open(dir.path());
        assert_eq!((opened.content, opened.set_aside.is_some()), (None, true), "{length}");
    }
}

#[test]
fn the_last_three_damaged_databases_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=DAMAGED_KEPT + 1 {
        fs::write(dir.path().join(NAME), format!("damage {round}")).unwrap();
        let set_aside = open(dir.path()).set_aside.unwrap();
        assert!(set_aside.to.ends_with(format!("{NAME}.damaged-{round}")));
    }
    let kept: Vec<bool> =
        (1..=DAMAGED_KEPT + 1).map(|n| dir.path().join(format!("{NAME}.damaged-{n}")).exists()).collect();
    assert_eq!(kept, [false, true, true, true]);
}

#[test]
fn what_its_reader_calls_damaged_is_set_aside_too_and_other_errors_are_not() {
    let dir = tempfile::tempdir().unwrap();
    keep(dir.path(), 13);
    let place = Place { dir: dir.path(), name: NAME };
    let failed = place.open(|_| Err::<(), _>(StoreError::Failed("no".to_owned())));
    assert_eq!(failed.unwrap_err(), StoreError::Failed("no".to_owned()));
    assert_eq!(open(dir.path()).content, Some(13));
    let superstitious = |database: Database| match number(&database)? {
        Some(13) => Err(StoreError::Damaged("thirteen".to_owned())),
        number => Ok(number),
    };
    let opened = place.open(superstitious).unwrap();
    assert_eq!((opened.content, opened.set_aside.unwrap().reason.as_str()), (None, "thirteen"));
}
