//! What other services say, as the core wants it.

use std::net::{IpAddr, SocketAddr};

use patronus_ipc::{link, tunnel};
use patronus_mesh::{Mesh, Standing};
use patronus_types::{Generation, PortName, SiteId};
use patronus_wire::{Endpoint, EndpointKind, Roles, TunnelKey, UplinkOffer, limit};

/// Seconds after which a silent path is sent something, so that providers' translators keep it open (RFC 4787 section 4.3: at least two
/// minutes; many keep to 30 s).
const KEEPALIVE_S: u16 = 25;

/// Own addresses of an uplink that are told. IPv6 may have many; what others see needs a place, too.
const OWN: usize = 4;

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

/// How this site can be reached: `tunnel` has the keys and ports, and where others see them; `link` the addresses.
pub(crate) fn offers(link: &link::State, tunnel: &tunnel::State) -> Vec<UplinkOffer> {
    let mut room = limit::ENDPOINTS;
    let mut offers: Vec<UplinkOffer> = tunnel.slots.iter().filter_map(|slot| offer(link, slot, &mut room)).collect();
    offers.sort_by_key(|offer| offer.slot);
    offers
}

fn offer(link: &link::State, slot: &tunnel::Slot, room: &mut usize) -> Option<UplinkOffer> {
    let key = TunnelKey::from_bytes(slot.public_key.0).ok()?;
    let uplink = link.uplinks.get(usize::from(slot.slot.number()))?;
    let own = uplink.addresses.iter().map(|net| (net.addr(), slot.listen_port).into());
    let own: Vec<SocketAddr> = own.take(OWN).collect();
    let seen = slot.seen.iter().copied().filter(|seen| !own.contains(seen));
    let endpoint = |(kind, address)| Endpoint::new(kind, address).ok();
    let all = own.iter().map(|own| (EndpointKind::Own, *own)).chain(seen.map(|seen| (EndpointKind::Seen, seen)));
    let endpoints: Vec<Endpoint> = all.filter_map(endpoint).take(limit::ENDPOINTS_PER_UPLINK.min(*room)).collect();
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
        peers.push(tunnel::Peer {
            site: *site,
            is_relay: member.record.roles.contains(Roles::RELAY),
            slots: slots.collect(),
            prefixes: member.prefixes.clone(),
            keepalive_s: Some(KEEPALIVE_S),
        });
    }
    let own = mesh.members().get(&mesh.site()).filter(|own| own.standing == Standing::Valid);
    let is_relay = own.is_some_and(|own| own.record.roles.contains(Roles::RELAY));
    tunnel::Desired { generation: Generation::default(), is_relay, peers }
}
