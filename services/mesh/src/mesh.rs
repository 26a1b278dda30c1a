//! One site among others: what it hears, what it knows, what it says.
//!
//! *Does*: judge every message - rate, seal, format, roster, signature, in this order -, keep roster and book, announce itself, complete what
//! neighbours lack. Time and randomness come in, datagrams and events come out.
//! *Never does*: admit anybody: a wish to join is handed to the shell, where the invitations are.
//! *Spec*: `docs/membership.md`.

mod exchange;
mod inside;
mod words;

pub use words::{Destination, Event, Now, Transmit};

use std::{collections::VecDeque, net::SocketAddr};

use ed25519_dalek::SigningKey;
use patronus_types::SiteId;
use patronus_wire::{
    Announcement, Body, Capabilities, Digest32, IdentityKey, JoinAnswer, JoinRequest, LanMessage, Message, NetworkKey,
    Nonce, Refused, Summary, UplinkOffer, Verified, site_id,
};

use crate::{
    Beacon, Book, Guard, Members, Rates, Refusal, Refusals, Roster, gossip::Gossip, guard::Over, limit,
    mesh::exchange::Neighbours,
};

/// How often what counts is looked at anew because time has passed.
const REFRESH_MS: u64 = 60_000;

/// One site among others.
#[derive(Debug)]
pub struct Mesh {
    identity: SigningKey,
    site: SiteId,
    keys: Vec<NetworkKey>,
    roster: Roster,
    roster_digest: Digest32,
    roster_summary: Summary,
    members: Members,
    book: Book,
    boot_epoch: u64,
    sequence: u64,
    capabilities: Capabilities,
    uplinks: Vec<UplinkOffer>,
    own: Option<Verified<Announcement>>,
    beacon: Beacon,
    gossip: Gossip,
    refresh_ms: u64,
    messages: Guard,
    signatures: Guard,
    refusals: Refusals,
    asked: Neighbours,
    answered: Neighbours,
    outbox: VecDeque<(Destination, Message)>,
    events: VecDeque<Event>,
    generation: u64,
}

impl Mesh {
    /// A member of the network of this roster. `boot_epoch` is higher than ever before, and on disk.
    #[must_use]
    pub fn new(identity: SigningKey, roster: Roster, network_key: NetworkKey, boot_epoch: u64, now: Now) -> Self {
        let members = Members::new(&roster, now.clock);
        let mut beacon = Beacon::new(now.ms);
        beacon.handle_members(members.valid().count());
        Self {
            site: site_id(&IdentityKey::from(&identity)),
            identity,
            keys: vec![network_key],
            roster_digest: roster.digest(),
            roster_summary: roster.summary(),
            roster,
            members,
            book: Book::default(),
            boot_epoch,
            sequence: 0,
            capabilities: Capabilities::default(),
            uplinks: Vec::new(),
            own: None,
            beacon,
            gossip: Gossip::default(),
            refresh_ms: now.ms.saturating_add(REFRESH_MS),
            messages: Guard::new(Rates { source: limit::SOURCE_RATE, total: limit::TOTAL_RATE }),
            signatures: Guard::new(Rates { source: limit::SIGNATURE_SOURCE_RATE, total: limit::SIGNATURE_TOTAL_RATE }),
            refusals: Refusals::default(),
            asked: Neighbours::default(),
            answered: Neighbours::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            generation: 0,
        }
    }

    /// Takes a datagram from the LAN.
    pub fn handle_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Now) {
        let message = match self.open(source, datagram, now) {
            Ok(message) => message,
            Err(refusal) => return self.refusals.count(refusal),
        };
        let answers = match message {
            LanMessage::Sealed(message) if !self.poll_complete(source, &message, now) => Vec::new(),
            LanMessage::Sealed(message) => {
                self.answer(source, message, patronus_wire::Bundle::DATAGRAM_OBJECT_BYTES, now)
            }
            LanMessage::Join(Message::JoinRequest(request)) => {
                self.say(Event::JoinRequested { source, request });
                Vec::new()
            }
            // On a LAN nobody hands anything on.
            LanMessage::Join(Message::JoinAnswer(answer)) if self.member_at(source.ip()).is_some() => {
                self.say(Event::JoinAnswered(answer));
                Vec::new()
            }
            LanMessage::Join(_) => return self.refusals.count(Refusal::AnswerUnexpected),
        };
        for answer in answers.into_iter().take(limit::DATAGRAMS_PER_PULL) {
            self.send(Destination::Neighbour(source), answer);
        }
    }

    /// Takes a message of a member over a connection; gives what is to be said back.
    pub fn handle_message(&mut self, source: SocketAddr, message: Message, now: Now) -> Vec<Message> {
        if let Err(refusal) = self.check_rate(source, now) {
            self.refusals.count(refusal);
            return Vec::new();
        }
        self.answer(source, message, patronus_wire::limit::MESSAGE_BYTES / 2, now)
    }

    /// Counts what the shell did not use.
    pub fn handle_refusal(&mut self, refusal: Refusal) {
        self.refusals.count(refusal);
    }

    /// There are devices on which nobody has heard this site yet.
    pub fn handle_new_neighbourhood(&mut self, now: Now) {
        self.beacon.handle_change(now.ms);
    }

    /// How this site can be reached now.
    pub fn handle_uplinks(&mut self, capabilities: Capabilities, mut uplinks: Vec<UplinkOffer>, now: Now) {
        // Whoever says that he sees this site inside its own prefixes must not bring it to say what all others refuse.
        if let Some(own) = self.members.get(&self.site) {
            uplinks
                .iter_mut()
                .for_each(|uplink| uplink.endpoints.retain(|endpoint| !own.grants(endpoint.address.ip())));
        }
        if (capabilities, &uplinks) != (self.capabilities, &self.uplinks) {
            self.book.reserve(self.site, uplinks.iter().map(|uplink| uplink.key));
            (self.capabilities, self.uplinks) = (capabilities, uplinks);
            self.beacon.handle_change(now.ms);
        }
    }

    /// A higher boot epoch, which is on disk: others believe this site again.
    pub fn handle_boot_epoch(&mut self, boot_epoch: u64, now: Now) {
        if boot_epoch > self.boot_epoch {
            (self.boot_epoch, self.sequence) = (boot_epoch, 0);
            self.beacon.handle_change(now.ms);
        }
    }

    /// A site was heard by other means: its tunnel answers.
    pub fn handle_sign_of_life(&mut self, site: &SiteId, now: Now) {
        if self.book.handle_sign_of_life(site, now.ms) {
            self.say(Event::SiteActive(*site));
        }
    }

    /// Does what time demands. `random` spreads what would happen everywhere at once.
    pub fn handle_timeout(&mut self, now: Now, random: u64) {
        if now.ms >= self.refresh_ms {
            self.refresh(now);
        }
        while let Some(site) = self.book.poll_silent(now.ms) {
            self.say(Event::SiteInactive(site));
        }
        if self.beacon.poll_speak(now.ms, random) {
            self.announce(now);
        }
        self.gossip(now, random);
    }

    /// When [`Mesh::handle_timeout`] wants to be called, on the monotonic clock in milliseconds.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        let others = [self.book.deadline(), self.gossip.deadline()];
        others.into_iter().flatten().fold(self.beacon.deadline().min(self.refresh_ms), u64::min)
    }

    /// The next datagram to be sent, sealed with this number that was never used before.
    pub fn poll_transmit(&mut self, nonce: Nonce) -> Option<Transmit> {
        while let Some((to, message)) = self.outbox.pop_front() {
            let sealed = match &message {
                // Sealed with a token already, from or for somebody who does not have the network's key yet.
                Message::JoinAnswer(_) | Message::JoinRequest(_) => message.to_bytes(),
                _ => self.keys.first().ok_or(Refused::NetworkKeyUnknown).and_then(|key| key.seal(&message, nonce)),
            };
            if let Ok(datagram) = sealed {
                return Some(Transmit { to, datagram });
            }
        }
        None
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes over what was kept over a restart.
    pub fn restore(&mut self, announcements: Vec<patronus_wire::Unverified<Announcement>>) {
        for object in announcements {
            if let Err(refusal) = self.book.restore(&self.members, object) {
                self.refusals.count(refusal);
            }
        }
    }

    /// Hands on what a new site wants.
    pub(crate) fn send_request(&mut self, to: SocketAddr, request: JoinRequest) {
        self.send(Destination::Neighbour(to), Message::JoinRequest(request));
    }

    /// Answers a new site.
    pub fn send_answer(&mut self, to: SocketAddr, answer: JoinAnswer) {
        self.send(Destination::Neighbour(to), Message::JoinAnswer(answer));
    }

    /// Who this site is.
    #[must_use]
    pub const fn site(&self) -> SiteId {
        self.site
    }

    /// The key of the LAN.
    #[must_use]
    pub fn network_key(&self) -> Option<&NetworkKey> {
        self.keys.first()
    }

    /// What signers have signed.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Changes with every object of the roster.
    #[must_use]
    pub const fn roster_digest(&self) -> Digest32 {
        self.roster_digest
    }

    /// What this site announced last.
    #[must_use]
    pub const fn own(&self) -> Option<&Verified<Announcement>> {
        self.own.as_ref()
    }

    /// What of it counts now.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// Who announced what.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// What was not used, by name.
    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Grows with every change of what others are shown.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    fn open(&mut self, source: SocketAddr, datagram: &[u8], now: Now) -> Result<LanMessage, Refusal> {
        self.check_rate(source, now)?;
        Ok(LanMessage::open(datagram, &self.keys)?)
    }

    fn check_rate(&mut self, source: SocketAddr, now: Now) -> Result<(), Refusal> {
        self.messages.take(source.ip(), 1, now.ms).map_err(|over| match over {
            Over::Source => Refusal::SourceOverRate,
            Over::Total => Refusal::TotalOverRate,
        })
    }

    fn check_signature_rate(&mut self, source: SocketAddr, count: usize, now: Now) -> Result<(), Refusal> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.signatures.take(source.ip(), count, now.ms).map_err(|over| match over {
            Over::Source => Refusal::SourceOverSignatureRate,
            Over::Total => Refusal::TotalOverSignatureRate,
        })
    }

    /// Says where this site can be reached.
    fn announce(&mut self, now: Now) {
        self.sequence = self.sequence.saturating_add(1);
        let announcement = Announcement {
            network: self.roster.network(),
            site: self.site,
            boot_epoch: self.boot_epoch,
            sequence: self.sequence,
            capabilities: self.capabilities,
            roster_digest: self.roster_digest,
            uplinks: self.reachable_uplinks(),
        };
        match announcement.sign(&self.identity) {
            Ok(signed) => {
                let content = Some(signed.content_digest());
                if self.own.as_ref().map(|own| own.content_digest()) != content {
                    self.gossip.handle_news(now.ms);
                }
                self.own = Some(signed.clone());
                self.send(Destination::Lan, Message::Announce(signed.into_unverified()));
            }
            // Uplinks that others would refuse: the shell made them, and sees its mistake among the refusals.
            Err(refused) => self.refusals.count(refused.into()),
        }
    }

    /// Without addresses that are behind this site: others would refuse the whole.
    fn reachable_uplinks(&self) -> Vec<UplinkOffer> {
        let mut uplinks = self.uplinks.clone();
        let Some(own) = self.members.get(&self.site) else { return uplinks };
        for uplink in &mut uplinks {
            let is_behind = |ip| own.record.prefixes.iter().any(|prefix| prefix.contains(&ip));
            uplink.endpoints.retain(|endpoint| !is_behind(endpoint.address.ip()));
        }
        uplinks
    }

    fn send(&mut self, to: Destination, message: Message) {
        if self.outbox.len() >= limit::OUTBOX {
            self.outbox.pop_front();
        }
        self.outbox.push_back((to, message));
    }

    fn say(&mut self, event: Event) {
        if self.events.len() >= limit::EVENTS {
            self.events.pop_front();
        }
        self.generation = self.generation.saturating_add(1);
        self.events.push_back(event);
    }
}
