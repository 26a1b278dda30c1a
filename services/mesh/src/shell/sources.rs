//! What other services say, as the core wants it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use patronus_ipc::{link, tunnel};
use patronus_mesh::{Mesh, Standing};
use patronus_types::{Generation, IpNet, Ipv6Net, PortName, SiteId};
use patronus_wire::{Endpoint, EndpointKind, Roles, TunnelKey, UplinkOffer, inner_address, limit, overlap};

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

/// Sites whose tunnels carry what is sent now: heard within two keepalives.
pub(crate) fn answering(tunnel: &tunnel::State) -> BTreeSet<SiteId> {
    let longest_ms = u64::from(KEEPALIVE_S) * 2_000;
    let answers = |path: &&tunnel::PathState| path.heard_ago_ms.is_some_and(|ago_ms| ago_ms < longest_ms);
    let is_up = |path: &&tunnel::PathState| path.status == tunnel::PathStatus::Up;
    tunnel.paths.iter().filter(is_up).filter(answers).map(|path| path.peer).collect()
}

/// How this site can be reached: `tunnel` has the keys and ports, and where other sites and STUN servers see them; `link` the addresses; the
/// configuration those that are forwarded, by slot.
pub(crate) fn offers(link: &link::State, tunnel: &tunnel::State, reachable_at: &[Vec<SocketAddr>]) -> Vec<UplinkOffer> {
    let mut room = limit::ENDPOINTS;
    let forwarded =
        |slot: &tunnel::Slot| reachable_at.get(usize::from(slot.slot.number())).cloned().unwrap_or_default();
    let offers = tunnel.slots.iter().filter_map(|slot| offer(link, slot, forwarded(slot), &mut room));
    let mut offers: Vec<UplinkOffer> = offers.collect();
    offers.sort_by_key(|offer| offer.slot);
    offers
}

fn offer(link: &link::State, slot: &tunnel::Slot, forwarded: Vec<SocketAddr>, room: &mut usize) -> Option<UplinkOffer> {
    let key = TunnelKey::from_bytes(slot.public_key.0).ok()?;
    let uplink = link.uplinks.get(usize::from(slot.slot.number()))?;
    let own = uplink.addresses.iter().map(|net| (net.addr(), slot.listen_port).into()).take(OWN).collect();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let is_by_stun = |seen: &SocketAddr| slot.stun.iter().any(|answer| answer.seen == Some(*seen));
    let (by_stun, by_sites) = slot.seen.iter().partition(|seen| is_by_stun(seen));
    for (kind, addresses) in [
        (EndpointKind::Static, forwarded),
        (EndpointKind::Own, own),
        (EndpointKind::Stun, by_stun),
        (EndpointKind::Seen, by_sites),
    ] {
        for endpoint in addresses.into_iter().filter_map(|address| Endpoint::new(kind, address).ok()) {
            let is_known = endpoints.iter().any(|known| known.address == endpoint.address);
            if !is_known && endpoints.len() < limit::ENDPOINTS_PER_UPLINK.min(*room) {
                endpoints.push(endpoint);
            }
        }
    }
    *room = room.saturating_sub(endpoints.len());
    Some(UplinkOffer { slot: slot.slot, key, endpoints })
}

/// Whom `tunnel` is to have sessions with: every member whose whereabouts are known, heard or not; and whom else to ask where it is seen.
pub(crate) fn desired(mesh: &Mesh, stun: Vec<SocketAddr>) -> tunnel::Desired {
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
            is_relay: member.record.roles.contains(Roles::RELAY),
            slots: slots.collect(),
            prefixes: member.prefixes.iter().copied().chain([inner.into()]).collect(),
            keepalive_s: Some(KEEPALIVE_S),
        });
    }
    let own = mesh.members().get(&mesh.site()).filter(|own| own.standing == Standing::Valid);
    let is_relay = own.is_some_and(|own| own.record.roles.contains(Roles::RELAY));
    let (generation, address) = (Generation::default(), Some(mesh.inner_address()));
    tunnel::Desired { generation, is_relay, peers, address, stun, closed: closed(mesh) }
}

/// What the roster grants to any other site: also to one whose whereabouts are not known, and to one that is a member no more. Whoever still speaks to its
/// addresses does not mean a provider. What is this site's own by now is not among them.
fn closed(mesh: &Mesh) -> Vec<IpNet> {
    let own = mesh.members().get(&mesh.site()).map(|own| own.prefixes.as_slice()).unwrap_or_default();
    let others = mesh.members().iter().filter(|(site, _)| **site != mesh.site());
    let granted = others.flat_map(|(_, member)| member.record.prefixes.iter().copied());
    let closed: BTreeSet<IpNet> = granted.filter(|prefix| !own.iter().any(|own| overlap(own, prefix))).collect();
    closed.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link_state(addresses: &[&str]) -> link::State {
        let uplink = link::Uplink {
            name: "wan".parse().unwrap(),
            port: "eth0".parse().unwrap(),
            carrier: true,
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            gateways: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            lease: None,
            problem: None,
        };
        link::State { uplinks: vec![uplink], ..link::State::default() }
    }

    /// Seen at these addresses; those that begin with `*` were a STUN server's word.
    fn slot(seen: &[&str]) -> tunnel::State {
        let address = |seen: &str| seen.trim_start_matches('*').parse().unwrap();
        let by_stun = seen.iter().filter(|seen| seen.starts_with('*'));
        let answer =
            |seen: &&str| tunnel::StunAnswer { server: "192.0.2.9:3478".parse().unwrap(), seen: Some(address(seen)) };
        let slot = tunnel::Slot {
            slot: patronus_types::UplinkSlot::new(0).unwrap(),
            device: "eth0".parse().unwrap(),
            public_key: tunnel::SlotKey([7; 32]),
            listen_port: 51_830,
            seen: seen.iter().map(|seen| address(seen)).collect(),
            stun: by_stun.map(answer).collect(),
        };
        tunnel::State { slots: vec![slot], ..tunnel::State::default() }
    }

    fn offered(addresses: &[&str], seen: &[&str], forwarded: &[&str]) -> Vec<String> {
        let forwarded = vec![forwarded.iter().map(|address| address.parse().unwrap()).collect()];
        let offers = offers(&link_state(addresses), &slot(seen), &forwarded);
        offers[0].endpoints.iter().map(|endpoint| format!("{:?} {}", endpoint.kind, endpoint.address)).collect()
    }

    #[test]
    fn a_slot_is_reached_where_a_person_says_at_its_own_addresses_and_where_others_see_it() {
        let all = offered(&["192.168.1.5/24"], &["198.51.100.1:4001", "*198.51.100.2:4002"], &["203.0.113.1:4500"]);
        let stun = "Stun 198.51.100.2:4002";
        assert_eq!(all, ["Static 203.0.113.1:4500", "Own 192.168.1.5:51830", stun, "Seen 198.51.100.1:4001"]);
    }

    #[test]
    fn an_address_is_said_once_and_one_that_nobody_can_reach_is_not_said() {
        let own = "198.51.100.1:51830";
        assert_eq!(offered(&["198.51.100.1/24", "fe80::1/64"], &[own, "127.0.0.1:9"], &[]), [format!("Own {own}")]);
    }

    #[test]
    fn many_own_addresses_leave_a_place_for_where_others_see_the_slot() {
        let own: Vec<String> = (1..=20).map(|number| format!("2001:db8::{number}/64")).collect();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let all = offered(&own, &["198.51.100.1:4001"], &[]);
        assert_eq!(all.len(), OWN + 1);
        assert_eq!(all.last().unwrap(), "Seen 198.51.100.1:4001");
    }
}
