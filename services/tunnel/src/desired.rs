//! From what `mesh` wants to what each slot's thread, and the kernel, must have.
//!
//! *Does*: check the limits once, then say which paths, devices and routes there should be.
//! *Never does*: decide who is a member; choose between good paths: packets of the box itself and of the LAN take the first that is
//! up, until the datapath steers them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv6Addr,
    time::Duration,
};

use patronus_ipc::tunnel::{Desired, PathState, PathStatus, Peer, Rejected};
use patronus_types::{IpNet, Ipv6Net, UplinkSlot};

use crate::{Wanted, limit};

/// The UDP port of slot 0; the others follow.
pub const FIRST_PORT: u16 = 51830;

/// The name of a device.
#[must_use]
pub fn device_name(local: UplinkSlot, remote: UplinkSlot) -> String {
    format!("mesh{local}-{remote}")
}

/// The UDP port of a slot.
#[must_use]
pub fn listen_port(slot: UplinkSlot) -> u16 {
    FIRST_PORT + u16::from(slot.number())
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

/// Which device packets to a prefix go to: that of the first path that is up. Without one the prefix has no route.
#[must_use]
pub fn routes(desired: &Desired, paths: &[PathState]) -> BTreeMap<IpNet, (UplinkSlot, UplinkSlot)> {
    let mut first_up = BTreeMap::new();
    for path in paths.iter().filter(|path| path.status == PathStatus::Up) {
        let pair = (path.local, path.remote);
        first_up.entry(path.peer).and_modify(|known| *known = pair.min(*known)).or_insert(pair);
    }
    let mut routes = BTreeMap::new();
    for peer in &desired.peers {
        if let Some(pair) = first_up.get(&peer.site) {
            peer.prefixes.iter().for_each(|prefix| _ = routes.entry(prefix.trunc()).or_insert(*pair));
        }
    }
    routes
}

/// From which address the box speaks with a peer's address inside tunnels; `None` for what is granted to a peer's LAN.
#[must_use]
pub fn inner_source(desired: &Desired, prefix: &IpNet) -> Option<Ipv6Addr> {
    /// All of one network begin alike (`docs/wire.md`, section "Inside tunnels").
    const SAME_BITS: u8 = 48;
    let own = desired.address?;
    let of_network = Ipv6Net::new(own, SAME_BITS).ok()?;
    let IpNet::V6(prefix) = prefix else { return None };
    (prefix.prefix_len() == prefix.max_prefix_len() && of_network.contains(&prefix.addr())).then_some(own)
}

#[cfg(test)]
mod tests;
