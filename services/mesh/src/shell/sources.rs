//! What other services say, as the core wants it.

use std::{collections::BTreeSet, net::IpAddr};

use patronus_ipc::{link, tunnel};
use patronus_mesh::Mesh;
use patronus_types::{Generation, Ipv6Net, PortName, SiteId};
use patronus_wire::{Endpoint, EndpointKind, TunnelKey, UplinkOffer, inner_address, limit};

/// Seconds after which a silent path is sent something, so that providers' translators keep it open (RFC 4787 section 4.3: at least two
/// minutes; many keep to 30 s).
const KEEPALIVE_S: u16 = 25;

/// `tunnel` says every second how its paths are; what it heard longer ago it has said before.
const FRESH_MS: u64 = 2_000;

/// Where neighbours may be: the LAN, and every uplink with a live cable.
pub(crate) fn devices(link: &link::State) -> Vec<PortName> {
    let uplinks = link.uplinks.iter().filter(|uplink| uplink.carrier).map(|uplink| uplink.port.clone());
    link.lan.device.iter().cloned().chain(uplinks).collect()
}

/// Who knows names, by uplink.
pub(crate) fn resolvers(link: &link::State) -> Vec<IpAddr> {
    link.uplinks.iter().flat_map(|uplink| uplink.dns.iter().copied()).collect()
}

/// Sites of which something authentic has just come through a tunnel.
pub(crate) fn heard(tunnel: &tunnel::State) -> impl Iterator<Item = SiteId> {
    let is_fresh = |path: &&tunnel::PathState| path.heard_ago_ms.is_some_and(|ago_ms| ago_ms < FRESH_MS);
    tunnel.paths.iter().filter(is_fresh).map(|path| path.peer)
}

/// Sites whose tunnels carry what is sent now: heard within two keepalives.
pub(crate) fn answering(tunnel: &tunnel::State) -> BTreeSet<SiteId> {
    let longest_ms = u64::from(KEEPALIVE_S) * 2_000;
    let answers = |path: &&tunnel::PathState| path.heard_ago_ms.is_some_and(|ago_ms| ago_ms < longest_ms);
    let is_up = |path: &&tunnel::PathState| path.status == tunnel::PathStatus::Up;
    tunnel.paths.iter().filter(is_up).filter(answers).map(|path| path.peer).collect()
}

/// How this site can be reached: `tunnel` has the keys and ports, `link` the addresses.
pub(crate) fn offers(link: &link::State, tunnel: &tunnel::State) -> Vec<UplinkOffer> {
    let mut room = limit::ENDPOINTS;
    let mut offers: Vec<UplinkOffer> = tunnel.slots.iter().filter_map(|slot| offer(link, slot, &mut room)).collect();
    offers.sort_by_key(|offer| offer.slot);
    offers
}

fn offer(link: &link::State, slot: &tunnel::Slot, room: &mut usize) -> Option<UplinkOffer> {
    let key = TunnelKey::from_bytes(slot.public_key.0).ok()?;
    let uplink = link.uplinks.get(usize::from(slot.slot.number()))?;
    let own =
        |net: &patronus_types::IpNet| Endpoint::new(EndpointKind::Own, (net.addr(), slot.listen_port).into()).ok();
    let endpoints = uplink.addresses.iter().filter_map(own);
    let endpoints: Vec<Endpoint> = endpoints.take(limit::ENDPOINTS_PER_UPLINK.min(*room)).collect();
    *room = room.saturating_sub(endpoints.len());
    Some(UplinkOffer { slot: slot.slot, key, endpoints })
}

/// Whom `tunnel` is to have sessions with: every member whose whereabouts are known, heard or not.
pub(crate) fn desired(mesh: &Mesh) -> tunnel::Desired {
    let mut peers = Vec::new();
    for (site, member) in mesh.members().valid().filter(|(site, _)| **site != mesh.site()) {
        let Some(heard) = mesh.book().get(site) else { continue };
        let slots = heard.announcement.uplinks.iter().map(|uplink| tunnel::RemoteSlot {
            slot: uplink.slot,
            public_key: tunnel::SlotKey(*uplink.key.as_bytes()),
            endpoints: uplink.endpoints.iter().map(|endpoint| endpoint.address).collect(),
        });
        let inner = Ipv6Net::from(inner_address(mesh.roster().network(), *site));
        peers.push(tunnel::Peer {
            site: *site,
            slots: slots.collect(),
            prefixes: member.prefixes.iter().copied().chain([inner.into()]).collect(),
            keepalive_s: Some(KEEPALIVE_S),
        });
    }
    tunnel::Desired { generation: Generation::default(), peers, address: Some(mesh.inner_address()) }
}
