//! Comparing what two sites know without sending it.
//!
//! *Does*: divide the sites into 64 buckets by their id; each bucket has a short hash, all of them a long one.
//! *Spec*: `docs/wire.md`, section "Comparing".

use patronus_types::SiteId;
use sha2::{Digest, Sha256};

use crate::{
    Refused,
    bytes::{Reader, Writer},
    limit,
};

/// A SHA-256.
pub type Digest32 = [u8; 32];

/// The SHA-256 of these pieces, one behind the other.
#[must_use]
pub fn sha256(pieces: &[&[u8]]) -> Digest32 {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece);
    }
    hash.finalize().into()
}

/// In which bucket a site is compared: the upper six bits of its id.
#[must_use]
pub const fn bucket_of(site: &SiteId) -> u8 {
    let [first, ..] = site.0;
    first >> 2
}

/// A set of buckets: bit n stands for bucket n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketSet(pub u64);

impl BucketSet {
    /// Whether a bucket is in it.
    #[must_use]
    pub const fn contains(self, bucket: u8) -> bool {
        self.0 >> (bucket & 63) & 1 == 1
    }

    /// Puts a bucket into it.
    pub const fn insert(&mut self, bucket: u8) {
        self.0 |= 1 << (bucket & 63);
    }
}

/// What a site knows, as hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Of all signer certificates.
    pub signers: u64,
    /// Of the records and revocations of the sites of each bucket.
    pub members: [u64; limit::BUCKETS],
    /// Of the announcements of the sites of each bucket, without what changes every 30 seconds.
    pub announcements: [u64; limit::BUCKETS],
}

impl Summary {
    /// Whether two are equal, in few bytes.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        let mut writer = Writer::default();
        self.write(&mut writer);
        sha256(&[&writer.into_bytes()])
    }

    /// The buckets in which two sites know different things: members, announcements.
    #[must_use]
    pub fn differences(&self, other: &Self) -> (BucketSet, BucketSet) {
        (differing(&self.members, &other.members), differing(&self.announcements, &other.announcements))
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u64(self.signers);
        self.members.iter().chain(&self.announcements).for_each(|hash| writer.u64(*hash));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let mut summary =
            Self { signers: reader.u64()?, members: [0; limit::BUCKETS], announcements: [0; limit::BUCKETS] };
        for hash in summary.members.iter_mut().chain(&mut summary.announcements) {
            *hash = reader.u64()?;
        }
        Ok(summary)
    }
}

fn differing(here: &[u64; limit::BUCKETS], there: &[u64; limit::BUCKETS]) -> BucketSet {
    let mut set = BucketSet::default();
    for (bucket, (here, there)) in (0..).zip(here.iter().zip(there)) {
        if here != there {
            set.insert(bucket);
        }
    }
    set
}
