//! One path: a local slot, a peer, one of the peer's slots, and the session between them.
//!
//! *Does*: know where the peer is now, when to shake hands, to keep alive and to try a better way, and count.
//! *Never does*: believe an address that an authenticated packet did not come from; give up; leave a direct way that answers for a relay.
//! *Spec*: WireGuard paper sections 2.1 (roaming) and 6 (timers).

use std::{net::SocketAddr, time::Duration};

use patronus_ipc::tunnel::{PathState, PathStatus, Traffic};
use patronus_types::{IpNet, SiteId, UplinkSlot};

use crate::{
    limit, mtu,
    noise::{Heard, PublicKey, Session},
    note::{self, Note},
    outbox::Outbox,
    packet::array_at,
    path_mtu::PathMtu,
    received::Received,
    reject::Reject,
    seen::Seen,
    way::{Index, Via, Way},
};

/// First byte of an initiation, of a response, and of data.
pub(crate) const INITIATION: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const COOKIE_REPLY: u8 = 3;
pub(crate) const DATA: u8 = 4;

/// A path without any packet for so long may have moved: handshakes go to all addresses where the peer might be
/// (Keepalive-Timeout and Rekey-Timeout).
const SILENCE: Duration = Duration::from_secs(15);

/// How long the initiator has to use the session of an answer (Rekey-Timeout).
const ANSWERED: Duration = Duration::from_secs(5);

/// A path as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The site at the far end.
    pub peer: SiteId,
    /// Whether it passes datagrams on.
    pub is_relay: bool,
    /// Its slot.
    pub remote: UplinkSlot,
    /// That slot's key.
    pub public_key: PublicKey,
    /// Where the slot may be reached, best first.
    pub candidates: Vec<SocketAddr>,
    /// The addresses that the site may send from.
    pub prefixes: Vec<IpNet>,
    /// How long the path may be without a packet of ours.
    pub keepalive: Option<Duration>,
}

impl Wanted {
    /// Whether both are the same path, however it is reached.
    pub(crate) fn is_same_path(&self, other: &Self) -> bool {
        (self.peer, self.remote, self.public_key) == (other.peer, other.remote, other.public_key)
    }
}

/// What of its slot a path has to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'s> {
    /// Paths to relays that can be used now.
    pub(crate) relays: &'s [Index],
    /// Where others see the slot.
    pub(crate) seen: &'s Seen,
}

/// A path as it is.
#[derive(Debug)]
pub struct Path<S> {
    pub(crate) wanted: Wanted,
    pub(crate) session: S,
    /// Where the peer was when it was heard last, as good a way as there is.
    pub(crate) endpoint: Option<Way>,
    pub(crate) heard_at: Option<Duration>,
    heard_direct_at: Option<Duration>,
    pub(crate) sent: Traffic,
    pub(crate) heard: Traffic,
    pub(crate) received: Received,
    mtu: PathMtu,
    sent_at: Duration,
    asked_at: Option<Duration>,
    /// The peer is somewhere else than before, and may not know it.
    owes_word: bool,
    tried_at: Option<Duration>,
    /// Where this slot was seen when the peer of a relayed path was told of it.
    told: Vec<SocketAddr>,
    /// Where the peer says that others see it, while a relay carries the path.
    pub(crate) hints: Vec<SocketAddr>,
    initiated_at: Option<Duration>,
    unanswered: usize,
    /// Initiations to wherever the peer may be, since it was heard.
    tries: usize,
}

impl<S: Session> Path<S> {
    pub(crate) fn new(wanted: Wanted, session: S) -> Self {
        Self {
            wanted,
            session,
            endpoint: None,
            heard_at: None,
            heard_direct_at: None,
            sent: Traffic::default(),
            heard: Traffic::default(),
            received: Received::default(),
            mtu: PathMtu::default(),
            sent_at: Duration::ZERO,
            asked_at: None,
            owes_word: false,
            tried_at: None,
            told: Vec::new(),
            hints: Vec::new(),
            initiated_at: None,
            unanswered: 0,
            tries: 0,
        }
    }

    /// The path as others see it; whose the relay is, if there is one, the shard knows, and what waits in its device, the thread.
    pub(crate) fn state(&self, local: UplinkSlot, now: Duration) -> PathState {
        let age = self.session.age().filter(|_| self.endpoint.is_some());
        PathState {
            peer: self.wanted.peer,
            local,
            remote: self.wanted.remote,
            status: if age.is_some() { PathStatus::Up } else { PathStatus::Down },
            endpoint: self.endpoint.and_then(Way::direct),
            via: None,
            session_age_ms: age.map(millis),
            heard_ago_ms: self.heard_at.map(|at| millis(now.saturating_sub(at))),
            emptied_ago_ms: None,
            longest: self.longest(true).and_then(|bytes| u16::try_from(bytes).ok()),
            sent: self.sent,
            received: self.heard,
            lost: self.received.lost(),
            reordered: self.received.reordered(),
        }
    }

    /// What is wanted has changed. Where the peer may be now is tried at once.
    pub(crate) fn follow(&mut self, wanted: &Wanted) {
        if wanted.candidates != self.wanted.candidates {
            (self.initiated_at, self.unanswered, self.tries, self.tried_at) = (None, 0, 0, None);
        }
        wanted.clone_into(&mut self.wanted);
    }

    /// The relay of this path does not answer any more, or is none.
    pub(crate) fn leave_relay(&mut self) {
        (self.endpoint, self.initiated_at) = (None, None);
    }

    /// Whether the peer can be reached without a relay now.
    pub(crate) fn is_direct(&self) -> bool {
        self.session.is_established() && matches!(self.endpoint, Some(Way::Direct(_)))
    }

    /// Whether what is sent to the peer without a relay arrives, as far as can be known: it was heard so not long ago.
    pub(crate) fn is_heard_directly(&self, now: Duration) -> bool {
        self.is_direct() && self.heard_direct_at.is_some_and(|at| now.saturating_sub(at) < limit::HEARD_LATELY)
    }

    /// The longest packet of a family that this path takes; `None` if that is not known.
    pub(crate) fn longest(&self, is_v4: bool) -> Option<usize> {
        let longest = match self.endpoint? {
            Way::Via(_) => limit::RELAYED_BYTES,
            Way::Direct(_) => self.mtu.longest()?,
        };
        Some(mtu::of_family(longest, is_v4))
    }

    /// Which lengths are to be tried now, over a link of this MTU.
    pub(crate) fn lengths_to_try(&mut self, now: Duration, underlay: u32) -> [Option<usize>; 2] {
        match self.endpoint {
            Some(Way::Direct(address)) if self.session.is_established() => {
                let uncut = mtu::uncut(underlay, address.is_ipv6()) as usize;
                self.mtu.handle_timeout(now, uncut.min(limit::LENGTH_MAX_BYTES))
            }
            _ => [None; 2],
        }
    }

    /// Sends a packet that arrives in one piece or not at all.
    pub(crate) fn send_uncut(&mut self, now: Duration, packet: &[u8], outbox: &mut Outbox) -> Result<(), Reject> {
        let to = self.endpoint.and_then(Way::direct).ok_or(Reject::NoSession)?;
        let session = &mut self.session;
        outbox.push_uncut(to, |out| session.encrypt(packet, out)).ok_or(Reject::Overflow)?;
        self.sent_at = now;
        Ok(())
    }

    /// A packet of this length came over, says the peer.
    pub(crate) fn handle_length(&mut self, now: Duration, bytes: usize) {
        self.mtu.handle_answer(now, bytes);
    }

    /// Sends a packet, padded already, of which `bytes` count.
    pub(crate) fn send(
        &mut self,
        now: Duration,
        packet: &[u8],
        bytes: usize,
        outbox: &mut Outbox,
    ) -> Result<(), Reject> {
        let endpoint = self.endpoint.ok_or(Reject::NoSession)?;
        self.send_to(now, endpoint, packet, outbox)?;
        if bytes > 0 {
            self.sent.packets += 1;
            self.sent.bytes += bytes as u64;
            self.mtu.handle_sent(bytes);
        }
        Ok(())
    }

    /// Sends a note along a way of the peer's.
    pub(crate) fn tell(&mut self, now: Duration, to: Way, note: Note<'_>, outbox: &mut Outbox) -> Result<(), Reject> {
        let mut packet = [0; limit::NOTE_BYTES];
        note.write(&mut packet).ok_or(Reject::Overflow)?;
        self.send_to(now, to, &packet, outbox)
    }

    fn send_to(&mut self, now: Duration, to: Way, packet: &[u8], outbox: &mut Outbox) -> Result<(), Reject> {
        if !self.session.is_established() {
            return Err(Reject::NoSession);
        }
        let session = &mut self.session;
        let room = packet.len() + limit::DATA_OVERHEAD_BYTES;
        outbox.push(to, room, |out| session.encrypt(packet, out)).ok_or(Reject::Overflow)?;
        self.sent_at = now;
        Ok(())
    }

    /// Handles a datagram for this path. Whatever comes back without error was authentic.
    pub(crate) fn handle(
        &mut self,
        now: Duration,
        from: Way,
        datagram: &[u8],
        out: &mut [u8],
    ) -> Result<Heard, Reject> {
        let heard = self.session.handle(datagram, out)?;
        let kind = datagram.first().copied();
        let mut is_probe = false;
        match kind {
            // A cookie reply proves that somebody reads our packets there, not who.
            Some(COOKIE_REPLY) => return Ok(heard),
            Some(DATA) => is_probe = self.count_data(datagram, heard, out),
            _ => self.heard.handshakes += 1,
        }
        self.follow_way(now, from, kind != Some(DATA), kind == Some(INITIATION) || is_probe);
        self.heard_at = Some(now);
        (self.unanswered, self.tries) = (0, 0);
        if self.session.is_established() {
            self.initiated_at = None;
        }
        Ok(heard)
    }

    /// The peer was heard from there. `is_attempt`: it does not know yet whether its packets arrive.
    fn follow_way(&mut self, now: Duration, from: Way, is_handshake: bool, is_attempt: bool) {
        let is_direct_silent = self.heard_direct_at.is_none_or(|at| now.saturating_sub(at) >= SILENCE);
        let is_followed = match (self.endpoint, from) {
            // What was tried and came here need not find its way back; the next word, after our answer, shows it.
            (Some(Way::Via(_)), Way::Direct(_)) => !is_attempt,
            // Who shakes hands through a relay has no better way.
            (Some(Way::Direct(_)), Way::Via(_)) => is_handshake || is_direct_silent,
            _ => true,
        };
        if let Way::Direct(_) = from {
            self.heard_direct_at = Some(now);
        }
        if is_followed {
            if self.endpoint != Some(from) {
                (self.owes_word, self.mtu) = (true, PathMtu::default());
            }
            self.endpoint = Some(from);
        }
    }

    /// The peer of a relayed path may be there, too: that is tried at once.
    pub(crate) fn handle_hint(&mut self, address: SocketAddr) {
        if !self.hints.contains(&address) {
            self.hints.truncate(limit::HINTS - 1);
            self.hints.insert(0, address);
            self.tried_at = None;
        }
    }

    /// Whether it is a probe.
    fn count_data(&mut self, datagram: &[u8], heard: Heard, packet: &[u8]) -> bool {
        let (Some(index), Some(counter)) = (array_at(datagram, 4), array_at(datagram, 8)) else { return false };
        self.received.handle_counter(u32::from_le_bytes(index), u64::from_le_bytes(counter));
        let Heard::Packet(bytes) = heard else { return false };
        if !note::is_note(packet) {
            self.heard.packets += 1;
            self.heard.bytes += bytes as u64;
        }
        note::is_probe(packet.get(..bytes).unwrap_or_default())
    }

    /// Sends the answer to a handshake message to where that came from.
    pub(crate) fn answer(&mut self, now: Duration, to: Way, answer: &[u8], outbox: &mut Outbox) -> Result<(), Reject> {
        if answer.first() == Some(&RESPONSE) {
            self.sent.handshakes += 1;
        }
        self.sent_at = now;
        put(outbox, to, answer)
    }

    /// What time demands: a handshake, a keepalive, another try.
    pub(crate) fn handle_timeout(&mut self, now: Duration, around: &Around<'_>, outbox: &mut Outbox) {
        let mut message = [0; limit::HANDSHAKE_BYTES];
        if let Some(datagram) = self.session.handle_timeout(&mut message).and_then(|length| message.get(..length)) {
            self.send_message(now, datagram, around.relays, outbox);
        }
        // What is dropped for want of room is sent with the next tick, or the next time.
        match self.endpoint.filter(|_| self.session.is_established()) {
            None => self.initiate_if_due(now, around.relays, outbox),
            Some(Way::Direct(address)) => self.ask_if_due(now, address, outbox),
            Some(Way::Via(via)) => {
                self.try_direct_if_due(now, via, around.seen, outbox);
                if self.wanted.keepalive.is_some_and(|keepalive| now.saturating_sub(self.sent_at) >= keepalive) {
                    let _ = self.send(now, &[], 0, outbox);
                }
            }
        }
    }

    /// Asks the peer where it sees this slot; that keeps the way open, too.
    fn ask_if_due(&mut self, now: Duration, address: SocketAddr, outbox: &mut Outbox) {
        let is_due = |keepalive| self.asked_at.is_none_or(|at| now.saturating_sub(at) >= keepalive);
        if self.wanted.keepalive.is_some_and(is_due) {
            self.asked_at = Some(now);
            let _ = self.tell(now, Way::Direct(address), Note::Probe, outbox);
        }
        if std::mem::take(&mut self.owes_word) {
            let _ = self.tell(now, Way::Direct(address), Note::Seen(address), outbox);
        }
    }

    /// Tries every address where the peer may be, and has the relay tell it where to try. An answer that comes directly makes the path
    /// direct.
    fn try_direct_if_due(&mut self, now: Duration, via: Via, seen: &Seen, outbox: &mut Outbox) {
        let seen = seen.with_word_of(via.relay);
        if seen != self.told || self.tried_at.is_none_or(|at| now.saturating_sub(at) >= limit::PROBE_EVERY) {
            self.tried_at = Some(now);
            let sent_at = self.sent_at;
            for candidate in self.wanted.candidates.iter().chain(&self.hints).copied().collect::<Vec<_>>() {
                let _ = self.tell(now, Way::Direct(candidate), Note::Probe, outbox);
            }
            // Nobody may have heard it: the relayed way is to be kept alive as before.
            self.sent_at = sent_at;
            for address in &seen {
                let _ = self.tell(now, Way::Via(via), Note::Here(*address), outbox);
            }
            self.told = seen;
        }
    }

    fn initiate_if_due(&mut self, now: Duration, relays: &[Index], outbox: &mut Outbox) {
        let pause = limit::INITIATE_AFTER.get(self.unanswered.min(limit::INITIATE_AFTER.len() - 1));
        let due = match (self.initiated_at, pause) {
            (Some(at), Some(pause)) => now.saturating_sub(at) >= *pause,
            _ => true,
        };
        let mut message = [0; limit::HANDSHAKE_BYTES];
        // Who has just been answered will use that session; a second handshake would only cross it.
        let answered = self.heard_at.is_some_and(|at| now.saturating_sub(at) < ANSWERED);
        if due
            && !answered
            && let Some(initiation) = self.session.initiate(&mut message).and_then(|length| message.get(..length))
        {
            self.unanswered += usize::from(self.initiated_at.is_some());
            self.send_message(now, initiation, relays, outbox);
        }
    }

    /// Sends what the session wants to say: an initiation to wherever the peer may be, everything else to where it is.
    fn send_message(&mut self, now: Duration, datagram: &[u8], relays: &[Index], outbox: &mut Outbox) {
        let is_initiation = datagram.first() == Some(&INITIATION);
        if is_initiation {
            self.initiated_at = Some(now);
        }
        self.sent_at = now;
        let is_silent = self.heard_at.is_none_or(|at| now.saturating_sub(at) >= SILENCE);
        let ways = if is_initiation && (is_silent || self.endpoint.is_none()) {
            self.tries += 1;
            self.ways_to_try(relays)
        } else {
            self.endpoint.into_iter().collect()
        };
        // A handshake that is dropped for want of room is repeated.
        let sent = ways.into_iter().filter(|to| put(outbox, *to, datagram).is_ok()).count();
        self.sent.handshakes += if is_initiation { sent as u64 } else { 0 };
    }

    /// Addresses and relays by turns, relays not before some tries were in vain. Never both with one message: its first copy is answered on
    /// the way on which it came, and if nothing comes back that way, the others are replays.
    fn ways_to_try(&self, relays: &[Index]) -> Vec<Way> {
        let first = if self.heard_at.is_some() { 2 } else { limit::RELAY_AFTER + 1 };
        if self.tries >= first && (self.tries - first).is_multiple_of(2) && !relays.is_empty() {
            return relays.iter().map(|relay| self.via(*relay)).collect();
        }
        let endpoint = self.endpoint.filter(|endpoint| endpoint.direct().is_some());
        let candidates = self.wanted.candidates.iter().map(|address| Way::Direct(*address));
        endpoint.into_iter().chain(candidates.filter(|way| Some(*way) != endpoint)).collect()
    }

    fn via(&self, relay: Index) -> Way {
        Way::Via(Via { relay, peer: self.wanted.peer, slot: self.wanted.remote })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn put(outbox: &mut Outbox, to: Way, datagram: &[u8]) -> Result<(), Reject> {
    let write = |out: &mut [u8]| {
        out.get_mut(..datagram.len())?.copy_from_slice(datagram);
        Some(datagram.len())
    };
    outbox.push(to, datagram.len(), write).ok_or(Reject::Overflow)
}
