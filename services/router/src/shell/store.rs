//! Drains on disk: what a person was told is drained stays so over a power cut.
//!
//! *Does*: the whole list in one record, on disk before the answer.
//! *Never does*: stay away because the file is damaged: then nothing is drained, and the log says so.
//! *Spec*: `docs/router.md`, section "Drain".

use std::path::Path;

use patronus_ipc::router::Drainable;
use patronus_store::{Opened, Place, SetAside, StoreError};
use redb::{Database, ReadableDatabase, TableDefinition, TableError};

const NAME: &str = "router.redb";

/// Under [`ALL`], postcard of a list of [`Drainable`].
const DRAINS: TableDefinition<&str, &[u8]> = TableDefinition::new("drains-1");
const ALL: &str = "all";

/// The file.
pub(crate) struct Store(Database);

impl Store {
    /// Opens the file of the state directory, or makes it. A damaged one is set aside.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let Opened { content, set_aside } = Place { dir: state_dir, name: NAME }.open(|database| Ok(Self(database)))?;
        if let Some(SetAside { to, reason }) = set_aside {
            tracing::error!(reason, kept_as = %to.display(), "what was drained is not known any more: its file is damaged and was set aside");
        }
        Ok(content)
    }

    /// What was drained when it was written last.
    pub(crate) fn load(&self) -> Result<Vec<Drainable>, StoreError> {
        let table = match self.0.begin_read()?.open_table(DRAINS) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let Some(record) = table.get(ALL)? else { return Ok(Vec::new()) };
        postcard::from_bytes(record.value()).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Keeps the list in the place of the last one.
    pub(crate) fn save(&self, drained: &[Drainable]) -> Result<(), StoreError> {
        let record = postcard::to_stdvec(drained).map_err(|error| StoreError::Failed(error.to_string()))?;
        let transaction = self.0.begin_write()?;
        transaction.open_table(DRAINS)?.insert(ALL, record.as_slice())?;
        transaction.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use patronus_types::{SiteId, UplinkSlot};

    use super::*;

    #[test]
    fn what_was_kept_is_there_in_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let drained = [Drainable::Uplink(UplinkSlot::new(3).unwrap()), Drainable::Site(SiteId([7; 32]))];
        assert!(Store::open(dir.path()).unwrap().load().unwrap().is_empty());
        Store::open(dir.path()).unwrap().save(&drained).unwrap();
        assert_eq!(Store::open(dir.path()).unwrap().load().unwrap(), drained);
        Store::open(dir.path()).unwrap().save(&[]).unwrap();
        assert!(Store::open(dir.path()).unwrap().load().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), b"no database").unwrap();
        assert!(Store::open(dir.path()).unwrap().load().unwrap().is_empty());
        assert!(dir.path().join(format!("{NAME}.damaged-1")).exists());
    }
}
