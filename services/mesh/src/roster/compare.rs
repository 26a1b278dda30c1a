//! Comparing two rosters, and what of one the other lacks.
//!
//! *Spec*: `docs/wire.md`, section "Comparing".

use std::collections::BTreeSet;

use patronus_types::SiteId;
use patronus_wire::{Body, BucketSet, Bundle, Digest32, IdentityKey, Summary, Verified, bucket_of, limit, sha256};

use super::{BySigner, Roster};

impl Roster {
    /// Of everything that is known.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        hash(self.objects().map(|(_, bytes)| sha256(&[bytes])))
    }

    /// The members' part of a summary; the announcements' is left zero.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut buckets: Vec<Vec<Digest32>> = vec![Vec::new(); limit::BUCKETS];
        let revocations = self.revocations.iter().map(|(site, by_signer)| (site, digests(by_signer)));
        let records = self.records.iter().map(|(site, by_signer)| (site, digests(by_signer)));
        for (site, digests) in revocations.chain(records) {
            if let Some(bucket) = buckets.get_mut(usize::from(bucket_of(site))) {
                bucket.extend(digests);
            }
        }
        let mut summary = Summary {
            signers: short(hash(self.signers.values().map(Verified::digest))),
            members: [0; limit::BUCKETS],
            announcements: [0; limit::BUCKETS],
        };
        summary.members.iter_mut().zip(buckets).for_each(|(place, bucket)| *place = bucket_hash(bucket));
        summary
    }

    /// Everything of these buckets, with the certificates of all signers, in bundles of at most this many bytes of objects.
    #[must_use]
    pub fn bundles(&self, buckets: BucketSet, object_bytes: usize) -> Vec<Bundle> {
        let wanted = |site: &SiteId| buckets.contains(bucket_of(site));
        let mut packer = Packer {
            roster: self,
            object_bytes,
            done: Vec::new(),
            open: Bundle::default(),
            used: 0,
            signers: BTreeSet::new(),
        };
        self.signers.values().for_each(|certificate| packer.add(&certificate.signer, 0, |_| {}));
        for (_, by_signer) in self.revocations.iter().filter(|(site, _)| wanted(site)) {
            for object in by_signer.iter() {
                let push = |bundle: &mut Bundle| bundle.revocations.push(Verified::clone(object).into_unverified());
                packer.add(&object.signer, object.as_bytes().len(), push);
            }
        }
        for (_, by_signer) in self.records.iter().filter(|(site, _)| wanted(site)) {
            for object in by_signer.iter() {
                let push = |bundle: &mut Bundle| bundle.records.push(Verified::clone(object).into_unverified());
                packer.add(&object.signer, object.as_bytes().len(), push);
            }
        }
        packer.finish()
    }

    /// What a new member needs to begin: certificates of all signers, and what they say of these sites.
    #[must_use]
    pub fn excerpt(&self, sites: &[SiteId]) -> Bundle {
        let records = sites.iter().filter_map(|site| self.records.get(site)).flat_map(BySigner::iter);
        Bundle {
            signers: self.signers.values().cloned().map(Verified::into_unverified).collect(),
            records: records.map(|record| Verified::clone(record).into_unverified()).collect(),
            ..Bundle::default()
        }
    }
}

/// Fills bundles one after another; each has the certificates of the signers of its objects.
struct Packer<'r> {
    roster: &'r Roster,
    object_bytes: usize,
    done: Vec<Bundle>,
    open: Bundle,
    used: usize,
    signers: BTreeSet<IdentityKey>,
}

impl Packer<'_> {
    fn add(&mut self, signer: &IdentityKey, bytes: usize, push: impl FnOnce(&mut Bundle)) {
        let Some(certificate) = self.roster.signers.get(signer) else { return };
        let with_certificate = bytes + certificate.as_bytes().len();
        let needed = if self.signers.contains(signer) { bytes } else { with_certificate };
        let count = self.open.records.len().max(self.open.revocations.len());
        if self.used + needed > self.object_bytes || count >= limit::BUNDLE_OBJECTS {
            self.close();
        }
        if self.signers.insert(*signer) {
            self.open.signers.push(certificate.clone().into_unverified());
            self.used += certificate.as_bytes().len();
        }
        push(&mut self.open);
        self.used += bytes;
    }

    fn close(&mut self) {
        let bundle = std::mem::take(&mut self.open);
        if !bundle.is_empty() {
            self.done.push(bundle);
        }
        self.used = 0;
        self.signers.clear();
    }

    fn finish(mut self) -> Vec<Bundle> {
        self.close();
        self.done
    }
}

fn digests<B: Body>(by_signer: &BySigner<B>) -> Vec<Digest32> {
    by_signer.iter().map(|object| object.digest()).collect()
}

/// The hash of hashes, sorted.
fn hash(digests: impl Iterator<Item = Digest32>) -> Digest32 {
    let mut sorted: Vec<Digest32> = digests.collect();
    sorted.sort_unstable();
    sha256(&[sorted.as_flattened()])
}

/// An empty bucket is 0, so that most of a small network's summary is.
pub(crate) fn bucket_hash(digests: Vec<Digest32>) -> u64 {
    if digests.is_empty() { 0 } else { short(hash(digests.into_iter())) }
}

fn short(digest: Digest32) -> u64 {
    digest.first_chunk().map_or(0, |eight| u64::from_be_bytes(*eight))
}
