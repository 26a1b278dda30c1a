//! What a site has on its disk: what survives a crash.
//!
//! *Does*: one method for each transaction of the real store; a crash falls between two of them, never into one (redb, two-phase commit).
//! *Spec*: `services/mesh/src/shell/store.rs`.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use patronus_mesh::{Book, Invitation, Invitations, Roster};
use patronus_types::SiteId;
use patronus_wire::{Announcement, NetworkKey, Seed, SiteRecord, TokenId, Unverified, Verified};

/// A disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    boot_epoch: u64,
    /// The membership, if there is one.
    pub membership: Option<Membership>,
    announcements: BTreeMap<SiteId, Unverified<Announcement>>,
    /// The tokens made here.
    pub invitations: Invitations,
}

/// A membership as it lies on disk.
#[derive(Clone, Debug)]
pub struct Membership {
    /// What signers have signed.
    pub roster: Roster,
    /// For the LAN.
    pub network_key: NetworkKey,
    /// On a signer's box.
    pub signer: Option<SigningKey>,
    /// Of the token with which it was begun.
    pub seeds: Vec<Seed>,
}

impl Disk {
    /// Of a site that is a member.
    #[must_use]
    pub fn of_member(membership: Membership) -> Self {
        Self { membership: Some(membership), ..Self::default() }
    }

    /// The next boot epoch, which is on disk then.
    pub const fn begin(&mut self) -> u64 {
        self.boot_epoch += 1;
        self.boot_epoch
    }

    /// A boot epoch that is at least this one is used from now on.
    pub fn raise_boot_epoch(&mut self, boot_epoch: u64) {
        self.boot_epoch = self.boot_epoch.max(boot_epoch);
    }

    /// Keeps what signers have signed.
    pub fn save_roster(&mut self, roster: &Roster) {
        if let Some(membership) = &mut self.membership {
            membership.roster = roster.clone();
        }
    }

    /// Keeps what these sites announced last.
    pub fn save_announcements(&mut self, sites: &BTreeSet<SiteId>, book: &Book) {
        for site in sites {
            match book.get(site) {
                Some(heard) => {
                    self.announcements.insert(*site, heard.announcement.clone().into_unverified());
                }
                None => _ = self.announcements.remove(site),
            }
        }
    }

    /// What was announced before.
    #[must_use]
    pub fn announcements(&self) -> Vec<Unverified<Announcement>> {
        self.announcements.values().cloned().collect()
    }

    /// Keeps an invitation.
    pub fn save_invitation(&mut self, invitation: Invitation) {
        self.invitations.insert(invitation.secret().id(), invitation);
    }

    /// The use of a token and the record that it leads to, in one transaction.
    pub fn admit(&mut self, token: &TokenId, used: patronus_mesh::Use, record: &Verified<SiteRecord>) {
        if let Some(invitation) = self.invitations.get_mut(token) {
            invitation.used = Some(used);
        }
        if let Some(membership) = &mut self.membership {
            membership
                .roster
                .merge_record(record.clone().into_unverified())
                .expect("signed with what the roster knows");
        }
    }
}
