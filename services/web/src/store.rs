//! What `web` keeps on disk: its TLS key and certificate, the claim code, and how many wrong codes came.
//!
//! *Does*: read and write `web.redb`, each write one transaction with two-phase commit.
//! *Never does*: go on after an error: the service exits and is restarted; stay away because the file is damaged.

use std::path::Path;

use patronus_store::{Opened, Place, StoreError};
use redb::{Database, ReadableDatabase, TableDefinition, TableError};

const NAME: &str = "web.redb";
const TABLE: TableDefinition<&str, &[u8]> = TableDefinition::new("web");
const TLS_KEY: &str = "tls-key";
const TLS_CERTIFICATE: &str = "tls-certificate";
const CLAIM_CODE: &str = "claim-code";
const CLAIM_WRONG: &str = "claim-wrong";

/// The open store.
#[derive(Debug)]
pub struct Store(Database);

/// The certificate with its key, both in DER.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredIdentity {
    /// PKCS #8.
    pub key: Vec<u8>,
    /// X.509.
    pub certificate: Vec<u8>,
}

impl Store {
    /// Opens the store of the state directory, or makes it. A damaged one is set aside: the box then gets a new certificate and, while it is
    /// unclaimed, a new claim code. Whether it is claimed is not written here but by `config`, so nothing opens.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let Opened { content, set_aside } = Place { dir: state_dir, name: NAME }.open(|database| {
            let store = Self(database);
            store.read(CLAIM_CODE)?;
            Ok(store)
        })?;
        if let Some(set_aside) = set_aside {
            tracing::error!(reason = set_aside.reason, kept_as = %set_aside.to.display(),
                "certificate and claim code are damaged and were set aside; new ones are made: compare the fingerprint with the console");
        }
        Ok(content)
    }

    /// Key and certificate, if they were made.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn identity(&self) -> Result<Option<StoredIdentity>, StoreError> {
        let (key, certificate) = (self.read(TLS_KEY)?, self.read(TLS_CERTIFICATE)?);
        Ok(key.zip(certificate).map(|(key, certificate)| StoredIdentity { key, certificate }))
    }

    /// Keeps key and certificate, together.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn put_identity(&self, identity: &StoredIdentity) -> Result<(), StoreError> {
        self.write(&[(TLS_KEY, &identity.key), (TLS_CERTIFICATE, &identity.certificate)])
    }

    /// The claim code's text, if it was made.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn claim_code(&self) -> Result<Option<String>, StoreError> {
        Ok(self.read(CLAIM_CODE)?.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Keeps the claim code.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn put_claim_code(&self, code: &str) -> Result<(), StoreError> {
        self.write(&[(CLAIM_CODE, code.as_bytes())])
    }

    /// Forgets the claim code.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn remove_claim_code(&self) -> Result<(), StoreError> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_two_phase_commit(true);
        transaction.open_table(TABLE)?.remove(CLAIM_CODE)?;
        Ok(transaction.commit()?)
    }

    /// How many wrong codes came since the last right one or lock.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn claim_wrong(&self) -> Result<u32, StoreError> {
        let bytes = self.read(CLAIM_WRONG)?;
        Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes))
    }

    /// Keeps that count.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn put_claim_wrong(&self, wrong: u32) -> Result<(), StoreError> {
        self.write(&[(CLAIM_WRONG, &wrong.to_le_bytes())])
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.0.begin_read()?.open_table(TABLE) {
            Ok(table) => Ok(table.get(key)?.map(|value| value.value().to_vec())),
            // Before the first write.
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, pairs: &[(&str, &[u8])]) -> Result<(), StoreError> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_two_phase_commit(true);
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in pairs {
                table.insert(*key, *value)?;
            }
        }
        Ok(transaction.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let identity = StoredIdentity { key: vec![1], certificate: vec![2] };
        {
            let store = Store::open(dir.path()).unwrap();
            assert!(store.identity().unwrap().is_none());
            assert_eq!(store.claim_wrong().unwrap(), 0);
            store.put_identity(&identity).unwrap();
            store.put_claim_code("01ABC-ZYXWV").unwrap();
            store.put_claim_wrong(10).unwrap();
        }
        let store = Store::open(dir.path()).unwrap();
        assert!(store.identity().unwrap() == Some(identity));
        assert_eq!(store.claim_code().unwrap().as_deref(), Some("01ABC-ZYXWV"));
        assert_eq!(store.claim_wrong().unwrap(), 10);
    }

    #[test]
    fn a_claim_code_that_was_forgotten_is_not_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = Store::open(dir.path()).unwrap();
            store.remove_claim_code().unwrap();
            store.put_claim_code("01ABC-ZYXWV").unwrap();
            store.put_claim_wrong(3).unwrap();
            store.remove_claim_code().unwrap();
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!((store.claim_code().unwrap(), store.claim_wrong().unwrap()), (None, 3));
    }
}
