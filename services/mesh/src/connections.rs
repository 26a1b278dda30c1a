//! Who this site is connected to beyond the LAN, and what is said to them.
//!
//! *Does*: greet, judge the far end by the roster of each message's moment, tell all members on connections what is new.
//! *Never does*: believe that a key once was a member's; know what a connection is made of: it has a number.
//! *Spec*: `docs/membership.md`, section "Beyond the LAN".

use std::{collections::BTreeMap, net::SocketAddr};

use patronus_types::{SiteId, ports::SEED_PORT};
use patronus_wire::{Digest32, IdentityKey, Message, Roles, site_id};

use crate::{Mesh, Now, Refusal, Standing, limit};

/// The connections of a site.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    open: BTreeMap<u64, Connection>,
    told: Option<Digest32>,
    told_ms: u64,
    has_news: bool,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    peer: IdentityKey,
    source: SocketAddr,
    is_ours: bool,
}

impl Connections {
    /// There is a new one, to whoever has this key. `is_ours`: this site has called.
    pub fn handle_opened(&mut self, number: u64, peer: IdentityKey, source: SocketAddr, is_ours: bool) {
        self.open.insert(number, Connection { peer, source, is_ours });
    }

    /// One is gone.
    pub fn handle_closed(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// There is something that others may not know.
    pub const fn handle_news(&mut self) {
        self.has_news = true;
    }

    /// What a member says first on a connection: who has called begins, or all would be said twice. Nothing to who is no member.
    #[must_use]
    pub fn greeting(&self, number: u64, mesh: &mut Mesh) -> Option<Message> {
        let connection = self.open.get(&number).filter(|connection| connection.is_ours)?;
        connection.refusal(mesh).is_none().then(|| mesh.summary())
    }

    /// Takes a message from a connection. Gives what is to be said back, or `None` if the connection is to be closed.
    pub fn handle_message(&mut self, number: u64, message: Message, mesh: &mut Mesh, now: Now) -> Option<Vec<Message>> {
        let connection = self.open.get(&number)?;
        // A stranger may ask to join. A seed that has handed on this site's wish is one until it has shown its record.
        let is_allowed = match message {
            Message::JoinRequest(_) => true,
            Message::Bundle(_) => connection.is_ours && mesh.members().get(&site_id(&connection.peer)).is_none(),
            _ => false,
        };
        if let Some(refusal) = connection.refusal(mesh).filter(|_| !is_allowed) {
            mesh.handle_refusal(refusal);
            self.open.remove(&number);
            return None;
        }
        mesh.handle_sign_of_life(&site_id(&connection.peer), now);
        Some(mesh.handle_message(connection.source, message, now))
    }

    /// The connections of members that are to be told what this site knows, now.
    pub fn poll_tell(&mut self, mesh: &Mesh, now: Now) -> Vec<u64> {
        let own = mesh.own().map(|own| own.content_digest());
        if own != self.told {
            (self.told, self.has_news) = (own, true);
        }
        if self.deadline().is_none_or(|deadline| now.ms < deadline) {
            return Vec::new();
        }
        (self.told_ms, self.has_news) = (now.ms, false);
        let members = self.open.iter().filter(|(_, connection)| connection.refusal(mesh).is_none());
        members.map(|(number, _)| *number).collect()
    }

    /// When members are to be told, on the monotonic clock in milliseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let all_ms = u64::try_from(self.open.len()).unwrap_or(u64::MAX).saturating_mul(limit::TELL_MS_EACH);
        let pause_ms = if self.has_news { limit::TELL_GAP_MS.max(all_ms) } else { limit::TELL_EVERY_MS };
        (!self.open.is_empty()).then(|| self.told_ms.saturating_add(pause_ms))
    }

    /// Whether the far end is a member now.
    pub(crate) fn is_members(&self, number: u64, mesh: &Mesh) -> bool {
        self.open.get(&number).is_some_and(|connection| connection.refusal(mesh).is_none())
    }

    /// A connection to this site.
    pub(crate) fn with(&self, site: &SiteId) -> Option<u64> {
        self.open.iter().find(|(_, connection)| site_id(&connection.peer) == *site).map(|(number, _)| *number)
    }

    /// The connection to this address.
    #[must_use]
    pub fn to(&self, address: SocketAddr) -> Option<u64> {
        self.open.iter().find(|(_, connection)| connection.source == address).map(|(number, _)| *number)
    }
}

/// Which of these seeds to call: the first, each once, since a token and the roster name the same ones.
pub fn seeds_to_call<T: PartialEq>(seeds: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut chosen = Vec::new();
    for seed in seeds {
        if chosen.len() < limit::SEEDS_CALLED && !chosen.contains(&seed) {
            chosen.push(seed);
        }
    }
    chosen
}

impl Connection {
    /// Why the far end is nobody to this site now; `None` if it is a member.
    fn refusal(&self, mesh: &Mesh) -> Option<Refusal> {
        match mesh.members().get(&site_id(&self.peer)).map(|it| it.standing) {
            None => Some(Refusal::SiteUnknown),
            Some(Standing::Revoked) => Some(Refusal::SiteRevoked),
            Some(Standing::Expired) => Some(Refusal::SiteExpired),
            Some(Standing::NotYet) => Some(Refusal::SiteNotYetValid),
            Some(Standing::Valid) => None,
        }
    }
}

impl Mesh {
    /// Whether the record says that this site is a seed.
    #[must_use]
    pub fn is_seed(&self) -> bool {
        let own = self.members().get(&self.site());
        own.is_some_and(|own| own.standing == Standing::Valid && own.record.roles.contains(Roles::SEED))
    }

    /// Where other members with the role of a seed say that they are.
    pub fn seeds(&self) -> impl Iterator<Item = SocketAddr> {
        let is_other = |site: &SiteId| *site != self.site();
        let seeds =
            self.members().valid().filter(move |(site, it)| is_other(site) && it.record.roles.contains(Roles::SEED));
        let heard = seeds.filter_map(|(site, _)| self.book().get(site));
        let endpoints = heard.flat_map(|heard| heard.announcement.uplinks.iter().flat_map(|uplink| &uplink.endpoints));
        endpoints.map(|endpoint| SocketAddr::new(endpoint.address.ip(), SEED_PORT))
    }
}
