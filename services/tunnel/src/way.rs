//! Where a datagram comes from or goes to: an address, or another session with a site that passes it on.

use std::net::SocketAddr;

use patronus_types::{SiteId, UplinkSlot};

/// A path within its shard: the upper 24 bits of its receiver indices.
pub(crate) type Index = u32;

/// How a datagram travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As it is, to or from this address.
    Direct(SocketAddr),
    /// Inside the session with a relay.
    Via(Via),
}

/// A way through a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Via {
    /// The path to the relay.
    pub(crate) relay: Index,
    /// The site at the far end.
    pub(crate) peer: SiteId,
    /// Its slot.
    pub(crate) slot: UplinkSlot,
}

impl Way {
    /// The address, if there is no relay between.
    pub(crate) fn direct(self) -> Option<SocketAddr> {
        match self {
            Self::Direct(address) => Some(address),
            Self::Via(_) => None,
        }
    }

    /// The path to the relay, if there is one between.
    pub(crate) fn relay(self) -> Option<Index> {
        match self {
            Self::Direct(_) => None,
            Self::Via(via) => Some(via.relay),
        }
    }
}
