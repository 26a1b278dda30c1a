//! What must hold, whatever happens.
//!
//! *Does*: after each step of a box, look at what that box believes; keep the naive truth - who was revoked, what each site has really said,
//! who made it - beside it.
//! *Never does*: help a box: it only looks.

use std::collections::{BTreeMap, BTreeSet};

use patronus_mesh::{Mesh, Standing, limit};
use patronus_types::SiteId;
use patronus_wire::Digest32;

use crate::site::Site;

/// Of a large fleet only every so many steps of a box are looked at.
const LARGE: usize = 64;
const SAMPLE: u64 = 61;

/// What is true, and what each box believed last.
#[derive(Debug, Default)]
pub struct Check {
    /// How many looks there were.
    pub looks: u64,
    revoked: BTreeSet<SiteId>,
    /// By site, boot epoch and sequence: what it really announced; more than one thing if it has lost its disk.
    said: BTreeMap<(SiteId, u64, u64), BTreeSet<Digest32>>,
    /// By number of a box: how new what it believed of each other was.
    believed: BTreeMap<u32, BTreeMap<SiteId, (u64, u64)>>,
    /// By number of a box: who was revoked as far as it knew.
    known: BTreeMap<u32, BTreeSet<SiteId>>,
}

impl Check {
    /// A signer has said that it is done.
    pub fn handle_revoked(&mut self, site: SiteId) {
        self.revoked.insert(site);
    }

    /// Whether a site was revoked.
    #[must_use]
    pub fn is_revoked(&self, site: &SiteId) -> bool {
        self.revoked.contains(site)
    }

    /// A box begins with what its disk has: that may be older than what it believed, and no older than what it has kept.
    pub fn handle_boot(&mut self, site: &Site) {
        let kept = site.disk.announcements();
        let kept = kept.iter().map(|object| (object.claims().site, object.claims().freshness()));
        self.believed.insert(site.number, kept.collect());
        let known = site.disk.membership.as_ref().map(|membership| &membership.roster);
        let known = self.revoked.iter().filter(|site| known.is_some_and(|roster| roster.is_revoked(site)));
        let known = known.copied().collect();
        self.known.insert(site.number, known);
    }

    /// Looks at a box after a step.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn handle_step(&mut self, site: &Site, step: u64) {
        let Some(mesh) = site.mesh() else { return };
        if let Some(own) = mesh.own() {
            let (boot_epoch, sequence) = own.freshness();
            self.said.entry((site.id, boot_epoch, sequence)).or_default().insert(own.content_digest());
        }
        if mesh.members().iter().count() > LARGE && !step.is_multiple_of(SAMPLE) {
            return;
        }
        self.looks += 1;
        self.look_at_revoked(site, mesh);
        self.look_at_book(site, mesh);
        assert!(mesh.roster().sites() <= limit::SITES && mesh.roster().revoked_sites() <= limit::REVOCATIONS);
    }

    /// Who is known to be revoked is no member, is nowhere, and stays revoked; and nobody is revoked whom no signer has revoked.
    fn look_at_revoked(&mut self, site: &Site, mesh: &Mesh) {
        let known: BTreeSet<SiteId> =
            self.revoked.iter().copied().filter(|revoked| mesh.roster().is_revoked(revoked)).collect();
        assert_eq!(
            known.len(),
            mesh.roster().revoked_sites(),
            "site {}: somebody is revoked whom nobody has revoked",
            site.number
        );
        for revoked in &known {
            let standing = mesh.members().get(revoked).map(|member| member.standing);
            assert!(
                matches!(standing, None | Some(Standing::Revoked)),
                "site {}: a revoked site is {standing:?}",
                site.number
            );
            assert!(mesh.book().get(revoked).is_none(), "site {}: a revoked site is still known", site.number);
        }
        let before = self.known.insert(site.number, known);
        let after = &self.known[&site.number];
        assert!(
            before.is_none_or(|before| before.is_subset(after)),
            "site {}: a revocation was forgotten",
            site.number
        );
    }

    /// What is believed of a site it has said itself, and it never becomes older.
    fn look_at_book(&mut self, site: &Site, mesh: &Mesh) {
        let believed = self.believed.entry(site.number).or_default();
        for (other, heard) in mesh.book().iter() {
            let (boot_epoch, sequence) = heard.announcement.freshness();
            let said = self.said.get(&(*other, boot_epoch, sequence));
            let is_own = said.is_some_and(|said| said.contains(&heard.announcement.content_digest()));
            assert!(is_own, "site {}: {other:?} never said so", site.number);
            let before = believed.insert(*other, (boot_epoch, sequence));
            assert!(
                before.is_none_or(|before| before <= (boot_epoch, sequence)),
                "site {}: older than before",
                site.number
            );
        }
    }
}
