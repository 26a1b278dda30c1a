//! The mark on disk: the clock never goes back past it, even after the battery is empty.
//!
//! *Does*: one number in one table.
//! *Never does*: go on after an I/O error, a full disk apart: the service ends and is started anew; stay away because the file is damaged.

use std::path::Path;

use patronus_store::{Opened, Place, SetAside, StoreError};
use redb::{Database, ReadableDatabase, TableDefinition, TableError};

const NAME: &str = "clock.redb";

/// One record, `mark`: seconds since 1970.
const MARKS: TableDefinition<&str, i64> = TableDefinition::new("marks-1");
const MARK: &str = "mark";

/// The file.
pub(crate) struct Store(Database);

impl Store {
    /// Opens the file of the state directory, or makes it. A damaged one is set aside: the build time is still a floor.
    pub(crate) fn open(state_dir: &Path) -> Result<Opened<Self>, StoreError> {
        let opened = Place { dir: state_dir, name: NAME }.open(Self::new)?;
        if let Some(SetAside { to, reason }) = &opened.set_aside {
            tracing::error!(reason, kept_as = %to.display(), "the mark is damaged and was set aside; the build time is the floor");
        }
        Ok(opened)
    }

    fn new(database: Database) -> Result<Self, StoreError> {
        let store = Self(database);
        store.load()?;
        Ok(store)
    }

    /// The mark, if there is one.
    pub(crate) fn load(&self) -> Result<Option<i64>, StoreError> {
        match self.0.begin_read()?.open_table(MARKS) {
            Ok(table) => Ok(table.get(MARK)?.map(|mark| mark.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the mark.
    pub(crate) fn save(&self, unix_s: i64) -> Result<(), StoreError> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(MARKS)?.insert(MARK, unix_s)?;
        Ok(transaction.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use patronus_store::{
        builder,
        crash::{Disk, cut_at_every_step},
    };

    use super::*;

    fn open_disk(disk: &Disk) -> Result<Store, StoreError> {
        Store::new(builder().create_with_backend(disk.clone())?)
    }

    /// Five marks: the last that was kept, and the one that was under way when the power went.
    fn play(disk: &Disk) -> (Option<i64>, Option<i64>) {
        let mut kept = None;
        let Ok(store) = open_disk(disk) else { return (None, None) };
        for mark in 1..=5 {
            if store.save(mark).is_err() {
                return (kept, Some(mark));
            }
            kept = Some(mark);
        }
        (kept, None)
    }

    #[test]
    fn a_power_cut_at_any_write_or_sync_leaves_the_last_mark_or_the_one_under_way() {
        let steps = cut_at_every_step(play, |step, (kept, under_way), disk| {
            let found = open_disk(&disk).unwrap().load().unwrap();
            assert!(found == *kept || (under_way.is_some() && found == *under_way), "cut at step {step}: {found:?}");
        });
        assert!(steps > 20, "{steps}");
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_a_mark_can_be_kept_again() {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path()).unwrap().content.save(7).unwrap();
        assert_eq!(Store::open(dir.path()).unwrap().content.load().unwrap(), Some(7));
        for (round, damage) in [Vec::new(), b"no database".to_vec(), vec![0; 4096]].into_iter().enumerate() {
            std::fs::write(dir.path().join(NAME), damage).unwrap();
            let opened = Store::open(dir.path()).unwrap();
            assert!(opened.set_aside.unwrap().to.ends_with(format!("{NAME}.damaged-{}", round + 1)));
            assert_eq!(opened.content.load().unwrap(), None);
            opened.content.save(8).unwrap();
            drop(opened.content);
            assert_eq!(Store::open(dir.path()).unwrap().content.load().unwrap(), Some(8));
        }
    }
}
