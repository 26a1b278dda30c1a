//! All paths of one local uplink slot: one thread's work.
//!
//! *Does*: find the path of each packet and of each datagram, let it pass or say why not, tick.
//! *Never does*: share anything with another shard, so a flow, which is on one path, stays in order without a lock; compute anything
//! expensive for a stranger.
//! *Spec*: `docs/tunnel.md`.

mod notes;
mod passed;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use patronus_ipc::tunnel::{PathState, StunAnswer};
use patronus_types::{SiteId, UplinkSlot};

use crate::{
    budget::Budget,
    fragment,
    inbox::{Coalesce, Frame, Inbox},
    limit, mss, mtu,
    noise::{Engine, Heard, PublicKey, Session},
    note,
    outbox::{Outbox, Transmit},
    packet::{Packet, array_at},
    path::{Around, COOKIE_REPLY, DATA, INITIATION, Path, RESPONSE, Wanted},
    prefixes::Prefixes,
    reject::{Reject, Rejects},
    seen::Seen,
    segment::Split,
    share::Shares,
    stun::{self, Stun, StunServer},
    too_big,
    vnet::Header,
    way::{Index, Way},
};

pub use passed::Passed;

/// 24 bits.
const INDEX_MASK: Index = 0x00ff_ffff;

/// The paths of one slot.
#[derive(Debug)]
pub struct Shard<E: Engine> {
    engine: E,
    paths: HashMap<Index, Path<E::Session>>,
    by_key: HashMap<PublicKey, Index>,
    by_slot: HashMap<(SiteId, UplinkSlot), Index>,
    prefixes: BTreeMap<UplinkSlot, Prefixes<Index>>,
    /// The source that was found to be its path's last: most packets come in rows.
    last_source: Option<(Index, IpAddr)>,
    next_index: Index,
    budget: Budget,
    /// Whether this site passes datagrams on, and how much it has done so.
    is_relay: bool,
    shares: Shares,
    /// What is for a peer that another slot of this site may reach.
    passed: VecDeque<Passed>,
    /// Slots of this site.
    slots: usize,
    /// Paths to relays that can be used now.
    relays: Vec<Index>,
    seen: Seen,
    stun: Stun,
    /// MTU of the slot's link, 0 if that is not known.
    underlay: u32,
    /// The longest packet that all direct paths to a peer take, also those of other slots.
    narrowest: BTreeMap<SiteId, u16>,
    rejects: Rejects,
    outbox: Outbox,
    inbox: Inbox,
    scratch: Box<[u8]>,
    ticked_at: Option<Duration>,
    /// Paths that wait for their part of this tick.
    unticked: Vec<Index>,
}

impl<E: Engine> Shard<E> {
    /// Without paths. `first_index` is random, so that indices do not tell how long this box has been up.
    pub fn new(engine: E, first_index: u32) -> Self {
        Self {
            engine,
            paths: HashMap::new(),
            by_key: HashMap::new(),
            by_slot: HashMap::new(),
            prefixes: BTreeMap::new(),
            last_source: None,
            next_index: first_index >> 8,
            budget: Budget::default(),
            is_relay: false,
            shares: Shares::default(),
            passed: VecDeque::new(),
            slots: 1,
            relays: Vec::new(),
            seen: Seen::default(),
            stun: Stun::default(),
            underlay: 0,
            narrowest: BTreeMap::new(),
            rejects: Rejects::default(),
            outbox: Outbox::default(),
            inbox: Inbox::new(Coalesce::default()),
            scratch: vec![0; limit::FRAME_BYTES + limit::PADDING_BYTES].into_boxed_slice(),
            ticked_at: None,
            unticked: Vec::new(),
        }
    }

    /// The slot's public key.
    pub fn public_key(&self) -> PublicKey {
        self.engine.public_key()
    }

    /// The state of all paths, by peer and remote slot. `local` is the shard's own slot.
    pub fn state(&self, local: UplinkSlot, now: Duration) -> Vec<PathState> {
        let relay = |way: Way| Some(self.paths.get(&way.relay()?)?.wanted.peer);
        let state = |path: &Path<_>| PathState { via: path.endpoint.and_then(relay), ..path.state(local, now) };
        let mut paths: Vec<PathState> = self.paths.values().map(state).collect();
        paths.sort_by_key(|path| (path.peer, path.remote));
        paths
    }

    /// Where others see this slot, most witnesses first.
    pub fn seen(&mut self, now: Duration) -> &[SocketAddr] {
        self.seen.addresses(now)
    }

    /// What STUN servers say.
    pub fn stun(&self) -> Vec<StunAnswer> {
        self.stun.answers().collect()
    }

    /// Whether this site passes datagrams on for others, and how many slots it has for that.
    pub fn set_relay(&mut self, is_relay: bool, slots: usize) {
        (self.is_relay, self.slots) = (is_relay, slots);
    }

    /// Who else is asked where this slot is seen, beginning with the next [`Self::apply`].
    pub fn set_stun(&mut self, servers: &[StunServer]) {
        self.stun.set(servers);
    }

    /// The MTU of the slot's link, 0 if that is not known.
    pub fn set_underlay(&mut self, mtu: u32) {
        self.underlay = mtu;
    }

    /// The longest packets that all direct paths to each peer take: TCP is told of these, since a flow may take another path later.
    pub fn set_narrowest(&mut self, narrowest: BTreeMap<SiteId, u16>) {
        self.narrowest = narrowest;
    }

    /// What the devices take from now on.
    pub fn set_coalesce(&mut self, coalesce: Coalesce) {
        self.inbox.set_coalesce(coalesce);
    }

    /// What was dropped, by reason.
    pub fn rejects(&self) -> &Rejects {
        &self.rejects
    }

    /// Brings the paths to what is wanted, at most [`limit::PATHS`]. A path that stays keeps its session; a new one shakes hands at
    /// once. Of several with one key the first counts.
    pub fn apply(&mut self, now: Duration, wanted: &[Wanted]) {
        let mut by_key: HashMap<PublicKey, &Wanted> = HashMap::new();
        for wanted in wanted.iter().take(limit::PATHS) {
            by_key.entry(wanted.public_key).or_insert(wanted);
        }
        self.paths.retain(|_, path| {
            let wanted = by_key.get(&path.wanted.public_key).filter(|wanted| wanted.is_same_path(&path.wanted));
            wanted.map(|wanted| path.follow(wanted)).is_some()
        });
        self.by_key = self.paths.iter().map(|(index, path)| (path.wanted.public_key, *index)).collect();
        for (key, wanted) in by_key {
            if !self.by_key.contains_key(&key) {
                self.add(wanted);
            }
        }
        let slot = |(index, path): (&Index, &Path<_>)| ((path.wanted.peer, path.wanted.remote), *index);
        self.by_slot = self.paths.iter().map(slot).collect();
        self.shares.retain(|site| self.paths.values().any(|path| path.wanted.peer == *site));
        let is_server = |address: &SocketAddr| self.stun.answers().any(|answer| answer.server == *address);
        self.seen.retain(|path| self.paths.contains_key(path), is_server);
        self.grant_prefixes();
        self.unticked.clear();
        self.tick(now);
    }

    fn add(&mut self, wanted: &Wanted) {
        // There are more indices than paths, so this ends.
        while self.paths.contains_key(&self.next_index) {
            self.next_index = self.next_index.wrapping_add(1) & INDEX_MASK;
        }
        let index = self.next_index;
        let session = self.engine.session(&wanted.public_key, index);
        self.by_key.insert(wanted.public_key, index);
        self.paths.insert(index, Path::new(wanted.clone(), session));
    }

    fn grant_prefixes(&mut self) {
        self.prefixes.clear();
        self.last_source = None;
        // In the order of sites, so that a prefix that two should have goes to the same one after each restart.
        let mut paths: Vec<_> = self.paths.iter().collect();
        paths.sort_by_key(|(_, path)| path.wanted.peer);
        for (index, path) in paths {
            let prefixes = self.prefixes.entry(path.wanted.remote).or_default();
            path.wanted.prefixes.iter().take(limit::PREFIXES).for_each(|prefix| prefixes.grant(*prefix, *index));
        }
    }

    /// A frame from the device towards the peers' slot `remote`.
    pub fn handle_frame(&mut self, now: Duration, remote: UplinkSlot, header: &Header, frame: &[u8]) {
        if let Err(reason) = self.carry(now, remote, header, frame) {
            self.rejects.count(reason);
        }
    }

    fn carry(&mut self, now: Duration, remote: UplinkSlot, header: &Header, frame: &[u8]) -> Result<(), Reject> {
        let split = Split::new(header, frame).ok_or(Reject::BadFrame)?;
        let destination = split.packet().destination().ok_or(Reject::BadFrame)?;
        let index =
            self.prefixes.get(&remote).and_then(|prefixes| prefixes.owner(destination)).ok_or(Reject::NoPeer)?;
        if note::is_note(split.packet().bytes()) {
            return Err(Reject::NoteMalformed);
        }
        let path = self.paths.get_mut(&index).ok_or(Reject::NoPeer)?;
        let longest = path.longest(split.packet().is_v4());
        for segment in 0..split.count() {
            let bytes = split.write(segment, &mut self.scratch).ok_or(Reject::BadFrame)?;
            if let Some(longest) = longest.filter(|longest| bytes > *longest) {
                // All segments are as long: who sent one has sent them all.
                let packet = Packet::parse(&self.scratch).ok_or(Reject::BadFrame)?;
                tell_if_must_be(&packet, longest, remote, &mut self.inbox)?;
                send_in_parts(now, &packet, longest, path, &mut self.outbox)?;
                continue;
            }
            let padded = bytes.next_multiple_of(limit::PADDING_BYTES);
            self.scratch.get_mut(bytes..padded).ok_or(Reject::BadFrame)?.fill(0);
            let packet = self.scratch.get(..padded).ok_or(Reject::BadFrame)?;
            path.send(now, packet, bytes, &mut self.outbox)?;
        }
        self.send_relayed(now);
        Ok(())
    }

    /// Datagrams that came from one address in one piece; all but the last have `segment_bytes`.
    pub fn handle_datagrams(&mut self, now: Duration, from: SocketAddr, bytes: &[u8], segment_bytes: usize) {
        for datagram in bytes.chunks(segment_bytes.max(1)) {
            if let Err(reason) = self.hear(now, Way::Direct(from), datagram) {
                self.rejects.count(reason);
            }
            self.send_relayed(now);
        }
    }

    fn hear(&mut self, now: Duration, from: Way, datagram: &[u8]) -> Result<(), Reject> {
        // Three bytes behind the kind are zero (paper section 5.4).
        match array_at::<4>(datagram, 0) {
            Some([DATA, 0, 0, 0]) if datagram.len() >= limit::DATA_MIN_BYTES => self.hear_data(now, from, datagram),
            Some([INITIATION, 0, 0, 0]) => self.hear_initiation(now, from, datagram),
            Some([RESPONSE, 0, 0, 0]) => self.hear_response(now, from, datagram),
            Some([COOKIE_REPLY, 0, 0, 0]) => self.hear_cookie(now, from, datagram),
            _ => self.hear_stun(now, from, datagram),
        }
    }

    fn hear_stun(&mut self, now: Duration, from: Way, datagram: &[u8]) -> Result<(), Reject> {
        let server = from.direct().filter(|_| stun::is_stun(datagram)).ok_or(Reject::NotWireGuard)?;
        let address = self.stun.handle(now, server, datagram)?;
        self.seen.handle_answer(now, server, address);
        Ok(())
    }

    fn hear_data(&mut self, now: Duration, from: Way, datagram: &[u8]) -> Result<(), Reject> {
        let index = receiver(datagram, 4)?;
        let path = self.paths.get_mut(&index).ok_or(Reject::UnknownSession)?;
        let room = self.inbox.room(datagram.len().max(limit::HANDSHAKE_BYTES)).ok_or(Reject::Overflow)?;
        let Heard::Packet(bytes) = path.handle(now, from, datagram, room)? else { return Ok(()) };
        let remote = path.wanted.remote;
        let packet = room.get(..bytes).unwrap_or_default();
        if note::is_note(packet) {
            let packet = packet.to_vec();
            return self.hear_note(now, from, index, &packet);
        }
        let source = Packet::parse(packet).and_then(|packet| Some((packet.source()?, packet.is_v4())));
        let (source, is_v4) = source.ok_or(Reject::NotIp)?;
        if self.last_source != Some((index, source)) {
            let owner = self.prefixes.get(&remote).and_then(|prefixes| prefixes.owner(source));
            owner.filter(|owner| *owner == index).ok_or(Reject::ForeignSource)?;
            self.last_source = Some((index, source));
        }
        // What opens a connection says how long the answers may be, which go back by this path or another one.
        if let (Some(longest), Some(packet)) = (path.longest(is_v4), room.get_mut(..bytes)) {
            let narrowest =
                self.narrowest.get(&path.wanted.peer).map_or(longest, |bytes| usize::from(*bytes).min(longest));
            let _ = mss::clamp(packet, mtu::of_family(narrowest, is_v4));
        }
        self.inbox.keep(bytes, remote);
        Ok(())
    }

    fn hear_initiation(&mut self, now: Duration, from: Way, datagram: &[u8]) -> Result<(), Reject> {
        self.admit(now, from, datagram)?;
        let initiator = self.engine.initiator(datagram).ok_or(Reject::BadHandshake)?;
        let index = *self.by_key.get(&initiator).ok_or(Reject::UnknownPeer)?;
        self.shake_hands(now, from, datagram, index)
    }

    fn hear_response(&mut self, now: Duration, from: Way, datagram: &[u8]) -> Result<(), Reject> {
        let index = receiver(datagram, 8)?;
        self.paths.contains_key(&index).then_some(()).ok_or(Reject::UnknownSession)?;
        self.admit(now, from, datagram)?;
        self.shake_hands(now, from, datagram, index)
    }

    fn hear_cookie(&mut self, now: Duration, from: Way, datagram: &[u8]) -> Result<(), Reject> {
        let index = receiver(datagram, 4)?;
        self.shake_hands(now, from, datagram, index)
    }

    /// Cheap checks before the expensive ones; a cookie for those who must prove their address.
    fn admit(&mut self, now: Duration, from: Way, datagram: &[u8]) -> Result<(), Reject> {
        let (mut reply, source) = ([0; limit::HANDSHAKE_BYTES], self.source_of(from));
        if let Err((reason, length)) = self.engine.admit(source, datagram, &mut reply) {
            if let Some(cookie) = reply.get(..length).filter(|cookie| !cookie.is_empty()) {
                self.outbox.push(from, cookie.len(), |out| {
                    out.get_mut(..cookie.len())?.copy_from_slice(cookie);
                    Some(cookie.len())
                });
            }
            return Err(reason);
        }
        if self.budget.take(now, source) { Ok(()) } else { Err(Reject::SourceBudget) }
    }

    fn shake_hands(&mut self, now: Duration, from: Way, datagram: &[u8], index: Index) -> Result<(), Reject> {
        let path = self.paths.get_mut(&index).ok_or(Reject::UnknownSession)?;
        let mut answer = [0; limit::HANDSHAKE_BYTES];
        match path.handle(now, from, datagram, &mut answer)? {
            Heard::Answer(length) => path.answer(now, from, answer.get(..length).unwrap_or_default(), &mut self.outbox),
            Heard::Nothing | Heard::Packet(_) => Ok(()),
        }
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn deadline(&self) -> Duration {
        match self.ticked_at {
            Some(at) if self.unticked.is_empty() => at + limit::TICK,
            _ => Duration::ZERO,
        }
    }

    /// Handshakes, keepalives, forgetting. Does nothing before the deadline; leaves the rest for the next call, which is due at once, when
    /// what waits should be polled first.
    pub fn handle_timeout(&mut self, now: Duration) {
        if now >= self.deadline() {
            self.tick(now);
        }
    }

    fn tick(&mut self, now: Duration) {
        if self.unticked.is_empty() {
            self.ticked_at = Some(now);
            self.engine.handle_timeout();
            self.look_at_relays();
            self.stun.handle_timeout(now, |address| self.seen.is_said(address), &mut self.outbox);
            self.unticked.extend(self.paths.keys());
        }
        // After a start all paths shake hands at once: more than there is room for between two polls.
        self.seen.addresses(now);
        while !self.outbox.is_crowded()
            && let Some(index) = self.unticked.pop()
        {
            if let Some(path) = self.paths.get_mut(&index) {
                path.handle_timeout(now, &Around { relays: &self.relays, seen: &self.seen }, &mut self.outbox);
            }
            self.try_lengths(now, index);
            self.send_relayed(now);
        }
    }

    /// Whether what waits should be polled before more is handled.
    pub fn is_crowded(&self) -> bool {
        self.outbox.is_crowded() || !self.inbox.has_room()
    }

    /// The next datagrams to send; `None` when all were polled.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.outbox.poll_transmit()
    }

    /// The next frame for a device; `None` when all were polled.
    pub fn poll_frame(&mut self) -> Option<Frame<'_>> {
        self.inbox.poll_frame()
    }
}

/// A packet too long for its path: its sender is told, unless it may be cut on its way.
fn tell_if_must_be(packet: &Packet<'_>, longest: usize, remote: UplinkSlot, inbox: &mut Inbox) -> Result<(), Reject> {
    if !too_big::must_be_told(packet) {
        return Ok(());
    }
    let room = inbox.room(limit::HANDSHAKE_BYTES).ok_or(Reject::Overflow)?;
    if let Some(bytes) = too_big::answer(packet, longest, room) {
        inbox.keep(bytes, remote);
    }
    Err(Reject::TooLong)
}

fn send_in_parts<S: Session>(
    now: Duration,
    packet: &Packet<'_>,
    longest: usize,
    path: &mut Path<S>,
    outbox: &mut Outbox,
) -> Result<(), Reject> {
    for index in 0.. {
        let mut part = vec![0; longest.next_multiple_of(limit::PADDING_BYTES)];
        let Some(bytes) = fragment::write(packet, index, longest, &mut part) else { break };
        let padded = part.get(..bytes.next_multiple_of(limit::PADDING_BYTES)).ok_or(Reject::BadFrame)?;
        path.send(now, padded, bytes, outbox)?;
    }
    Ok(())
}

/// The path that a message is for.
fn receiver(datagram: &[u8], at: usize) -> Result<Index, Reject> {
    array_at(datagram, at).map(|index| u32::from_le_bytes(index) >> 8).ok_or(Reject::NotWireGuard)
}

#[cfg(test)]
mod tests;
