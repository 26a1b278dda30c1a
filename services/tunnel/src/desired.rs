//! From what `mesh` wants to what each slot's thread, and the kernel, must have.
//!
//! *Does*: check the limits once, then say which paths, devices and routes there should be.
//! *Never does*: decide who is a member; choose between good paths: `router` does, and without its word packets take the first that is up.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv6Addr,
    time::Duration,
};

use patronus_ipc::{
    router,
    tunnel::{Desired, PathState, PathStatus, Peer, Rejected},
};
use patronus_types::{Class, IpNet, Ipv6Net, SiteId, UplinkSlot, ports::WIREGUARD_PORTS};

use crate::{Wanted, limit};

/// The UDP port of a slot.
#[must_use]
pub fn listen_port(slot: UplinkSlot) -> u16 {
    WIREGUARD_PORTS.start() + u16::from(slot.number())
}

/// Whether this can be brought about.
///
/// # Errors
/// What is wrong with it; `in_force` stays then.
pub fn check(desired: &Desired, in_force: &Desired) -> Result<(), Rejected> {
    if desired.generation < in_force.generation {
        return Err(Rejected::StaleGeneration);
    }
    if desired.peers.len() > limit::PEERS {
        return Err(Rejected::TooManyPeers);
    }
    if desired.closed.len() > limit::CLOSED {
        return Err(Rejected::TooManyPrefixes);
    }
    if desired.stun.len() > limit::STUN_SERVERS {
        return Err(Rejected::TooManyStunServers);
    }
    let (mut sites, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for peer in &desired.peers {
        if !sites.insert(peer.site) {
            return Err(Rejected::Repeated);
        }
        check_peer(peer, &mut keys)?;
    }
    Ok(())
}

fn check_peer(peer: &Peer, keys: &mut BTreeSet<[u8; 32]>) -> Result<(), Rejected> {
    if peer.prefixes.len() > limit::PREFIXES {
        return Err(Rejected::TooManyPrefixes);
    }
    let mut slots = BTreeSet::new();
    for slot in &peer.slots {
        if !slots.insert(slot.slot) {
            return Err(Rejected::Repeated);
        }
        if !keys.insert(slot.public_key.0) {
            return Err(Rejected::KeyUsedTwice);
        }
        if slot.endpoints.len() > limit::CANDIDATES {
            return Err(Rejected::TooManyEndpoints);
        }
    }
    Ok(())
}

/// The paths of each local slot; the same for all, since every slot here is paired with every slot there.
#[must_use]
pub fn paths(desired: &Desired) -> Vec<Wanted> {
    let of_peer = |peer: &Peer| -> Vec<Wanted> {
        let wanted = |slot: &patronus_ipc::tunnel::RemoteSlot| Wanted {
            peer: peer.site,
            is_relay: peer.is_relay,
            remote: slot.slot,
            public_key: slot.public_key.0,
            candidates: slot.endpoints.clone(),
            prefixes: peer.prefixes.clone(),
            keepalive: peer.keepalive_s.map(|seconds| Duration::from_secs(seconds.into())),
        };
        peer.slots.iter().map(wanted).collect()
    };
    desired.peers.iter().flat_map(of_peer).collect()
}

/// The slots at the far ends, each with whether IPv6 may be between. Each pair with a local slot has a device.
#[must_use]
pub fn remotes(desired: &Desired) -> BTreeMap<UplinkSlot, bool> {
    let mut remotes = BTreeMap::new();
    for slot in desired.peers.iter().flat_map(|peer| &peer.slots) {
        *remotes.entry(slot.slot).or_default() |= slot.endpoints.iter().any(std::net::SocketAddr::is_ipv6);
    }
    remotes
}

/// The path of each site that packets should take for which nobody else has chosen one, by slots: `router` says it.
pub type Preferred = BTreeMap<SiteId, (UplinkSlot, UplinkSlot)>;

/// Those for all that is of no class of its own, as what the box itself sends.
#[must_use]
pub fn preferred(state: &router::State) -> Preferred {
    let way = |site: &router::Site| site.group(Class::Other)?.ways.first().copied();
    state.sites.iter().filter_map(|site| way(site).map(|way| (site.id, (way.local, way.remote)))).collect()
}

/// The longest packets that all direct paths to each site take. A relay is the last resort, for which nobody else pays.
#[must_use]
pub fn narrowest<'p>(paths: impl Iterator<Item = &'p PathState>) -> BTreeMap<SiteId, u16> {
    let mut narrowest = BTreeMap::new();
    let direct = paths.filter(|path| path.status == PathStatus::Up && path.via.is_none());
    for (site, bytes) in direct.filter_map(|path| Some((path.peer, path.longest?))) {
        let least = narrowest.entry(site).or_insert(bytes);
        *least = bytes.min(*least);
    }
    narrowest
}

/// Which device packets to a prefix go to: that of the preferred path, else of the first direct one that is up, or else of the first that a relay
/// carries. Without one the prefix is [`closed`].
#[must_use]
pub fn routes(
    desired: &Desired,
    paths: &[PathState],
    preferred: &Preferred,
) -> BTreeMap<IpNet, (UplinkSlot, UplinkSlot)> {
    let mut first_up = BTreeMap::new();
    for path in paths.iter().filter(|path| path.status == PathStatus::Up) {
        let is_preferred = preferred.get(&path.peer) == Some(&(path.local, path.remote));
        let rank = (!is_preferred, path.via.is_some(), path.local, path.remote);
        first_up.entry(path.peer).and_modify(|known| *known = rank.min(*known)).or_insert(rank);
    }
    let mut routes = BTreeMap::new();
    for peer in &desired.peers {
        if let Some((.., local, remote)) = first_up.get(&peer.site) {
            peer.prefixes.iter().for_each(|prefix| _ = routes.entry(prefix.trunc()).or_insert((*local, *remote)));
        }
    }
    routes
}

/// What leaves by tunnels or not at all. A whole family is more than other sites'.
#[must_use]
pub fn closed(desired: &Desired) -> BTreeSet<IpNet> {
    desired.closed.iter().filter(|prefix| prefix.prefix_len() > 0).map(IpNet::trunc).collect()
}

/// The addresses of all sites inside tunnels (`docs/wire.md`, section "Inside tunnels"), if the box has one itself.
#[must_use]
pub fn network(desired: &Desired) -> Option<Ipv6Net> {
    /// All of one network begin alike.
    const SAME_BITS: u8 = 48;
    Some(Ipv6Net::new(desired.address?, SAME_BITS).ok()?.trunc())
}

/// From which address the box speaks with a peer's address inside tunnels; `None` for what is granted to a peer's LAN.
#[must_use]
pub fn inner_source(desired: &Desired, prefix: &IpNet) -> Option<Ipv6Addr> {
    let IpNet::V6(prefix) = prefix else { return None };
    let is_site = prefix.prefix_len() == prefix.max_prefix_len() && network(desired)?.contains(&prefix.addr());
    desired.address.filter(|_| is_site)
}

#[cfg(test)]
mod tests;
