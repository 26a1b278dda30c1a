//! boringtun's `noise` core.
//!
//! *Never does*: let boringtun queue packets or send persistent keepalives: the path does the one by its own clock, and nobody the other.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use boringtun::{
    noise::{
        Packet, Tunn, TunnResult, errors::WireGuardError, handshake::parse_handshake_anon, rate_limiter::RateLimiter,
    },
    x25519,
};

use super::{Engine, Heard, PublicKey, Session};
use crate::{limit, reject::Reject};

/// A slot's keys and limiter.
pub struct Boring {
    private: x25519::StaticSecret,
    public: x25519::PublicKey,
    limiter: RateLimiter,
    // boringtun checks each handshake message once more for its session; what counts is counted in `limiter`.
    unlimited: Arc<RateLimiter>,
}

impl fmt::Debug for Boring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boring").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Boring {
    /// From 32 random bytes.
    #[must_use]
    pub fn new(private: [u8; 32]) -> Self {
        let private = x25519::StaticSecret::from(private);
        let public = x25519::PublicKey::from(&private);
        let limiter = RateLimiter::new(&public, limit::HANDSHAKES_PER_SECOND);
        let unlimited = Arc::new(RateLimiter::new(&public, u64::MAX));
        Self { private, public, limiter, unlimited }
    }
}

impl Engine for Boring {
    type Session = BoringSession;

    fn public_key(&self) -> PublicKey {
        self.public.to_bytes()
    }

    fn session(&self, peer: &PublicKey, index: u32) -> BoringSession {
        let (private, peer) = (self.private.clone(), x25519::PublicKey::from(*peer));
        let tunn = Tunn::new(private, peer, None, None, index, Some(Arc::clone(&self.unlimited)));
        BoringSession { tunn, established: false }
    }

    fn admit(&self, source: IpAddr, datagram: &[u8], out: &mut [u8]) -> Result<(), (Reject, usize)> {
        match self.limiter.verify_packet(Some(source), datagram, out) {
            Ok(_) => Ok(()),
            Err(TunnResult::WriteToNetwork(cookie)) => Err((Reject::Cookie, cookie.len())),
            Err(TunnResult::Err(WireGuardError::InvalidMac)) => Err((Reject::Stranger, 0)),
            Err(_) => Err((Reject::NotWireGuard, 0)),
        }
    }

    fn initiator(&self, datagram: &[u8]) -> Option<PublicKey> {
        let Ok(Packet::HandshakeInit(initiation)) = Tunn::parse_incoming_packet(datagram) else { return None };
        parse_handshake_anon(&self.private, &self.public, &initiation).ok().map(|half| half.peer_static_public)
    }

    fn handle_timeout(&self) {
        self.limiter.reset_count();
    }
}

/// One `Tunn`.
pub struct BoringSession {
    tunn: Tunn,
    established: bool,
}

impl fmt::Debug for BoringSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoringSession").field("established", &self.established).finish_non_exhaustive()
    }
}

impl Session for BoringSession {
    fn encrypt(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        // boringtun ends the process if there is too little room.
        let room = out.len() >= (packet.len() + limit::DATA_OVERHEAD_BYTES).max(limit::HANDSHAKE_BYTES);
        (self.established && room).then_some(())?;
        match self.tunn.encapsulate(packet, out) {
            TunnResult::WriteToNetwork(datagram) => Some(datagram.len()),
            _ => None,
        }
    }

    fn handle(&mut self, datagram: &[u8], out: &mut [u8]) -> Result<Heard, Reject> {
        let heard = match self.tunn.decapsulate(None, datagram, out) {
            TunnResult::Done => Heard::Nothing,
            TunnResult::WriteToNetwork(answer) => Heard::Answer(answer.len()),
            TunnResult::WriteToTunnelV4(packet, _) | TunnResult::WriteToTunnelV6(packet, _) => {
                Heard::Packet(packet.len())
            }
            TunnResult::Err(error) => return Err(reject(&error)),
        };
        // A responder's session is in use once the first data has come.
        self.established = self.established || self.tunn.time_since_last_handshake().is_some();
        Ok(heard)
    }

    fn initiate(&mut self, out: &mut [u8]) -> Option<usize> {
        match self.tunn.format_handshake_initiation(out, true) {
            TunnResult::WriteToNetwork(datagram) => Some(datagram.len()),
            _ => None,
        }
    }

    fn handle_timeout(&mut self, out: &mut [u8]) -> Option<usize> {
        let sent = match self.tunn.update_timers(out) {
            TunnResult::WriteToNetwork(datagram) => Some(datagram.len()),
            _ => None,
        };
        self.established = self.tunn.time_since_last_handshake().is_some();
        sent
    }

    fn age(&self) -> Option<Duration> {
        self.tunn.time_since_last_handshake()
    }

    fn is_established(&self) -> bool {
        self.established
    }
}

fn reject(error: &WireGuardError) -> Reject {
    use WireGuardError as E;
    match error {
        E::InvalidMac => Reject::Stranger,
        E::InvalidTai64nTimestamp | E::WrongTai64nTimestamp => Reject::HandshakeReplayed,
        E::InvalidAeadTag => Reject::NotAuthentic,
        E::InvalidCounter | E::DuplicateCounter => Reject::Replayed,
        E::NoCurrentSession | E::WrongIndex => Reject::UnknownSession,
        E::InvalidPacket => Reject::NotIp,
        _ => Reject::BadHandshake,
    }
}
