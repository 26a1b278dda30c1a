//! Leases on disk: after a power cut the box asks for the address it had (RFC 2131 section 3.2).
//!
//! *Does*: one record for each port with DHCP, written when a lease changes.
//! *Never does*: go on after an I/O error, a full disk apart: the service ends and is started anew; stay away because the file is damaged.

use std::{fs, path::Path};

use patronus_link::dhcp::Lease;
use patronus_store::{Opened, Place, SetAside, StoreError};
use patronus_types::PortName;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use serde::{Deserialize, Serialize};

const NAME: &str = "link.redb";
/// Port name to postcard of [`Kept`].
const LEASES: TableDefinition<&str, &[u8]> = TableDefinition::new("leases-1");
/// Changes with every boot; times of another boot mean nothing.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A lease with the boot in which its times mean something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    boot_id: String,
    lease: Lease,
}

/// What is known from before.
pub(crate) enum Before {
    /// A lease of this boot: only the service was restarted.
    ThisBoot(Lease),
    /// A lease of an earlier boot.
    EarlierBoot(Lease),
    /// Nothing.
    Nothing,
}

/// The file.
pub(crate) struct Store {
    database: Database,
    boot_id: String,
}

impl Store {
    /// Opens the file of the state directory, or makes it. A damaged one is set aside: leases can be asked for again.
    pub(crate) fn open(state_dir: &Path) -> Result<Opened<Self>, StoreError> {
        let opened = Place { dir: state_dir, name: NAME }.open(Self::new)?;
        if let Some(SetAside { to, reason }) = &opened.set_aside {
            tracing::error!(reason, kept_as = %to.display(), "leases are damaged and were set aside; they are asked for again");
        }
        Ok(opened)
    }

    /// Looks at every record once, so that what cannot be read is found now and not when a lease is needed.
    fn new(database: Database) -> Result<Self, StoreError> {
        let boot_id = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        match database.begin_read()?.open_table(LEASES) {
            Ok(table) => table.iter()?.try_for_each(|record| record.map(drop))?,
            Err(TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self { database, boot_id })
    }

    /// What was kept for a port.
    pub(crate) fn load(&self, port: &PortName) -> Result<Before, StoreError> {
        let transaction = self.database.begin_read()?;
        let table = match transaction.open_table(LEASES) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Before::Nothing),
            Err(error) => return Err(error.into()),
        };
        let Some(record) = table.get(port.as_str())? else { return Ok(Before::Nothing) };
        Ok(match postcard::from_bytes::<Kept>(record.value()) {
            Ok(kept) if kept.boot_id == self.boot_id => Before::ThisBoot(kept.lease),
            Ok(kept) => Before::EarlierBoot(kept.lease),
            Err(_) => Before::Nothing,
        })
    }

    /// Keeps a lease.
    pub(crate) fn save(&self, port: &PortName, lease: &Lease) -> Result<(), StoreError> {
        let kept = Kept { boot_id: self.boot_id.clone(), lease: lease.clone() };
        // A lease is a few hundred bytes of plain fields: encoding cannot fail.
        let record = postcard::to_stdvec(&kept).unwrap_or_default();
        let transaction = self.database.begin_write()?;
        transaction.open_table(LEASES)?.insert(port.as_str(), record.as_slice())?;
        transaction.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
