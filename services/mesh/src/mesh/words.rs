//! What comes into a site's core and what goes out of it.

use std::net::SocketAddr;

use patronus_types::SiteId;
use patronus_wire::{JoinAnswer, JoinRequest};

use crate::Wallclock;

/// This moment.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The clock that only runs on, in milliseconds.
    pub ms: u64,
    /// The time of day.
    pub clock: Wallclock,
}

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the group, on every device where neighbours may be.
    Lan,
    /// To this neighbour.
    Neighbour(SocketAddr),
}

/// A datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: Destination,
    /// Sealed.
    pub datagram: Vec<u8>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A site is a member that was none.
    SiteJoined(SiteId),
    /// A site is a member no more.
    SiteLeft(SiteId),
    /// A site was revoked.
    SiteRevoked(SiteId),
    /// A site is heard again, or for the first time.
    SiteActive(SiteId),
    /// A site was silent for too long.
    SiteInactive(SiteId),
    /// A site can be reached in another way.
    SiteMoved(SiteId),
    /// A neighbour says where it sees this site.
    Observed(SocketAddr),
    /// Others have heard this site in a boot epoch that its disk has forgotten: this one is to be on disk, then to be told to
    /// [`Mesh::handle_boot_epoch`](crate::Mesh::handle_boot_epoch).
    BootEpochForgotten(u64),
    /// Somebody wants to join.
    JoinRequested {
        /// Who sent it; an answer goes there.
        source: SocketAddr,
        /// The wish, sealed with a token.
        request: JoinRequest,
    },
    /// An answer to a wish that this site may have handed on.
    JoinAnswered(JoinAnswer),
}
