//! Messages of members: announcements, comparing, completing.
//!
//! *Spec*: `docs/wire.md`, sections "Messages" and "Comparing".

use std::{collections::BTreeMap, net::SocketAddr};

use patronus_types::SiteId;
use patronus_wire::{Announcement, BucketSet, Bundle, Digest32, IdentityKey, Message, Summary, Unverified};

use super::{Destination, Event, Mesh, Now, REFRESH_MS};
use crate::{Members, Merged, Refusal, Standing, book::News, limit};

/// With whom this site compared last, and when: with few at a time, however many are there. Rosters spread from neighbour to neighbour.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbours(BTreeMap<SocketAddr, u64>);

impl Neighbours {
    /// Whether it is time to compare with this one.
    fn poll_compare(&mut self, neighbour: SocketAddr, now_ms: u64, gap_ms: u64) -> bool {
        self.0.retain(|_, compared| now_ms < compared.saturating_add(gap_ms));
        if self.0.contains_key(&neighbour) || self.0.len() >= limit::COMPARED {
            return false;
        }
        self.0.insert(neighbour, now_ms);
        true
    }
}

impl Mesh {
    /// Takes a message of a member; gives what is to be said back, in bundles of this size at most.
    pub(super) fn answer(
        &mut self,
        source: SocketAddr,
        message: Message,
        object_bytes: usize,
        now: Now,
    ) -> Vec<Message> {
        let outcome = match message {
            Message::Announce(object) => self.handle_announcement(source, object, now),
            Message::Bundle(bundle) => self.handle_bundle(source, bundle, now).map(|()| Vec::new()),
            Message::Digest(theirs) => Ok(self.is_unlike(theirs).then(|| self.summary()).into_iter().collect()),
            Message::Summary(summary) => Ok(self.complete(&summary, object_bytes)),
            Message::Pull { members, announcements } => Ok(self.bundles(members, announcements, object_bytes)),
            Message::Observed(address) => {
                self.say(Event::Observed(address));
                Ok(Vec::new())
            }
            Message::JoinRequest(request) => {
                self.say(Event::JoinRequested { source, request });
                Ok(Vec::new())
            }
            Message::JoinAnswer(answer) => {
                self.say(Event::JoinAnswered(answer));
                Ok(Vec::new())
            }
        };
        outcome.unwrap_or_else(|refusal| {
            self.refusals.count(refusal);
            Vec::new()
        })
    }

    /// Merges objects that were signed on this box, and tells the neighbours at once: a new site that announces itself is known to them then.
    pub fn handle_own(&mut self, bundle: Bundle, now: Now) -> Vec<Result<Merged, Refusal>> {
        let signers = self.roster.excerpt(&[]).signers;
        let signers = signers.into_iter().filter(|known| !bundle.signers.contains(known)).chain(bundle.signers.clone());
        let told = Message::Bundle(Bundle { signers: signers.collect(), ..bundle.clone() });
        let outcomes = self.roster.merge(bundle);
        self.refresh(now);
        // One that does not fit into a datagram they get when they compare.
        self.send(Destination::Lan, told);
        self.beacon.handle_change(now.ms);
        outcomes
    }

    fn handle_announcement(
        &mut self,
        source: SocketAddr,
        object: Unverified<Announcement>,
        now: Now,
    ) -> Result<Vec<Message>, Refusal> {
        let site = object.claims().site;
        let their_digest = object.claims().roster_digest;
        match self.check_announcement(source, &object, now) {
            Err(Refusal::AnnouncementReplayed) => return Ok(self.remind(source, &site, now)),
            outcome => outcome?,
        }
        let news = self.book.handle(&self.members, object, now.ms)?;
        self.tell(site, news, now);
        if news.is_return {
            // Who has just come knows nobody's whereabouts.
            self.beacon.handle_change(now.ms);
        }
        let differs = news.is_return || their_digest != self.roster_digest;
        Ok(if differs && self.asked.poll_compare(source, now.ms, limit::SUMMARY_GAP_MS) {
            vec![self.summary()]
        } else {
            Vec::new()
        })
    }

    /// Says what is known of a site to who has an older word of it: if that is the site itself, it has forgotten how often it has started.
    fn remind(&mut self, source: SocketAddr, site: &SiteId, now: Now) -> Vec<Message> {
        self.refusals.count(Refusal::AnnouncementReplayed);
        let known = self.book.get(site).map(|heard| heard.announcement.clone().into_unverified());
        let known = known.filter(|_| self.asked.poll_compare(source, now.ms, limit::SUMMARY_GAP_MS));
        known
            .map(|known| Message::Bundle(Bundle { announcements: vec![known], ..Bundle::default() }))
            .into_iter()
            .collect()
    }

    /// What others have heard of this site. If that is newer than what it has said itself, its disk has forgotten it.
    fn handle_own_word(
        &mut self,
        source: SocketAddr,
        object: Unverified<Announcement>,
        now: Now,
    ) -> Result<(), Refusal> {
        let claims = object.claims();
        let is_behind = claims.freshness() >= (self.boot_epoch, self.sequence)
            && self.own.as_ref().is_none_or(|own| own.as_bytes() != object.as_bytes());
        if !is_behind || claims.network != self.roster.network() {
            return Ok(());
        }
        self.check_signature_rate(source, 1, now)?;
        let word = object.verify(&IdentityKey::from(&self.identity))?;
        self.say(Event::BootEpochForgotten(word.boot_epoch.saturating_add(1)));
        Ok(())
    }

    /// Everything that can be checked before a signature is.
    fn check_announcement(
        &mut self,
        source: SocketAddr,
        object: &Unverified<Announcement>,
        now: Now,
    ) -> Result<(), Refusal> {
        let claims = object.claims();
        if claims.network != self.roster.network() {
            return Err(Refusal::WrongNetwork);
        }
        if claims.site == self.site {
            return Err(Refusal::OwnAnnouncement);
        }
        self.book.check_claims(&self.members, claims)?;
        self.check_signature_rate(source, 1, now)
    }

    fn handle_bundle(&mut self, source: SocketAddr, bundle: Bundle, now: Now) -> Result<(), Refusal> {
        // What is known already costs a comparison of bytes and no signature.
        self.check_signature_rate(source, self.roster.unknown(&bundle), now)?;
        let Bundle { signers, revocations, records, announcements } = bundle;
        let outcomes = self.roster.merge(Bundle { signers, revocations, records, announcements: Vec::new() });
        for outcome in &outcomes {
            match outcome {
                Ok(Merged::Shadowed) => self.refusals.count(Refusal::RecordOfRevokedSite),
                Ok(Merged::New | Merged::Known) => {}
                Err(refusal) => self.refusals.count(*refusal),
            }
        }
        if outcomes.iter().any(|outcome| matches!(outcome, Ok(Merged::New | Merged::Shadowed))) {
            self.refresh(now);
            self.beacon.handle_change(now.ms);
        }
        for object in announcements {
            let site = object.claims().site;
            if site == self.site {
                self.handle_own_word(source, object, now).unwrap_or_else(|refusal| self.refusals.count(refusal));
                continue;
            }
            let news = self
                .check_announcement(source, &object, now)
                .and_then(|()| self.book.handle_relayed(&self.members, object));
            match news {
                Ok(news) => self.tell(site, news, now),
                // Two neighbours that compare give each other what the other may know.
                Err(Refusal::AnnouncementRepeated) => {}
                Err(Refusal::AnnouncementReplayed) => self.refusals.count(Refusal::AnnouncementSuperseded),
                Err(refusal) => self.refusals.count(refusal),
            }
        }
        Ok(())
    }

    fn tell(&mut self, site: SiteId, news: News, now: Now) {
        if news.is_return {
            self.say(Event::SiteActive(site));
        }
        if news.is_change {
            self.gossip.handle_news(now.ms);
            self.say(Event::SiteMoved(site));
        }
    }

    /// What this site knows, to be compared.
    #[must_use]
    pub fn summary(&mut self) -> Message {
        Message::Summary(Box::new(self.own_summary()))
    }

    /// The same in few bytes: who has another one answers with a summary.
    #[must_use]
    pub fn digest(&mut self) -> Message {
        Message::Digest(self.own_summary().digest())
    }

    fn is_unlike(&mut self, theirs: Digest32) -> bool {
        self.own_summary().digest() != theirs
    }

    fn own_summary(&mut self) -> Summary {
        Summary { announcements: self.book.summary(&self.members, self.own.as_ref()), ..self.roster_summary.clone() }
    }

    /// Whether this of a neighbour is to be compared now: of a whole LAN that asks for it, with few at a time.
    pub(super) fn poll_complete(&mut self, source: SocketAddr, message: &Message, now: Now) -> bool {
        match message {
            Message::Summary(_) => self.answered.poll_compare(source, now.ms, limit::SUMMARY_GAP_MS / 2),
            Message::Digest(theirs) => {
                self.is_unlike(*theirs) && self.asked.poll_compare(source, now.ms, limit::SUMMARY_GAP_MS)
            }
            _ => true,
        }
    }

    /// Asks for what a neighbour has, and gives what it lacks. Which of the two a difference is only the objects tell.
    fn complete(&mut self, theirs: &Summary, object_bytes: usize) -> Vec<Message> {
        let ours = self.own_summary();
        let (members, announcements) = ours.differences(theirs);
        if (members, announcements) == Default::default() && ours.signers == theirs.signers {
            return Vec::new();
        }
        let mut messages = vec![Message::Pull { members, announcements }];
        messages.extend(self.bundles(members, announcements, object_bytes));
        messages
    }

    fn bundles(&self, members: BucketSet, announcements: BucketSet, object_bytes: usize) -> Vec<Message> {
        let members = self.roster.bundles(members, object_bytes).into_iter();
        let announcements = self.book.bundles(&self.members, self.own.as_ref(), announcements, object_bytes);
        members.chain(announcements).map(Message::Bundle).collect()
    }

    /// Looks anew at what counts, and tells what has changed.
    pub(super) fn refresh(&mut self, now: Now) {
        self.refresh_ms = now.ms.saturating_add(REFRESH_MS);
        let digest = self.roster.digest();
        if std::mem::replace(&mut self.roster_digest, digest) != digest {
            self.gossip.handle_news(now.ms);
        }
        self.roster_summary = self.roster.summary();
        let members = Members::new(&self.roster, now.clock);
        let before = std::mem::replace(&mut self.members, members);
        let standing = |members: &Members, site: &SiteId| members.get(site).map(|member| member.standing);
        let sites: Vec<SiteId> = self.members.iter().map(|(site, _)| *site).collect();
        for site in sites {
            match (standing(&before, &site), standing(&self.members, &site)) {
                (was, is) if was == is => {}
                (_, Some(Standing::Valid)) => self.say(Event::SiteJoined(site)),
                (_, Some(Standing::Revoked)) => self.say(Event::SiteRevoked(site)),
                (Some(Standing::Valid), _) => self.say(Event::SiteLeft(site)),
                _ => {}
            }
        }
        let gone = before.iter().filter(|(site, _)| self.members.get(site).is_none());
        let gone: Vec<SiteId> = gone.map(|(site, _)| *site).collect();
        gone.into_iter().for_each(|site| self.say(Event::SiteLeft(site)));
        self.book.retain_members(&self.members);
        self.beacon.handle_members(self.members.valid().count());
    }
}
