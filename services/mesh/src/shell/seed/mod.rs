//! Connections between sites that share no LAN: a seed listens, others call.
//!
//! *Does*: TLS 1.3 with the sites' identity keys themselves on both sides (RFC 7250), then messages of `docs/wire.md`.
//! *Never does*: decide who the far end is to this site: the key goes with every message, and the roster decides.
//! *Spec*: `docs/membership.md`, section "Beyond the LAN".

mod connection;
mod dial;
mod listen;
mod tls;

use std::net::SocketAddr;

use patronus_wire::{IdentityKey, Message};
use tokio::sync::mpsc;

pub(crate) use dial::Dialler;
pub(crate) use listen::listen;
pub(crate) use tls::Identity;

/// Connections at a time, from all, and from one address.
const CONNECTIONS: usize = 2_048;
const CONNECTIONS_PER_SOURCE: usize = 8;

/// What happens on connections.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A seed was called in vain.
    Unreached { host: String, port: u16, error: String },
    /// There is a new one.
    Opened(Box<Session>),
    /// A message came.
    Said {
        /// On which.
        number: u64,
        /// What.
        message: Box<Message>,
    },
    /// Bytes came that are no message; the connection is closed.
    Refused(patronus_wire::Refused),
    /// It is gone.
    Closed(u64),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// Its number, never used twice.
    pub(crate) number: u64,
    /// Whose key the far end has.
    pub(crate) peer: IdentityKey,
    /// Where it is.
    pub(crate) source: SocketAddr,
    /// Whether this site has called.
    pub(crate) is_ours: bool,
    /// Where messages to it go.
    pub(crate) sender: mpsc::Sender<Message>,
}

/// Where happenings go.
pub(crate) type Happenings = mpsc::Sender<Happening>;
