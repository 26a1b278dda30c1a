//! What happens in the network, as events with a cursor to go on from.
//!
//! *Does*: tell two snapshots apart, in events that lead from one to the other; keep the last ones in a ring.
//! *Never does*: ask anybody, read clocks; queue for a reader.
//! *Spec*: `docs/api.md`, section "Events".

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    str::FromStr,
};

use patronus_ipc::{
    mesh,
    prober::{self, Liveness},
    router, tunnel,
};
use patronus_types::SiteId;
use serde::Serialize;

mod routed;

pub use routed::Routed;

use crate::limits;

/// Whether a site is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A member that is heard.
    There,
    /// A member that is silent, or none any more.
    Away,
    /// Not a member any more, by a signer's word.
    Revoked,
}

/// A path: the site at the far end, the slot here, the slot there.
pub type PathKey = (SiteId, u8, u8);

/// What events are told about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// The other sites.
    pub sites: BTreeMap<SiteId, Presence>,
    /// The paths that are up.
    pub up: BTreeSet<PathKey>,
    /// All paths, and the site that carries each, if one does.
    pub ways: BTreeMap<PathKey, Option<SiteId>>,
}

impl Picture {
    /// The next picture, by what `mesh` says now. It knows nothing yet while it starts, and of a site that it has not heard since, only what is
    /// on its disk: then what was known stays.
    #[must_use]
    pub fn with_sites(mut self, state: &mesh::State) -> Self {
        let Some(own) = state.site else { return self };
        let presence = |site: &mesh::Site| match (site.standing, site.is_active, site.heard_uptime_ms) {
            (mesh::Standing::Revoked, ..) => Presence::Revoked,
            (mesh::Standing::Valid, true, _) => Presence::There,
            (mesh::Standing::Valid, false, None) => self.sites.get(&site.id).copied().unwrap_or(Presence::Away),
            _ => Presence::Away,
        };
        let others = state.sites.iter().filter(|site| site.id != own);
        let sites = others.map(|site| (site.id, presence(site))).collect();
        self.sites = sites;
        self
    }

    /// The next picture, by what `tunnel` says now, and `prober`: sessions outlive for minutes what carries them.
    #[must_use]
    pub fn with_paths(mut self, state: &tunnel::State, measured: Option<&prober::State>) -> Self {
        let is_dead = |report: &&prober::PathReport| matches!(report.liveness, Liveness::Down | Liveness::Holding);
        let dead: BTreeSet<prober::PathId> =
            measured.iter().flat_map(|state| state.paths.iter().filter(is_dead)).map(prober::PathReport::id).collect();
        let is_up = |path: &&tunnel::PathState| {
            let id = prober::PathId { site: path.peer, local: path.local, remote: path.remote };
            path.status == tunnel::PathStatus::Up && !dead.contains(&id)
        };
        let key = |path: &tunnel::PathState| (path.peer, path.local.number(), path.remote.number());
        self.up = state.paths.iter().filter(is_up).map(key).collect();
        self.ways = state.paths.iter().map(|path| (key(path), path.via)).collect();
        self
    }

    /// Whether another picture has the same members, and the same paths that go the same ways.
    fn is_shaped_as(&self, other: &Self) -> bool {
        let members = |picture: &Self| -> BTreeSet<SiteId> {
            let is_member = |(_, presence): &(&SiteId, &Presence)| **presence != Presence::Revoked;
            picture.sites.iter().filter(is_member).map(|(id, _)| *id).collect()
        };
        self.ways == other.ways && members(self) == members(other)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member is heard: for the first time, or again.
    SiteJoined(SiteId),
    /// A member is silent, or its record has ended.
    SiteLeft(SiteId),
    /// A signer has ended its membership.
    SiteRevoked(SiteId),
    /// Packets can go over a path.
    PathEstablished(PathKey),
    /// They cannot any more.
    PathFailed(PathKey),
    /// There are other members or paths than before, or a path goes another way.
    TopologyChanged,
    /// What `router` has seen or done.
    Routed(router::What),
}

impl Event {
    /// As the API calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SiteJoined(_) => "SiteJoined",
            Self::SiteLeft(_) => "SiteLeft",
            Self::SiteRevoked(_) => "SiteRevoked",
            Self::PathEstablished(_) => "PathEstablished",
            Self::PathFailed(_) => "PathFailed",
            Self::TopologyChanged => "TopologyChanged",
            Self::Routed(what) => routed::name(what),
        }
    }

    /// The site that it is about, if it is about one.
    #[must_use]
    pub fn site(&self) -> Option<SiteId> {
        match self {
            Self::SiteJoined(site) | Self::SiteLeft(site) | Self::SiteRevoked(site) => Some(*site),
            Self::PathEstablished((site, ..)) | Self::PathFailed((site, ..)) => Some(*site),
            Self::TopologyChanged => None,
            Self::Routed(what) => routed::site(what),
        }
    }

    /// The slots here and there of the path that it is about.
    #[must_use]
    pub fn slots(&self) -> Option<(u8, u8)> {
        match self {
            Self::PathEstablished((_, local, remote)) | Self::PathFailed((_, local, remote)) => Some((*local, *remote)),
            Self::Routed(what) => routed::path(what).map(|path| (path.local.number(), path.remote.number())),
            _ => None,
        }
    }
}

/// What leads from one picture to the next: sites first, then paths, each in order, and at last whether the whole has another shape. Paths of a
/// site fail after it has gone, and are established after it has come.
#[must_use]
pub fn changes(before: &Picture, after: &Picture) -> Vec<Event> {
    let ids: BTreeSet<&SiteId> = before.sites.keys().chain(after.sites.keys()).collect();
    let of = |picture: &Picture, id: &SiteId| picture.sites.get(id).copied().unwrap_or(Presence::Away);
    let site = |id: &SiteId| match (of(before, id), of(after, id)) {
        (old, new) if old == new => None,
        (_, Presence::There) => Some(Event::SiteJoined(*id)),
        (_, Presence::Revoked) => Some(Event::SiteRevoked(*id)),
        (Presence::There, Presence::Away) => Some(Event::SiteLeft(*id)),
        // It was gone already.
        (_, Presence::Away) => None,
    };
    let failed = before.up.difference(&after.up).map(|path| Event::PathFailed(*path));
    let established = after.up.difference(&before.up).map(|path| Event::PathEstablished(*path));
    let shape = (!after.is_shaped_as(before)).then_some(Event::TopologyChanged);
    ids.into_iter().filter_map(site).chain(failed).chain(established).chain(shape).collect()
}

/// A place among the events of one run of this service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which run: at random.
    pub epoch: u32,
    /// How many events came before.
    pub sequence: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.epoch, self.sequence)
    }
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (epoch, sequence) = text.split_once('-').ok_or(InvalidCursor)?;
        let is_plain = epoch.len() == 8 && sequence.len() <= 20 && sequence.bytes().all(|byte| byte.is_ascii_digit());
        let epoch = u32::from_str_radix(epoch, 16).map_err(|_| InvalidCursor)?;
        let sequence = sequence.parse().map_err(|_| InvalidCursor)?;
        if is_plain { Ok(Self { epoch, sequence }) } else { Err(InvalidCursor) }
    }
}

/// An event with its time and the name of its site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// To go on from after this one.
    pub cursor: String,
    /// By the box's clock.
    pub unix_s: i64,
    /// See [`Event`].
    pub event: &'static str,
    /// The site that it is about.
    pub site: String,
    /// What it was called then; empty if nobody knew.
    pub name: String,
    /// The slot here, of a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<u8>,
    /// The slot there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<u8>,
    /// Of what `router` has seen or done.
    #[serde(flatten)]
    pub routed: Routed,
}

/// The last events.
#[derive(Debug)]
pub struct Ring {
    epoch: u32,
    /// Number of the next event.
    next: u64,
    entries: VecDeque<Entry>,
}

impl Ring {
    /// Without any event yet. `epoch` is random.
    #[must_use]
    pub const fn new(epoch: u32) -> Self {
        Self { epoch, next: 0, entries: VecDeque::new() }
    }

    /// Behind the newest event.
    #[must_use]
    pub const fn end(&self) -> Cursor {
        Cursor { epoch: self.epoch, sequence: self.next }
    }

    /// Keeps an event; the oldest makes room.
    pub fn push(&mut self, event: Event, name: String, unix_s: i64) {
        self.next = self.next.saturating_add(1);
        if self.entries.len() >= limits::EVENTS {
            self.entries.pop_front();
        }
        let slots = event.slots();
        self.entries.push_back(Entry {
            cursor: self.end().to_string(),
            unix_s,
            event: event.name(),
            site: event.site().map(|site| site.to_string()).unwrap_or_default(),
            name,
            local: slots.map(|(local, _)| local),
            remote: slots.map(|(_, remote)| remote),
            routed: match &event {
                Event::Routed(what) => routed::details(what),
                _ => Routed::default(),
            },
        });
    }

    /// At most `limit` events after a cursor, and where to go on. `None` if some between are not kept any more, or were of another run.
    #[must_use]
    pub fn after(&self, cursor: Cursor, limit: usize) -> Option<(Vec<Entry>, Cursor)> {
        let missing = self.next.checked_sub(cursor.sequence)?;
        let missing = usize::try_from(missing).ok().filter(|missing| *missing <= self.entries.len())?;
        if cursor.epoch != self.epoch {
            return None;
        }
        let found: Vec<Entry> = self.entries.iter().skip(self.entries.len() - missing).take(limit).cloned().collect();
        let sequence = cursor.sequence.saturating_add(found.len() as u64);
        Some((found, Cursor { sequence, ..cursor }))
    }

    /// From the oldest event that is kept.
    #[must_use]
    pub fn begin(&self) -> Cursor {
        Cursor { epoch: self.epoch, sequence: self.next.saturating_sub(self.entries.len() as u64) }
    }
}

#[cfg(test)]
mod tests;
