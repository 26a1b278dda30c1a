//! What of the roster counts now: one answer for each site, the same on every box with the same roster and time.
//!
//! *Does*: of each site the highest serial among active signers; who is valid; who has which prefix and name.
//! *Never does*: fall back to an older record because the newest has expired.
//! *Spec*: `docs/membership.md`, section "Members".

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use patronus_types::{IpNet, SiteId, SiteName};
use patronus_wire::{SiteRecord, Verified};

use crate::{PrefixSet, Roster, Wallclock, roster::record_rank, wallclock::Judgement};

/// Whether a site is a member now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Valid,
    /// Not yet: its record or its signer begins later.
    NotYet,
    /// Not any more: its record or its signer has ended.
    Expired,
    /// Never again.
    Revoked,
}

/// A site of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What its signer says of it.
    pub record: Arc<Verified<SiteRecord>>,
    /// Whether it is a member now.
    pub standing: Standing,
    /// What of its prefixes is its own; none unless it is a member.
    pub prefixes: Vec<IpNet>,
}

impl Member {
    /// Whether its record grants it this address: no endpoint can be there, since packets to it would go into the tunnel that they carry.
    pub(crate) fn grants(&self, address: IpAddr) -> bool {
        self.record.prefixes.iter().any(|prefix| prefix.contains(&address))
    }
}

/// Two sites were granted the same. The older member keeps it; of two equally old ones the one with the lower id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// A prefix, or a part of one.
    PrefixOverlap {
        /// What its site does not get.
        prefix: IpNet,
        /// Who does not get it.
        site: SiteId,
        /// Who has it.
        holder: SiteId,
    },
    /// A name. Both stay members: a name is for people.
    NameTwice {
        /// The name.
        name: SiteName,
        /// Who came later.
        site: SiteId,
        /// Who had it.
        holder: SiteId,
    },
}

/// The sites of the roster, as they count now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    sites: BTreeMap<SiteId, Member>,
    names: BTreeMap<SiteName, SiteId>,
    held: PrefixSet,
    conflicts: Vec<Conflict>,
}

impl Members {
    /// What counts of this roster at this time.
    #[must_use]
    pub fn new(roster: &Roster, clock: Wallclock) -> Self {
        let mut members = Self::default();
        for (site, records) in roster.records() {
            let Some(record) = records.max_by_key(|record| record_rank(record, record.digest())) else { continue };
            let standing = standing(roster, &site, record, clock);
            members.sites.insert(site, Member { record: Arc::clone(record), standing, prefixes: Vec::new() });
        }
        members.share_out();
        members
    }

    /// What is known of a site.
    #[must_use]
    pub fn get(&self, site: &SiteId) -> Option<&Member> {
        self.sites.get(site)
    }

    /// All sites of the roster by id, whatever their standing.
    pub fn iter(&self) -> impl Iterator<Item = (&SiteId, &Member)> {
        self.sites.iter()
    }

    /// Those with ids in this range.
    pub(crate) fn within(&self, sites: std::ops::RangeInclusive<SiteId>) -> impl Iterator<Item = (&SiteId, &Member)> {
        self.sites.range(sites)
    }

    /// Sites that are members now.
    pub fn valid(&self) -> impl Iterator<Item = (&SiteId, &Member)> {
        self.sites.iter().filter(|(_, member)| member.standing == Standing::Valid)
    }

    /// What was granted twice.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Who but this site has the prefix or a part of it.
    #[must_use]
    pub fn other_holder(&self, prefix: &IpNet, site: &SiteId) -> Option<SiteId> {
        self.held.other_holder(prefix, site)
    }

    /// Who is called so.
    #[must_use]
    pub fn named(&self, name: &SiteName) -> Option<SiteId> {
        self.names.get(name).copied()
    }

    /// Gives names and prefixes to the members, oldest first.
    fn share_out(&mut self) {
        let mut by_age: Vec<(u64, SiteId)> =
            self.valid().map(|(site, member)| (member.record.member_since_s, *site)).collect();
        by_age.sort_unstable();
        for (_, site) in by_age {
            let Some(member) = self.sites.get_mut(&site) else { continue };
            let name = member.record.name.clone();
            match self.names.get(&name) {
                Some(holder) => self.conflicts.push(Conflict::NameTwice { name, site, holder: *holder }),
                None => _ = self.names.insert(name, site),
            }
            for prefix in &member.record.prefixes {
                match self.held.claim(*prefix, site) {
                    Ok(()) => member.prefixes.push(*prefix),
                    Err(holder) => self.conflicts.push(Conflict::PrefixOverlap { prefix: *prefix, site, holder }),
                }
            }
        }
    }
}

fn standing(roster: &Roster, site: &SiteId, record: &SiteRecord, clock: Wallclock) -> Standing {
    if roster.is_revoked(site) {
        return Standing::Revoked;
    }
    // Whose signer has ended is as one whose record has ended: another signer renews it.
    let signer = roster.signer(&record.signer).map(|certificate| clock.judge(certificate.validity));
    match (signer, clock.judge(record.validity)) {
        (None | Some(Judgement::Expired), _) | (_, Judgement::Expired) => Standing::Expired,
        (Some(Judgement::NotYet), _) | (_, Judgement::NotYet) => Standing::NotYet,
        (Some(Judgement::Valid), Judgement::Valid) => Standing::Valid,
    }
}
