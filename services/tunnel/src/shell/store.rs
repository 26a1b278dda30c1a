//! What lasts: a private key for each slot, and the last wish of `mesh`.
//!
//! *Does*: one transaction with two-phase commit for each change.
//! *Never does*: make a new key while the old one can be read; hand a private key to anybody but the slot's thread.
//! *Spec*: `services/store`.

use std::{collections::BTreeMap, path::Path};

use patronus_ipc::tunnel::Desired;
use patronus_store::{Place, StoreError};
use patronus_types::UplinkSlot;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

/// The database's file in the state directory.
const NAME: &str = "tunnel.redb";
/// Slot to private key.
const KEYS: TableDefinition<'_, u8, [u8; 32]> = TableDefinition::new("keys-1");
/// [`LAST`] to [`Desired`] in postcard.
const DESIRED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("desired-1");
const LAST: &str = "last";

/// An open database and what was in it.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
    keys: BTreeMap<u8, [u8; 32]>,
    desired: Desired,
}

impl Store {
    /// Opens the database of the state directory, or makes an empty one.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let opened = Place { dir, name: NAME }.open(Self::read)?;
        if let Some(aside) = opened.set_aside {
            tracing::error!(to = %aside.to.display(), reason = aside.reason, "keys damaged, new ones are made");
        }
        Ok(opened.content)
    }

    fn read(database: Database) -> Result<Self, StoreError> {
        let transaction = database.begin_read()?;
        let (mut keys, mut desired) = (BTreeMap::new(), Desired::default());
        // Before the first commit there are no tables.
        if transaction.list_tables()?.next().is_some() {
            for entry in transaction.open_table(KEYS)?.iter()? {
                let (slot, key) = entry?;
                keys.insert(slot.value(), key.value());
            }
            if let Some(last) = transaction.open_table(DESIRED)?.get(LAST)? {
                desired = postcard::from_bytes(last.value()).map_err(|error| StoreError::Damaged(error.to_string()))?;
            }
        }
        drop(transaction);
        Ok(Self { database, keys, desired })
    }

    /// The last wish.
    pub(crate) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Keeps a wish.
    pub(crate) fn keep(&mut self, desired: Desired) -> Result<(), StoreError> {
        let bytes = postcard::to_stdvec(&desired).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.write(|transaction| {
            transaction.open_table(KEYS)?;
            transaction.open_table(DESIRED)?.insert(LAST, bytes.as_slice())?;
            Ok(())
        })?;
        self.desired = desired;
        Ok(())
    }

    /// The private key of a slot, made when it is asked for first.
    pub(crate) fn key(&mut self, slot: UplinkSlot) -> Result<[u8; 32], StoreError> {
        match self.keys.get(&slot.number()) {
            Some(key) => Ok(*key),
            None => self.new_key(slot),
        }
    }

    /// Gives a slot a new key.
    pub(crate) fn new_key(&mut self, slot: UplinkSlot) -> Result<[u8; 32], StoreError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.write(|transaction| {
            transaction.open_table(DESIRED)?;
            transaction.open_table(KEYS)?.insert(slot.number(), key)?;
            Ok(())
        })?;
        self.keys.insert(slot.number(), key);
        Ok(key)
    }

    fn write(&self, change: impl FnOnce(&redb::WriteTransaction) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_two_phase_commit(true);
        change(&transaction)?;
        Ok(transaction.commit()?)
    }
}
