//! What lasts: a private key for each slot, the last wish of `mesh`, and where `link` said the uplinks are.
//!
//! *Does*: one transaction with two-phase commit for each change.
//! *Never does*: make a new key while the old one can be read; hand a private key to anybody but the slot's thread.
//! *Spec*: `services/store`.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use patronus_ipc::tunnel::Desired;
use patronus_store::{Place, StoreError};
use patronus_types::{Generation, PortName, UplinkSlot};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The database's file in the state directory.
const NAME: &str = "tunnel.redb";
/// Slot to private key.
const KEYS: TableDefinition<'_, u8, [u8; 32]> = TableDefinition::new("keys-1");
/// [`WISH`] to [`Desired`], [`UNDERLAY`] to [`Underlay`], in postcard.
const LAST: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("last-1");
const WISH: &str = "desired-4";
const UNDERLAY: &str = "underlay";

/// What the tunnels lie on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Underlay {
    /// Each slot's device.
    pub(crate) slots: BTreeMap<UplinkSlot, PortName>,
    /// The box's own addresses in its LAN: with them it speaks through tunnels.
    pub(crate) own: Vec<IpAddr>,
}

/// An open database and what was in it.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
    keys: BTreeMap<u8, [u8; 32]>,
    desired: Desired,
    underlay: Underlay,
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
        let mut keys = BTreeMap::new();
        let (mut desired, mut underlay) = (Desired::default(), Underlay::default());
        // Before the first commit there are no tables.
        if transaction.list_tables()?.next().is_some() {
            for entry in transaction.open_table(KEYS)?.iter()? {
                let (slot, key) = entry?;
                keys.insert(slot.value(), key.value());
            }
            let last = transaction.open_table(LAST)?;
            desired = decode(last.get(WISH)?)?;
            underlay = decode(last.get(UNDERLAY)?)?;
        }
        drop(transaction);
        Ok(Self { database, keys, desired, underlay })
    }

    /// The last wish.
    pub(crate) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Whether there has ever been one: `mesh` has none while the box is in no network.
    pub(crate) fn has_wish(&self) -> bool {
        self.desired.generation > Generation(0)
    }

    /// Keeps a wish.
    pub(crate) fn keep_desired(&mut self, desired: Desired) -> Result<(), StoreError> {
        self.write_last(WISH, &desired)?;
        self.desired = desired;
        Ok(())
    }

    /// Where the uplinks were last.
    pub(crate) fn underlay(&self) -> &Underlay {
        &self.underlay
    }

    /// Keeps where they are now, if that is new.
    pub(crate) fn keep_underlay(&mut self, underlay: Underlay) -> Result<(), StoreError> {
        if underlay != self.underlay {
            self.write_last(UNDERLAY, &underlay)?;
            self.underlay = underlay;
        }
        Ok(())
    }

    fn write_last(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let bytes = postcard::to_stdvec(value).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.write(|transaction| {
            transaction.open_table(KEYS)?;
            transaction.open_table(LAST)?.insert(name, bytes.as_slice())?;
            Ok(())
        })
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
            transaction.open_table(LAST)?;
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

fn decode<T: DeserializeOwned + Default>(entry: Option<redb::AccessGuard<'_, &[u8]>>) -> Result<T, StoreError> {
    let decoded = entry.map(|bytes| postcard::from_bytes(bytes.value())).transpose();
    decoded.map(Option::unwrap_or_default).map_err(|error| StoreError::Damaged(error.to_string()))
}
