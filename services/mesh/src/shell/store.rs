//! What lasts: keys, the roster, what was announced, invitations.
//!
//! *Does*: one transaction with two-phase commit for each change; the use of a token and the record that it leads to in the same one.
//! *Never does*: hold the root's key; go on after an error: the service ends and is started anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use ed25519_dalek::SigningKey;
use patronus_mesh::{Admitted, Book, Invitation, ObjectKey, Roster};
use patronus_store::{Opened, Place, StoreError};
use patronus_types::{HostName, IpNet, SiteId};
use patronus_wire::{
    Announcement, Digest32, IdentityKey, JoinRefusal, NetworkKey, Refused, Seed, SignerCertificate, TokenId,
    Unverified, Verified, sha256,
};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

/// The database's file in the state directory.
const NAME: &str = "mesh.redb";
/// [`SITE`], [`BOOT_EPOCH`], [`ROOT`], [`NETWORK_KEY`], [`SIGNER`], [`SEEDS`], [`WISH_TO_JOIN`].
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts-1");
/// Whose everything else in the database is.
const SITE: &str = "site";
/// The last one used, big-endian.
const BOOT_EPOCH: &str = "boot-epoch";
/// The root's public key.
const ROOT: &str = "root";
const NETWORK_KEY: &str = "network-key";
/// Seed of the signer's key, on a signer's box.
const SIGNER: &str = "signer";
/// Host and port of each seed, in postcard.
const SEEDS: &str = "seeds";
/// [`WishToJoin`] in postcard, until there is a membership.
const WISH_TO_JOIN: &str = "wish-to-join";
/// [`object_name`] to a signed object.
const OBJECTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("objects-1");
/// Site id to its last announcement whose content was new.
const ANNOUNCEMENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("announcements-1");
/// Token id to [`Invitation`] in postcard.
const INVITATIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("invitations-1");
/// Key of a signer to the certificate that ends its rights, until that is said.
const WITHDRAWALS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("withdrawals-1");

/// An open database.
pub(crate) struct Store {
    database: Database,
    /// What is on disk, so that only differences are written.
    written: BTreeMap<Vec<u8>, Digest32>,
}

/// A membership as it lies on disk.
pub(crate) struct Membership {
    /// Whom to trust, and who is a member.
    pub(crate) roster: Roster,
    /// For the LAN.
    pub(crate) network_key: NetworkKey,
    /// On a signer's box.
    pub(crate) signer: Option<SigningKey>,
    /// Of the token with which it was begun.
    pub(crate) seeds: Vec<Seed>,
}

/// With what a box is on its way into a network.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct WishToJoin {
    /// The token as text.
    pub(crate) token: String,
    /// What it wants to have behind it.
    pub(crate) prefixes: Vec<IpNet>,
}

/// What an admission came to.
pub(crate) type Outcome = Result<Result<Admitted, JoinRefusal>, Refused>;

impl Store {
    /// Opens the database of the state directory, or makes an empty one.
    pub(crate) fn open(dir: &Path) -> Result<Opened<Self>, StoreError> {
        Place { dir, name: NAME }.open(|database| {
            let store = Self { database, written: BTreeMap::new() };
            store.change(|_| Ok(()))?;
            Ok(store)
        })
    }

    /// Makes the database this site's. What another identity has left in it is forgotten: the box was claimed anew. Gives the next boot epoch,
    /// which is on disk then.
    pub(crate) fn begin(&mut self, site: SiteId) -> Result<u64, StoreError> {
        let is_own = self.fact(SITE)?.is_none_or(|kept| kept == site.0);
        self.change(|transaction| {
            if !is_own {
                transaction.delete_table(OBJECTS)?;
                transaction.delete_table(ANNOUNCEMENTS)?;
                transaction.delete_table(INVITATIONS)?;
                transaction.delete_table(WITHDRAWALS)?;
                transaction.delete_table(FACTS)?;
            }
            let mut facts = transaction.open_table(FACTS)?;
            let last = facts.get(BOOT_EPOCH)?.and_then(|kept| Some(u64::from_be_bytes(*kept.value().first_chunk()?)));
            let next = last.unwrap_or_default().saturating_add(1);
            facts.insert(BOOT_EPOCH, next.to_be_bytes().as_slice())?;
            facts.insert(SITE, site.0.as_slice())?;
            Ok(next)
        })
    }

    /// Goes on from this boot epoch: the next start has a higher one.
    pub(crate) fn raise_boot_epoch(&self, boot_epoch: u64) -> Result<(), StoreError> {
        self.change(|transaction| {
            transaction.open_table(FACTS)?.insert(BOOT_EPOCH, boot_epoch.to_be_bytes().as_slice())?;
            Ok(())
        })
    }

    /// The membership, if there is one.
    pub(crate) fn load(&mut self) -> Result<Option<Membership>, StoreError> {
        let (Some(root), Some(network_key)) = (self.fact(ROOT)?, self.fact(NETWORK_KEY)?) else { return Ok(None) };
        let root = IdentityKey::from_bytes(&root).map_err(damaged)?;
        let signer = self.fact(SIGNER)?.map(|seed| SigningKey::from_bytes(&seed));
        let mut roster = Roster::new(root);
        let transaction = self.database.begin_read()?;
        // Signers come first: their names are the lowest.
        for entry in transaction.open_table(OBJECTS)?.iter()? {
            let (name, object) = entry?;
            merge(&mut roster, name.value(), object.value())?;
            self.written.insert(name.value().to_vec(), sha256(&[object.value()]));
        }
        let seeds = transaction.open_table(FACTS)?.get(SEEDS)?.map(|kept| decode_seeds(kept.value())).transpose()?;
        let (network_key, seeds) = (NetworkKey(network_key), seeds.unwrap_or_default());
        Ok(Some(Membership { roster, network_key, signer, seeds }))
    }

    /// What was announced before.
    pub(crate) fn announcements(&self) -> Result<Vec<Unverified<Announcement>>, StoreError> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(ANNOUNCEMENTS)?;
        let mut announcements = Vec::new();
        for entry in table.iter()? {
            announcements.push(Unverified::parse(entry?.1.value()).map_err(damaged)?);
        }
        Ok(announcements)
    }

    /// All invitations.
    pub(crate) fn invitations(&self) -> Result<BTreeMap<TokenId, Invitation>, StoreError> {
        let transaction = self.database.begin_read()?;
        let mut invitations = BTreeMap::new();
        for entry in transaction.open_table(INVITATIONS)?.iter()? {
            let (token, invitation) = entry?;
            let token = token.value().first_chunk().copied().ok_or_else(|| damaged("token id"))?;
            invitations.insert(TokenId(token), decode(invitation.value())?);
        }
        Ok(invitations)
    }

    /// Keeps a wish to join until it is granted, or another takes its place.
    pub(crate) fn keep_wish_to_join(&self, wish: &WishToJoin) -> Result<(), StoreError> {
        let bytes = encode(wish)?;
        self.change(|transaction| {
            transaction.open_table(FACTS)?.insert(WISH_TO_JOIN, bytes.as_slice())?;
            Ok(())
        })
    }

    /// The wish to join that was not granted yet.
    pub(crate) fn wish_to_join(&self) -> Result<Option<WishToJoin>, StoreError> {
        let facts = self.database.begin_read()?.open_table(FACTS)?;
        facts.get(WISH_TO_JOIN)?.map(|kept| decode(kept.value())).transpose()
    }

    /// Keeps a membership, as a whole. The wish for one is granted with it.
    pub(crate) fn save(&mut self, membership: &Membership) -> Result<(), StoreError> {
        self.change(|transaction| {
            let mut facts = transaction.open_table(FACTS)?;
            facts.insert(ROOT, membership.roster.root().as_bytes().as_slice())?;
            facts.insert(NETWORK_KEY, membership.network_key.0.as_slice())?;
            facts.insert(SEEDS, encode_seeds(&membership.seeds)?.as_slice())?;
            facts.remove(WISH_TO_JOIN)?;
            if let Some(signer) = &membership.signer {
                facts.insert(SIGNER, signer.to_bytes().as_slice())?;
            }
            drop(facts);
            write_objects(transaction, &BTreeMap::new(), &membership.roster)
        })?;
        self.written = names(&membership.roster);
        Ok(())
    }

    /// Keeps a signer's key with the roster in which the root says that it is one.
    pub(crate) fn save_signer(&mut self, signer: &SigningKey, roster: &Roster) -> Result<(), StoreError> {
        self.change(|transaction| {
            transaction.open_table(FACTS)?.insert(SIGNER, signer.to_bytes().as_slice())?;
            write_objects(transaction, &self.written, roster)
        })?;
        self.written = names(roster);
        Ok(())
    }

    /// Keeps the word that ends a signer's rights until it is said.
    pub(crate) fn keep_withdrawal(&self, certificate: &Verified<SignerCertificate>) -> Result<(), StoreError> {
        self.change(|transaction| {
            let signer = certificate.signer.as_bytes().as_slice();
            transaction.open_table(WITHDRAWALS)?.insert(signer, certificate.as_bytes())?;
            Ok(())
        })
    }

    /// Words that end signers' rights and are not said yet.
    pub(crate) fn withdrawals(&self) -> Result<Vec<Unverified<SignerCertificate>>, StoreError> {
        let mut certificates = Vec::new();
        for entry in self.database.begin_read()?.open_table(WITHDRAWALS)?.iter()? {
            certificates.push(Unverified::parse(entry?.1.value()).map_err(damaged)?);
        }
        Ok(certificates)
    }

    /// They have been said, and are in the roster.
    pub(crate) fn forget_withdrawals(&self) -> Result<(), StoreError> {
        self.change(|transaction| {
            transaction.delete_table(WITHDRAWALS)?;
            Ok(())
        })
    }

    /// Brings the objects on disk to those of the roster.
    pub(crate) fn save_roster(&mut self, roster: &Roster) -> Result<(), StoreError> {
        let wanted = names(roster);
        if wanted == self.written {
            return Ok(());
        }
        self.change(|transaction| write_objects(transaction, &self.written, roster))?;
        self.written = wanted;
        Ok(())
    }

    /// Keeps what these sites announced last; who is not in the book is forgotten.
    pub(crate) fn save_announcements(&self, sites: &BTreeSet<SiteId>, book: &Book) -> Result<(), StoreError> {
        self.change(|transaction| {
            let mut table = transaction.open_table(ANNOUNCEMENTS)?;
            for site in sites {
                match book.get(site) {
                    Some(heard) => _ = table.insert(site.0.as_slice(), heard.announcement.as_bytes())?,
                    None => _ = table.remove(site.0.as_slice())?,
                }
            }
            Ok(())
        })
    }

    /// Keeps an invitation, in the place of another if one is named.
    pub(crate) fn save_invitation(&self, invitation: &Invitation, room: Option<TokenId>) -> Result<(), StoreError> {
        self.change(|transaction| {
            let mut table = transaction.open_table(INVITATIONS)?;
            if let Some(room) = room {
                table.remove(room.0.as_slice())?;
            }
            table.insert(invitation.secret().id().0.as_slice(), encode(invitation)?.as_slice())?;
            Ok(())
        })
    }

    /// Decides a request to join: reads the invitation, decides, and writes its use and the new record, all in one transaction. Of any number
    /// of requests with one token, in any number of threads, one is written.
    pub(crate) fn admit(
        &self,
        token: &TokenId,
        decide: impl FnOnce(&Invitation) -> Outcome,
    ) -> Result<Option<Outcome>, StoreError> {
        let transaction = self.begin_change()?;
        let mut invitations = transaction.open_table(INVITATIONS)?;
        let found = invitations.get(token.0.as_slice())?.map(|kept| decode::<Invitation>(kept.value())).transpose()?;
        let Some(mut invitation) = found else { return Ok(None) };
        let outcome = decide(&invitation);
        let Ok(Ok(Admitted { site, record: Some(record), used })) = &outcome else { return Ok(Some(outcome)) };
        invitation.used = Some(*used);
        invitations.insert(token.0.as_slice(), encode(&invitation)?.as_slice())?;
        drop(invitations);
        let name = object_name(&ObjectKey::Record(*site, record.signer));
        transaction.open_table(OBJECTS)?.insert(name.as_slice(), record.as_bytes())?;
        transaction.commit()?;
        Ok(Some(outcome))
    }

    fn fact(&self, name: &str) -> Result<Option<[u8; 32]>, StoreError> {
        let transaction = self.database.begin_read()?;
        let fact = transaction.open_table(FACTS)?.get(name)?;
        fact.map(|fact| fact.value().try_into().map_err(|_| damaged(name))).transpose()
    }

    fn begin_change(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_two_phase_commit(true);
        Ok(transaction)
    }

    /// Does a change in one transaction; the tables are there afterwards.
    fn change<T>(&self, write: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let transaction = self.begin_change()?;
        let outcome = write(&transaction)?;
        transaction.open_table(FACTS)?;
        transaction.open_table(OBJECTS)?;
        transaction.open_table(ANNOUNCEMENTS)?;
        transaction.open_table(INVITATIONS)?;
        transaction.open_table(WITHDRAWALS)?;
        transaction.commit()?;
        Ok(outcome)
    }
}

/// One byte for the kind, then the site, then the signer.
fn object_name(key: &ObjectKey) -> Vec<u8> {
    match key {
        ObjectKey::Signer(signer) => [&[1], signer.as_bytes().as_slice()].concat(),
        ObjectKey::Revocation(site, signer) => [&[2], site.0.as_slice(), signer.as_bytes()].concat(),
        ObjectKey::Record(site, signer) => [&[3], site.0.as_slice(), signer.as_bytes()].concat(),
    }
}

/// Everything is verified again: a disk that was altered by somebody else makes nobody a member.
fn merge(roster: &mut Roster, name: &[u8], object: &[u8]) -> Result<(), StoreError> {
    let merged = match name.first() {
        Some(1) => roster.merge_signer(Unverified::parse(object).map_err(damaged)?),
        Some(2) => roster.merge_revocation(Unverified::parse(object).map_err(damaged)?),
        Some(3) => roster.merge_record(Unverified::parse(object).map_err(damaged)?),
        _ => return Err(damaged("name of an object")),
    };
    merged.map(|_| ()).map_err(damaged)
}

fn names(roster: &Roster) -> BTreeMap<Vec<u8>, Digest32> {
    roster.objects().map(|(key, bytes)| (object_name(&key), sha256(&[bytes]))).collect()
}

fn write_objects(
    transaction: &WriteTransaction,
    written: &BTreeMap<Vec<u8>, Digest32>,
    roster: &Roster,
) -> Result<(), StoreError> {
    let wanted = names(roster);
    let mut table = transaction.open_table(OBJECTS)?;
    for name in written.keys().filter(|name| !wanted.contains_key(*name)) {
        table.remove(name.as_slice())?;
    }
    for (key, bytes) in roster.objects() {
        let name = object_name(&key);
        if written.get(&name) != wanted.get(&name) {
            table.insert(name.as_slice(), bytes)?;
        }
    }
    Ok(())
}

fn encode_seeds(seeds: &[Seed]) -> Result<Vec<u8>, StoreError> {
    let plain: Vec<(&HostName, u16)> = seeds.iter().map(|seed| (&seed.host, seed.port)).collect();
    encode(&plain)
}

fn decode_seeds(bytes: &[u8]) -> Result<Vec<Seed>, StoreError> {
    let plain: Vec<(HostName, u16)> = decode(bytes)?;
    Ok(plain.into_iter().map(|(host, port)| Seed { host, port }).collect())
}

fn encode(value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(value).map_err(|error| StoreError::Failed(error.to_string()))
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(damaged)
}

fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(what.to_string())
}

#[cfg(test)]
mod tests;
