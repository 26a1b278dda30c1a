//! The cryptographic protocol, behind a seam: another implementation (the kernel's, a faster one) can take its place.
//!
//! *Does*: keys, handshakes, sessions, replay windows and WireGuard's own timers, by boringtun.
//! *Never does*: know about addresses of peers, devices or paths; queue a packet.
//! *Spec*: WireGuard paper section 5.
//!
//! boringtun reads the machine's clock and randomness by itself; nothing else in this crate does.

mod boring;

use std::{net::IpAddr, time::Duration};

pub use boring::{Boring, BoringSession};

use crate::reject::Reject;

/// An X25519 public key.
pub type PublicKey = [u8; 32];

/// What one uplink slot needs to shake hands: its private key, and what keeps strangers from using up its time.
pub trait Engine {
    /// A session of this engine.
    type Session: Session;

    /// The public key of the slot.
    fn public_key(&self) -> PublicKey;

    /// A session with a peer, not established yet. `index` has 24 bits: the peer's receiver indices are that and 8 bits behind it.
    fn session(&self, peer: &PublicKey, index: u32) -> Self::Session;

    /// Looks at an initiation or response before anything is computed for it. With [`Reject::Cookie`], `out` holds a cookie reply of
    /// the length that comes with it.
    ///
    /// # Errors
    /// Why it must not be handled further.
    fn admit(&self, source: IpAddr, datagram: &[u8], out: &mut [u8]) -> Result<(), (Reject, usize)>;

    /// Who says to have sent an initiation. It is not authenticated yet.
    fn initiator(&self, datagram: &[u8]) -> Option<PublicKey>;

    /// To be called every second or more often.
    fn handle_timeout(&self);
}

/// The conversation with one peer over one path.
pub trait Session {
    /// Encrypts a packet into `out`. An empty packet is a keepalive. `None` if no session is established.
    fn encrypt(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize>;

    /// Handles a datagram; what it leads to is in `out`, which must be as long as the datagram.
    ///
    /// # Errors
    /// Why it is dropped. Then nothing has changed.
    fn handle(&mut self, datagram: &[u8], out: &mut [u8]) -> Result<Heard, Reject>;

    /// Writes an initiation.
    fn initiate(&mut self, out: &mut [u8]) -> Option<usize>;

    /// WireGuard's own timers; the datagram to send, if any, is in `out`.
    fn handle_timeout(&mut self, out: &mut [u8]) -> Option<usize>;

    /// How long ago the session in use was established, if there is one.
    fn age(&self) -> Option<Duration>;

    /// Whether there is a session in use.
    fn is_established(&self) -> bool;
}

/// What an authentic datagram leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing more.
    Nothing,
    /// An answer of this length is to be sent.
    Answer(usize),
    /// A packet of this length, padding included.
    Packet(usize),
}
