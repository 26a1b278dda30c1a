//! The mark on disk: the clock never goes back past it, even after the battery is empty.
//!
//! *Does*: one number in one table.
//! *Never does*: go back.

use std::{fs, path::Path};

use redb::{Database, ReadableDatabase, TableDefinition};

/// One record, `mark`: seconds since 1970.
const MARKS: TableDefinition<&str, i64> = TableDefinition::new("marks-1");
const MARK: &str = "mark";

/// The file.
pub(crate) struct Store(Database);

impl Store {
    /// Opens or makes the file. A file that is no database any more is set aside: the build time is still a floor.
    pub(crate) fn open(dir: &Path) -> Result<Self, redb::Error> {
        let path = dir.join("clock.redb");
        let database = Database::create(&path).or_else(|error| {
            tracing::error!(%error, "mark damaged, starting without one");
            fs::rename(&path, dir.join("clock.redb.damaged")).map_err(redb::StorageError::from)?;
            Database::create(&path)
        })?;
        Ok(Self(database))
    }

    /// The mark, if there is one.
    pub(crate) fn load(&self) -> Result<Option<i64>, redb::Error> {
        match self.0.begin_read()?.open_table(MARKS) {
            Ok(table) => Ok(table.get(MARK)?.map(|mark| mark.value())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the mark.
    pub(crate) fn save(&self, unix_s: i64) -> Result<(), redb::Error> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(MARKS)?.insert(MARK, unix_s)?;
        transaction.commit()?;
        Ok(())
    }
}
