//! What signers say of one site: one object of each.
//!
//! *Does*: keep them sorted by signer, in as much memory as they take: almost always there is one, and there are many sites.

use std::sync::Arc;

use patronus_wire::{IdentityKey, Revocation, SiteRecord, Verified};

/// What a signer signs of a site.
pub(super) trait OfSite {
    /// Who signed.
    fn signer(&self) -> &IdentityKey;
}

impl OfSite for SiteRecord {
    fn signer(&self) -> &IdentityKey {
        &self.signer
    }
}

impl OfSite for Revocation {
    fn signer(&self) -> &IdentityKey {
        &self.signer
    }
}

/// One object of each signer. Shared with what counts of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BySigner<B>(Vec<Arc<Verified<B>>>);

impl<B> Default for BySigner<B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<B: OfSite> BySigner<B>
where
    Verified<B>: std::ops::Deref<Target = B>,
{
    pub(super) fn get(&self, signer: &IdentityKey) -> Option<&Arc<Verified<B>>> {
        self.place(signer).ok().and_then(|place| self.0.get(place))
    }

    /// In the place of what this signer said before.
    pub(super) fn insert(&mut self, object: Arc<Verified<B>>) {
        match self.place(object.signer()) {
            Ok(place) => {
                if let Some(known) = self.0.get_mut(place) {
                    *known = object;
                }
            }
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, object);
            }
        }
    }

    pub(super) fn remove(&mut self, signer: &IdentityKey) {
        self.0.retain(|object| object.signer() != signer);
    }

    fn place(&self, signer: &IdentityKey) -> Result<usize, usize> {
        self.0.binary_search_by(|object| object.signer().cmp(signer))
    }
}

impl<B> BySigner<B> {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Arc<Verified<B>>> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
