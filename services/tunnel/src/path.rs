//! One path: a local slot, a peer, one of the peer's slots, and the session between them.
//!
//! *Does*: know where the peer is now, when to shake hands and to keep alive, and count.
//! *Never does*: believe an address that an authenticated packet did not come from; give up.
//! *Spec*: WireGuard paper sections 2.1 (roaming) and 6 (timers).

use std::{net::SocketAddr, time::Duration};

use patronus_ipc::tunnel::{PathState, PathStatus, Traffic};
use patronus_types::{IpNet, SiteId, UplinkSlot};

use crate::{
    limit,
    noise::{Heard, PublicKey, Session},
    outbox::Outbox,
    packet::array_at,
    received::Received,
    reject::Reject,
};

/// First byte of an initiation, of a response, and of data.
pub(crate) const INITIATION: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const COOKIE_REPLY: u8 = 3;
pub(crate) const DATA: u8 = 4;

/// A path without any packet for so long may have moved: handshakes go to all addresses where the peer might be
/// (Keepalive-Timeout and Rekey-Timeout).
const SILENCE: Duration = Duration::from_secs(15);

/// A path as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The site at the far end.
    pub peer: SiteId,
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

/// A path as it is.
#[derive(Debug)]
pub struct Path<S> {
    pub(crate) wanted: Wanted,
    pub(crate) session: S,
    /// Where the peer was when it was heard last.
    pub(crate) endpoint: Option<SocketAddr>,
    pub(crate) heard_at: Option<Duration>,
    pub(crate) sent: Traffic,
    pub(crate) heard: Traffic,
    pub(crate) received: Received,
    sent_at: Duration,
    initiated_at: Option<Duration>,
    unanswered: usize,
}

impl<S: Session> Path<S> {
    pub(crate) fn new(wanted: Wanted, session: S) -> Self {
        Self {
            wanted,
            session,
            endpoint: None,
            heard_at: None,
            sent: Traffic::default(),
            heard: Traffic::default(),
            received: Received::default(),
            sent_at: Duration::ZERO,
            initiated_at: None,
            unanswered: 0,
        }
    }

    /// The path as others see it.
    pub fn state(&self, local: UplinkSlot, now: Duration) -> PathState {
        let age = self.session.age();
        PathState {
            peer: self.wanted.peer,
            local,
            remote: self.wanted.remote,
            status: if age.is_some() { PathStatus::Up } else { PathStatus::Down },
            endpoint: self.endpoint,
            session_age_ms: age.map(millis),
            heard_ago_ms: self.heard_at.map(|at| millis(now.saturating_sub(at))),
            sent: self.sent,
            received: self.heard,
            lost: self.received.lost(),
            reordered: self.received.reordered(),
        }
    }

    /// Sends a packet, padded already, of which `bytes` count.
    pub(crate) fn send(
        &mut self,
        now: Duration,
        packet: &[u8],
        bytes: usize,
        outbox: &mut Outbox,
    ) -> Result<(), Reject> {
        let endpoint = self.endpoint.filter(|_| self.session.is_established()).ok_or(Reject::NoSession)?;
        let session = &mut self.session;
        let room = packet.len() + limit::DATA_OVERHEAD_BYTES;
        outbox.push(endpoint, room, |out| session.encrypt(packet, out)).ok_or(Reject::Overflow)?;
        self.sent_at = now;
        if bytes > 0 {
            self.sent.packets += 1;
            self.sent.bytes += bytes as u64;
        }
        Ok(())
    }

    /// Handles a datagram for this path. Whatever comes back without error was authentic.
    pub(crate) fn handle(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut [u8],
    ) -> Result<Heard, Reject> {
        let heard = self.session.handle(datagram, out)?;
        match datagram.first() {
            // A cookie reply proves that somebody reads our packets there, not who.
            Some(&COOKIE_REPLY) => return Ok(heard),
            Some(&DATA) => self.count_data(datagram, heard),
            _ => self.heard.handshakes += 1,
        }
        self.heard_at = Some(now);
        self.endpoint = Some(from);
        self.unanswered = 0;
        if self.session.is_established() {
            self.initiated_at = None;
        }
        Ok(heard)
    }

    fn count_data(&mut self, datagram: &[u8], heard: Heard) {
        let (Some(index), Some(counter)) = (array_at(datagram, 4), array_at(datagram, 8)) else { return };
        self.received.handle_counter(u32::from_le_bytes(index), u64::from_le_bytes(counter));
        if let Heard::Packet(bytes) = heard {
            self.heard.packets += 1;
            self.heard.bytes += bytes as u64;
        }
    }

    /// Sends the answer to a handshake message to where that came from.
    pub(crate) fn answer(&mut self, now: Duration, answer: &[u8], outbox: &mut Outbox) -> Result<(), Reject> {
        let endpoint = self.endpoint.ok_or(Reject::NoSession)?;
        if answer.first() == Some(&RESPONSE) {
            self.sent.handshakes += 1;
        }
        self.sent_at = now;
        put(outbox, endpoint, answer)
    }

    /// What time demands: a handshake, a keepalive.
    pub(crate) fn handle_timeout(&mut self, now: Duration, outbox: &mut Outbox) {
        let mut message = [0; limit::HANDSHAKE_BYTES];
        if let Some(datagram) = self.session.handle_timeout(&mut message).and_then(|length| message.get(..length)) {
            self.send_message(now, datagram, outbox);
        }
        if !self.session.is_established() {
            self.initiate_if_due(now, outbox);
        } else if self.wanted.keepalive.is_some_and(|keepalive| now.saturating_sub(self.sent_at) >= keepalive) {
            // What is dropped for want of room is sent with the next tick.
            let _ = self.send(now, &[], 0, outbox);
        }
    }

    fn initiate_if_due(&mut self, now: Duration, outbox: &mut Outbox) {
        let pause = limit::INITIATE_AFTER.get(self.unanswered.min(limit::INITIATE_AFTER.len() - 1));
        let due = match (self.initiated_at, pause) {
            (Some(at), Some(pause)) => now.saturating_sub(at) >= *pause,
            _ => true,
        };
        let mut message = [0; limit::HANDSHAKE_BYTES];
        if due && let Some(initiation) = self.session.initiate(&mut message).and_then(|length| message.get(..length)) {
            self.unanswered += usize::from(self.initiated_at.is_some());
            self.send_message(now, initiation, outbox);
        }
    }

    /// Sends what the session wants to say: an initiation to wherever the peer may be, everything else to where it is.
    fn send_message(&mut self, now: Duration, datagram: &[u8], outbox: &mut Outbox) {
        let initiation = datagram.first() == Some(&INITIATION);
        if initiation {
            self.initiated_at = Some(now);
            self.sent.handshakes += 1;
        }
        self.sent_at = now;
        let silent = self.heard_at.is_none_or(|at| now.saturating_sub(at) >= SILENCE);
        let elsewhere = self.wanted.candidates.iter().filter(|_| initiation && (silent || self.endpoint.is_none()));
        let others = elsewhere.filter(|candidate| Some(**candidate) != self.endpoint);
        for to in self.endpoint.iter().chain(others) {
            // A handshake that is dropped for want of room is repeated.
            let _ = put(outbox, *to, datagram);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn put(outbox: &mut Outbox, to: SocketAddr, datagram: &[u8]) -> Result<(), Reject> {
    let write = |out: &mut [u8]| {
        out.get_mut(..datagram.len())?.copy_from_slice(datagram);
        Some(datagram.len())
    };
    outbox.push(to, datagram.len(), write).ok_or(Reject::Overflow)
}
