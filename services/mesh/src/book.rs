//! Who announced what, and who is heard.
//!
//! *Does*: accept an announcement only from a member, only if it is newer than every earlier one, only within what the member may claim.
//! *Never does*: need a clock for that: what is newer is a matter of (boot epoch, sequence), and what was heard is kept on disk.
//! *Spec*: `docs/wire.md`, section "Announcement".

use std::{collections::BTreeMap, ops::Bound};

use patronus_types::SiteId;
use patronus_wire::{
    Announcement, BucketSet, Bundle, Capabilities, Digest32, Roles, TunnelKey, Unverified, Verified, bucket_of,
    limit::{BUCKETS, BUNDLE_OBJECTS},
};

use crate::{Member, Members, Refusal, Standing, limit, roster::compare::bucket_hash};

/// Whether a site is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Within the last 120 s.
    Active,
    /// Not any more, or not since this box has started.
    Inactive,
}

/// What a site said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// How to reach it.
    pub announcement: Verified<Announcement>,
    /// Its [`Announcement::content_digest`].
    pub(crate) content: Digest32,
    /// When it was heard last, on the monotonic clock in milliseconds; `None` if that was before this start.
    pub heard_ms: Option<u64>,
    /// Whether it is heard.
    pub liveness: Liveness,
}

/// What an accepted announcement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// The site was not heard before, or not for a while.
    pub(crate) is_return: bool,
    /// It can be reached in another way than before.
    pub(crate) is_change: bool,
}

/// Who announced what.
#[derive(Clone, Debug)]
pub struct Book {
    sites: BTreeMap<SiteId, Heard>,
    keys: BTreeMap<TunnelKey, SiteId>,
    /// The hash of each bucket, while nothing in it has changed.
    hashes: [Option<u64>; BUCKETS],
}

impl Default for Book {
    fn default() -> Self {
        Self { sites: BTreeMap::new(), keys: BTreeMap::new(), hashes: [None; BUCKETS] }
    }
}

impl Book {
    /// Takes what was kept over a restart. It was verified when it was heard, and is so again; nobody counts as heard by it. Also of a site
    /// that is no member now: a box that starts with the wrong time must not forget what is old.
    ///
    /// # Errors
    /// Why it is of no use any more.
    pub fn restore(&mut self, members: &Members, object: Unverified<Announcement>) -> Result<(), Refusal> {
        let member = members.get(&object.claims().site).ok_or(Refusal::SiteUnknown)?;
        if member.standing == Standing::Revoked {
            return Err(Refusal::SiteRevoked);
        }
        self.check_freshness(object.claims())?;
        self.take(member, object, None).map(|_| ())
    }

    /// Takes a site's announcement from another: that is no sign of life.
    pub(crate) fn handle_relayed(
        &mut self,
        members: &Members,
        object: Unverified<Announcement>,
    ) -> Result<News, Refusal> {
        self.accept(members, object, None)
    }

    /// A sign of life of a site whose announcement is known. Whether it was not heard before, or not for a while.
    pub(crate) fn handle_sign_of_life(&mut self, site: &SiteId, now_ms: u64) -> bool {
        let Some(heard) = self.sites.get_mut(site) else { return false };
        heard.heard_ms = Some(now_ms);
        std::mem::replace(&mut heard.liveness, Liveness::Active) == Liveness::Inactive
    }

    /// Takes an announcement from its site.
    pub(crate) fn handle(
        &mut self,
        members: &Members,
        object: Unverified<Announcement>,
        now_ms: u64,
    ) -> Result<News, Refusal> {
        self.accept(members, object, Some(now_ms))
    }

    /// Whether an announcement is worth the check of a signature.
    pub(crate) fn check_claims<'m>(&self, members: &'m Members, claims: &Announcement) -> Result<&'m Member, Refusal> {
        let member = members.get(&claims.site).ok_or(Refusal::SiteUnknown)?;
        match member.standing {
            Standing::Valid => {}
            Standing::Revoked => return Err(Refusal::SiteRevoked),
            Standing::Expired => return Err(Refusal::SiteExpired),
            Standing::NotYet => return Err(Refusal::SiteNotYetValid),
        }
        if claims.network != member.record.network {
            return Err(Refusal::WrongNetwork);
        }
        self.check_freshness(claims)?;
        Ok(member)
    }

    fn check_freshness(&self, claims: &Announcement) -> Result<(), Refusal> {
        let Some(heard) = self.sites.get(&claims.site) else { return Ok(()) };
        match claims.freshness().cmp(&heard.announcement.freshness()) {
            std::cmp::Ordering::Less => Err(Refusal::AnnouncementReplayed),
            std::cmp::Ordering::Equal => Err(Refusal::AnnouncementRepeated),
            std::cmp::Ordering::Greater => Ok(()),
        }
    }

    fn accept(
        &mut self,
        members: &Members,
        object: Unverified<Announcement>,
        heard_ms: Option<u64>,
    ) -> Result<News, Refusal> {
        let member = self.check_claims(members, object.claims())?;
        self.take(member, object, heard_ms)
    }

    fn take(
        &mut self,
        member: &Member,
        object: Unverified<Announcement>,
        heard_ms: Option<u64>,
    ) -> Result<News, Refusal> {
        let announcement = object.verify(&member.record.identity)?;
        check_grants(member, &announcement)?;
        self.check_keys(&announcement)?;
        let site = announcement.site;
        let content = announcement.content_digest();
        let before = self.sites.remove(&site);
        let is_change = before.as_ref().is_none_or(|before| before.content != content);
        if is_change {
            self.touch(&site);
            self.keys.retain(|_, holder| *holder != site);
        }
        let was = before.as_ref().map_or(Liveness::Inactive, |before| before.liveness);
        let liveness = if heard_ms.is_some() { Liveness::Active } else { was };
        let is_return = liveness != was;
        let heard_ms = heard_ms.or(before.and_then(|before| before.heard_ms));
        self.keys.extend(announcement.uplinks.iter().map(|uplink| (uplink.key, site)));
        self.sites.insert(site, Heard { announcement, content, heard_ms, liveness });
        Ok(News { is_return, is_change })
    }

    /// Two peers with one key cannot be told apart: who had it first keeps it.
    fn check_keys(&self, announcement: &Announcement) -> Result<(), Refusal> {
        let is_others = |key| self.keys.get(key).is_some_and(|holder| *holder != announcement.site);
        let taken = announcement.uplinks.iter().any(|uplink| is_others(&uplink.key));
        if taken { Err(Refusal::TunnelKeyOfAnotherSite) } else { Ok(()) }
    }

    /// Reserves this site's own keys: nobody else may announce them.
    pub(crate) fn reserve(&mut self, site: SiteId, keys: impl Iterator<Item = TunnelKey>) {
        self.keys.retain(|_, holder| *holder != site);
        self.keys.extend(keys.map(|key| (key, site)));
    }

    /// Forgets a site.
    pub(crate) fn forget(&mut self, site: &SiteId) -> Option<Heard> {
        let heard = self.sites.remove(site)?;
        self.touch(site);
        self.keys.retain(|_, holder| holder != site);
        Some(heard)
    }

    fn touch(&mut self, site: &SiteId) {
        if let Some(hash) = self.hashes.get_mut(usize::from(bucket_of(site))) {
            *hash = None;
        }
    }

    /// Forgets those that are no members any more. What counts of the others may be something else, too.
    pub(crate) fn retain_members(&mut self, members: &Members) {
        self.hashes = [None; BUCKETS];
        let is_member =
            |site: &SiteId| members.get(site).is_some_and(|member| !matches!(member.standing, Standing::Revoked));
        let gone: Vec<SiteId> = self.sites.keys().copied().filter(|site| !is_member(site)).collect();
        for site in gone {
            self.forget(&site);
        }
    }

    /// When the next site becomes inactive unless it is heard.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.sites.values().filter_map(Heard::silent_ms).min()
    }

    /// A site whose time of silence has come.
    pub(crate) fn poll_silent(&mut self, now_ms: u64) -> Option<SiteId> {
        let is_silent = |heard: &Heard| heard.silent_ms().is_some_and(|silent| silent <= now_ms);
        let (site, heard) = self.sites.iter_mut().find(|(_, heard)| is_silent(heard))?;
        heard.liveness = Liveness::Inactive;
        Some(*site)
    }

    /// What a site said last.
    #[must_use]
    pub fn get(&self, site: &SiteId) -> Option<&Heard> {
        self.sites.get(site)
    }

    /// What each site said last.
    pub fn iter(&self) -> impl Iterator<Item = (&SiteId, &Heard)> {
        self.sites.iter()
    }

    /// The announcements' part of a summary, with this site's own.
    pub(crate) fn summary(&mut self, members: &Members, own: Option<&Verified<Announcement>>) -> [u64; BUCKETS] {
        let own = own.map(|own| (usize::from(bucket_of(&own.site)), own.content_digest()));
        let mut hashes = [0; BUCKETS];
        for (number, (hash, known)) in hashes.iter_mut().zip(&mut self.hashes).enumerate() {
            let own = own.filter(|(bucket, _)| *bucket == number).map(|(_, content)| content);
            *hash = match known {
                Some(known) if own.is_none() => *known,
                _ => {
                    let contents = bucket(&self.sites, members, number).map(|heard| heard.content);
                    bucket_hash(contents.chain(own).collect())
                }
            };
            *known = Some(*hash).filter(|_| own.is_none());
        }
        hashes
    }

    /// The announcements of these buckets, with this site's own, in bundles of at most this many bytes of objects.
    pub(crate) fn bundles(
        &self,
        members: &Members,
        own: Option<&Verified<Announcement>>,
        buckets: BucketSet,
        object_bytes: usize,
    ) -> Vec<Bundle> {
        let mut bundles: Vec<Bundle> = Vec::new();
        let mut used = usize::MAX;
        let wanted = (0..BUCKETS).filter(|number| u8::try_from(*number).is_ok_and(|number| buckets.contains(number)));
        let others = wanted.flat_map(|number| bucket(&self.sites, members, number)).map(|heard| &heard.announcement);
        for announcement in others.chain(own.filter(|own| buckets.contains(bucket_of(&own.site)))) {
            let bytes = announcement.as_bytes().len();
            let is_full = bundles.last().is_none_or(|bundle| bundle.announcements.len() >= BUNDLE_OBJECTS);
            if is_full || used.saturating_add(bytes) > object_bytes {
                bundles.push(Bundle::default());
                used = 0;
            }
            if let Some(bundle) = bundles.last_mut() {
                bundle.announcements.push(announcement.clone().into_unverified());
                used += bytes;
            }
        }
        bundles
    }
}

/// What the sites of a bucket that are members now have said: others refuse the rest. The upper six bits of an id are its bucket, so they
/// stand together.
fn bucket<'b>(
    sites: &'b BTreeMap<SiteId, Heard>,
    members: &'b Members,
    number: usize,
) -> impl Iterator<Item = &'b Heard> {
    let bound = |number: usize| {
        u8::try_from(number << 2)
            .ok()
            .map(|first| SiteId(std::array::from_fn(|place| if place == 0 { first } else { 0 })))
    };
    let (first, end) = (bound(number), bound(number + 1));
    let range = (first.map_or(Bound::Unbounded, Bound::Included), end.map_or(Bound::Unbounded, Bound::Excluded));
    let is_valid = |site| members.get(site).is_some_and(|member| member.standing == Standing::Valid);
    sites.range(range).filter(move |(site, _)| is_valid(site)).map(|(_, heard)| heard)
}

impl Heard {
    /// When it becomes inactive.
    fn silent_ms(&self) -> Option<u64> {
        let heard_ms = self.heard_ms.filter(|_| self.liveness == Liveness::Active)?;
        Some(heard_ms.saturating_add(limit::SILENCE_MS))
    }
}

/// A site claims no more than its record grants.
fn check_grants(member: &Member, announcement: &Announcement) -> Result<(), Refusal> {
    let needs = [
        (Capabilities::RELAY, Roles::RELAY, Refusal::RelayNotGranted),
        (Capabilities::SEED, Roles::SEED, Refusal::SeedNotGranted),
        (Capabilities::HUB, Roles::HUB, Refusal::HubNotGranted),
    ];
    for (capability, role, refusal) in needs {
        if announcement.capabilities.has(capability) && !member.record.roles.contains(role) {
            return Err(refusal);
        }
    }
    let mut addresses = announcement.uplinks.iter().flat_map(|uplink| &uplink.endpoints).map(|it| it.address.ip());
    if addresses.any(|ip| member.grants(ip)) { Err(Refusal::EndpointInsideOwnPrefix) } else { Ok(()) }
}
