//! The database.
//!
//! *Does*: each [`Change`] in one transaction with two-phase commit; a [`Snapshot`] on opening, every page's checksum verified.
//! *Never does*: delete or overwrite a damaged database (it is set aside by name), write without being asked, go on after an error:
//! the caller opens it anew or ends.
//! *Spec*: redb's design document, section "Commit strategies".

pub(crate) mod reserve;

use std::path::Path;

use patronus_config::{Change, Head, Ledger, Record, Secret, Snapshot};
pub(crate) use patronus_store::StoreError;
use patronus_store::{Opened, Place};
use patronus_types::Generation;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};

/// The database's file in the state directory.
const NAME: &str = "config.redb";
/// Generation to [`Record`] in postcard.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
/// [`HEAD`] to [`Head`] in postcard.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// [`SECRET_KEY`] to [`Secret`] in postcard.
const SECRET: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("secret");
const HEAD: &str = "head";
const SECRET_KEY: &str = "secret";

/// An open database.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
}

/// Opens the database of the state directory, or makes an empty one. On a full disk the reserve is spent for it.
pub(crate) fn open(state_dir: &Path) -> Result<Opened<(Store, Ledger)>, StoreError> {
    let place = Place { dir: state_dir, name: NAME };
    match place.open(restore) {
        Err(StoreError::Full(_)) if reserve::spend(state_dir) => place.open(restore),
        opened => opened,
    }
}

fn restore(database: Database) -> Result<(Store, Ledger), StoreError> {
    let store = Store::new(database);
    let ledger = Ledger::restore(store.load()?).map_err(|damage| StoreError::Damaged(damage.to_string()))?;
    Ok((store, ledger))
}

impl Store {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Writes one change. `Ok` means that it is on disk; an error means that it is there as a whole or not at all, which only
    /// opening the database again tells.
    pub(crate) fn commit(&self, change: &Change) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_two_phase_commit(true);
        write(&transaction, change)?;
        Ok(transaction.commit()?)
    }

    /// Reads everything.
    pub(crate) fn load(&self) -> Result<Snapshot, StoreError> {
        let transaction = self.database.begin_read()?;
        let mut snapshot = Snapshot::default();
        // Before the first commit there are no tables.
        if transaction.list_tables()?.next().is_none() {
            return Ok(snapshot);
        }
        snapshot.head = decode_entry::<Head>(transaction.open_table(META)?.get(HEAD)?)?;
        snapshot.secret = decode_entry::<Secret>(transaction.open_table(SECRET)?.get(SECRET_KEY)?)?;
        for entry in transaction.open_table(RECORDS)?.iter()? {
            let (generation, record) = entry?;
            snapshot.records.insert(Generation(generation.value()), decode::<Record>(record.value())?);
        }
        Ok(snapshot)
    }
}

fn write(transaction: &WriteTransaction, change: &Change) -> Result<(), StoreError> {
    let mut records = transaction.open_table(RECORDS)?;
    for generation in &change.forget {
        records.remove(generation.0)?;
    }
    if let Some((generation, record)) = &change.record {
        records.insert(generation.0, encode(record)?.as_slice())?;
    }
    transaction.open_table(META)?.insert(HEAD, encode(&change.head)?.as_slice())?;
    let mut secrets = transaction.open_table(SECRET)?;
    if let Some(secret) = &change.secret {
        secrets.insert(SECRET_KEY, encode(secret)?.as_slice())?;
    }
    Ok(())
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(value).map_err(|error| StoreError::Failed(error.to_string()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|error| StoreError::Damaged(error.to_string()))
}

fn decode_entry<T: DeserializeOwned>(entry: Option<redb::AccessGuard<'_, &[u8]>>) -> Result<Option<T>, StoreError> {
    entry.map(|bytes| decode(bytes.value())).transpose()
}

#[cfg(test)]
mod tests;
