//! What signers have signed: a set that merges in any order.
//!
//! Everything is kept by who signed it, so that a signer's withdrawal leaves exactly what the others have signed. For each signer and site
//! the highest serial stays; of equal serials the one whose hash is higher. Whatever way, however often and in whatever order bundles
//! arrive, the same bundles make the same roster.
//!
//! *Does*: verify with keys that the root or the roster vouches for, merge, compare.
//! *Never does*: look at a clock: time changes what counts ([`crate::Members`]), never what is known.
//! *Spec*: `docs/wire.md`, section "Signed objects"; `docs/membership.md`, section "Roster".

mod by_signer;
pub(crate) mod compare;

use std::{collections::BTreeMap, sync::Arc};

use patronus_types::{NetworkId, SiteId};
use patronus_wire::{
    Body, Bundle, Digest32, IdentityKey, Revocation, SignerCertificate, SiteRecord, Standing, Unverified, Verified,
    network_id,
};

use crate::{Refusal, limit};
use by_signer::{BySigner, OfSite};

/// What signers have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    root: IdentityKey,
    network: NetworkId,
    signers: BTreeMap<IdentityKey, Verified<SignerCertificate>>,
    revocations: BTreeMap<SiteId, BySigner<Revocation>>,
    records: BTreeMap<SiteId, BySigner<SiteRecord>>,
}

/// What an object changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The roster has it now.
    New,
    /// It had it before.
    Known,
    /// It is kept for comparing, and nobody uses it: its site was revoked.
    Shadowed,
}

/// Under which name an object is kept: nothing else can take its place but a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKey {
    /// A signer's certificate.
    Signer(IdentityKey),
    /// What a signer said against a site.
    Revocation(SiteId, IdentityKey),
    /// What a signer said of a site.
    Record(SiteId, IdentityKey),
}

impl Roster {
    /// Nobody is a member yet.
    #[must_use]
    pub fn new(root: IdentityKey) -> Self {
        Self {
            root,
            network: network_id(&root),
            signers: BTreeMap::new(),
            revocations: BTreeMap::new(),
            records: BTreeMap::new(),
        }
    }

    /// Which network.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// The root's key.
    #[must_use]
    pub const fn root(&self) -> IdentityKey {
        self.root
    }

    /// Merges the members' part of a bundle, certificates first. Says of each object what it changed, or why it was refused.
    pub fn merge(&mut self, bundle: Bundle) -> Vec<Result<Merged, Refusal>> {
        let mut outcomes: Vec<_> = bundle.signers.into_iter().map(|object| self.merge_signer(object)).collect();
        outcomes.extend(bundle.revocations.into_iter().map(|object| self.merge_revocation(object)));
        outcomes.extend(bundle.records.into_iter().map(|object| self.merge_record(object)));
        outcomes
    }

    /// How many objects of the members' part of a bundle are not here, byte for byte.
    pub(crate) fn unknown(&self, bundle: &Bundle) -> usize {
        let signers = bundle.signers.iter().filter(|object| {
            self.signers.get(&object.claims().signer).is_none_or(|known| known.digest() != object.digest())
        });
        let revocations = bundle.revocations.iter().filter(|object| {
            is_unknown(&self.revocations, &object.claims().site, &object.claims().signer, object.digest())
        });
        let records = bundle.records.iter().filter(|object| {
            is_unknown(&self.records, &object.claims().site(), &object.claims().signer, object.digest())
        });
        signers.count() + revocations.count() + records.count()
    }

    /// A certificate by the root.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn merge_signer(&mut self, object: Unverified<SignerCertificate>) -> Result<Merged, Refusal> {
        self.check_network(object.claims().network)?;
        let signer = object.claims().signer;
        if let Some(known) = self.signers.get(&signer) {
            if known.as_bytes() == object.as_bytes() {
                return Ok(Merged::Known);
            }
            if certificate_rank(known, known.digest()) >= certificate_rank(object.claims(), object.digest()) {
                return Err(Refusal::CertificateSuperseded);
            }
        }
        let certificate = object.verify(&self.root)?;
        if !self.signers.contains_key(&signer) && self.signers.len() >= limit::SIGNERS {
            let last = self.signers.keys().next_back().copied().filter(|last| *last > signer);
            let last = last.ok_or(Refusal::TooManySigners)?;
            self.signers.remove(&last);
            self.forget_signer(&last);
        }
        if certificate.standing == Standing::Withdrawn {
            self.forget_signer(&signer);
        }
        self.signers.insert(signer, certificate);
        Ok(Merged::New)
    }

    /// A revocation by a signer. Of several of one signer for a site that with the higher hash stays: they all say the same.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn merge_revocation(&mut self, object: Unverified<Revocation>) -> Result<Merged, Refusal> {
        let revocation = object.claims();
        let (site, signer) = (revocation.site, revocation.signer);
        self.check_signer(revocation.network, &signer)?;
        let known = self.revocations.get(&site).and_then(|by_signer| by_signer.get(&signer));
        if known.is_some_and(|known| known.digest() >= object.digest()) {
            return Ok(Merged::Known);
        }
        let revocation = object.verify(&signer)?;
        insert(&mut self.revocations, limit::REVOCATIONS, Refusal::TooManyRevocations, site, revocation)?;
        Ok(Merged::New)
    }

    /// A record by a signer.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn merge_record(&mut self, object: Unverified<SiteRecord>) -> Result<Merged, Refusal> {
        let record = object.claims();
        let (site, signer) = (record.site(), record.signer);
        self.check_signer(record.network, &signer)?;
        if let Some(known) = self.records.get(&site).and_then(|by_signer| by_signer.get(&signer)) {
            if known.as_bytes() == object.as_bytes() {
                return Ok(Merged::Known);
            }
            if record_rank(known, known.digest()) >= record_rank(record, object.digest()) {
                return Err(Refusal::RecordSuperseded);
            }
        }
        let record = object.verify(&signer)?;
        insert(&mut self.records, limit::SITES, Refusal::TooManySites, site, record)?;
        Ok(if self.is_revoked(&site) { Merged::Shadowed } else { Merged::New })
    }

    /// The certificate of a signer, whatever its standing.
    #[must_use]
    pub fn signer(&self, key: &IdentityKey) -> Option<&Verified<SignerCertificate>> {
        self.signers.get(key)
    }

    /// All signers that the root has named, whatever their standing.
    pub fn signers(&self) -> impl Iterator<Item = &Verified<SignerCertificate>> {
        self.signers.values()
    }

    /// Sites that nobody but this signer has revoked.
    pub(crate) fn revoked_only_by(&self, signer: &IdentityKey) -> impl Iterator<Item = SiteId> {
        let is_only = |by: &BySigner<Revocation>| by.iter().all(|revocation| revocation.signer == *signer);
        self.revocations.iter().filter(move |(_, by)| is_only(by)).map(|(site, _)| *site)
    }

    /// What this signer has said against a site.
    pub(crate) fn revocation_by(&self, site: &SiteId, signer: &IdentityKey) -> Option<&Verified<Revocation>> {
        self.revocations.get(site)?.get(signer).map(Arc::as_ref)
    }

    /// Whether any signer has revoked the site.
    #[must_use]
    pub fn is_revoked(&self, site: &SiteId) -> bool {
        self.revocations.contains_key(site)
    }

    /// Sites with a record, revoked or not.
    #[must_use]
    pub fn sites(&self) -> usize {
        self.records.len()
    }

    /// Revoked sites.
    #[must_use]
    pub fn revoked_sites(&self) -> usize {
        self.revocations.len()
    }

    /// The records of each site, one for each signer.
    pub(crate) fn records(&self) -> impl Iterator<Item = (SiteId, impl Iterator<Item = &Arc<Verified<SiteRecord>>>)> {
        self.records.iter().map(|(site, by_signer)| (*site, by_signer.iter()))
    }

    /// The highest serial that any signer gave a record of the site.
    pub(crate) fn highest_serial(&self, site: &SiteId) -> u64 {
        let serials = self.records.get(site).into_iter().flat_map(BySigner::iter).map(|record| record.serial);
        serials.max().unwrap_or_default()
    }

    /// Every object, by its name.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectKey, &[u8])> {
        let signers = self.signers.iter().map(|(key, object)| (ObjectKey::Signer(*key), object.as_bytes()));
        let revocations = self.revocations.iter().flat_map(|(site, by_signer)| {
            by_signer.iter().map(|object| (ObjectKey::Revocation(*site, object.signer), object.as_bytes()))
        });
        let records = self.records.iter().flat_map(|(site, by_signer)| {
            by_signer.iter().map(|object| (ObjectKey::Record(*site, object.signer), object.as_bytes()))
        });
        signers.chain(revocations).chain(records)
    }

    fn check_network(&self, network: NetworkId) -> Result<(), Refusal> {
        if network == self.network { Ok(()) } else { Err(Refusal::WrongNetwork) }
    }

    fn check_signer(&self, network: NetworkId, signer: &IdentityKey) -> Result<(), Refusal> {
        self.check_network(network)?;
        match self.signers.get(signer).map(|certificate| certificate.standing) {
            Some(Standing::Active) => Ok(()),
            Some(Standing::Withdrawn) => Err(Refusal::SignerWithdrawn),
            None => Err(Refusal::SignerUnknown),
        }
    }

    fn forget_signer(&mut self, signer: &IdentityKey) {
        forget(&mut self.revocations, signer);
        forget(&mut self.records, signer);
    }
}

/// Withdrawn is above active, whatever the serial.
const fn certificate_rank(certificate: &SignerCertificate, digest: Digest32) -> (Standing, u64, Digest32) {
    (certificate.standing, certificate.serial, digest)
}

pub(crate) const fn record_rank(record: &SiteRecord, digest: Digest32) -> (u64, Digest32) {
    (record.serial, digest)
}

/// Inserts at the place of a site and a signer. Of more sites than the limit those with the lowest ids stay: whoever comes first.
fn insert<B: Body + OfSite>(
    map: &mut BTreeMap<SiteId, BySigner<B>>,
    sites: usize,
    above: Refusal,
    site: SiteId,
    object: Verified<B>,
) -> Result<(), Refusal> {
    if !map.contains_key(&site) && map.len() >= sites {
        let last = map.keys().next_back().copied().filter(|last| *last > site).ok_or(above)?;
        map.remove(&last);
    }
    map.entry(site).or_default().insert(Arc::new(object));
    Ok(())
}

fn is_unknown<B: Body + OfSite>(
    map: &BTreeMap<SiteId, BySigner<B>>,
    site: &SiteId,
    signer: &IdentityKey,
    digest: Digest32,
) -> bool {
    map.get(site).and_then(|by_signer| by_signer.get(signer)).is_none_or(|known| known.digest() != digest)
}

fn forget<B: Body + OfSite>(map: &mut BTreeMap<SiteId, BySigner<B>>, signer: &IdentityKey) {
    map.retain(|_, by_signer| {
        by_signer.remove(signer);
        !by_signer.is_empty()
    });
}

#[cfg(test)]
mod tests;
