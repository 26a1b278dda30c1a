//! A network for tests: a root, signers, sites, all made from numbers.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;

use ed25519_dalek::SigningKey;
use patronus_mesh::{Destination, Event, Mesh, Now, Refusal, Roster, Transmit, Wallclock};
use patronus_types::{NetworkId, SiteId, UplinkSlot};
use patronus_wire::{
    Announcement, Body, Bundle, Capabilities, Endpoint, EndpointKind, IdentityKey, Message, NetworkKey, Nonce,
    Revocation, Roles, SignerCertificate, SiteRecord, Standing, TunnelKey, Unverified, UplinkOffer, Validity, Verified,
    network_id, site_id,
};

/// 2026-01-01.
pub const NEW_YEAR_S: u64 = 1_767_225_600;
pub const DAY_S: u64 = 86_400;
pub const ROOT: u16 = 1;
/// Signers have numbers from here.
pub const SIGNERS: u16 = 100;
/// Sites have numbers from here.
pub const SITES: u16 = 1_000;

pub fn key(number: u16) -> SigningKey {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

pub fn public(number: u16) -> IdentityKey {
    IdentityKey::from(&key(number))
}

pub fn id(number: u16) -> SiteId {
    site_id(&public(number))
}

pub fn network() -> NetworkId {
    network_id(&public(ROOT))
}

pub fn network_key() -> NetworkKey {
    NetworkKey([0x42; 32])
}

/// Noon of the second day of the year, and as many milliseconds after the start.
pub fn at(ms: u64) -> Now {
    Now { ms, clock: Wallclock::Known(NEW_YEAR_S + DAY_S + DAY_S / 2 + ms / 1_000) }
}

pub fn certificate(signer: u16) -> SignerCertificate {
    SignerCertificate {
        network: network(),
        signer: public(signer),
        serial: 1,
        standing: Standing::Active,
        validity: Validity { not_before_s: NEW_YEAR_S, not_after_s: NEW_YEAR_S + 3_650 * DAY_S },
    }
}

pub fn withdrawal(signer: u16) -> SignerCertificate {
    SignerCertificate { serial: 2, standing: Standing::Withdrawn, ..certificate(signer) }
}

/// A site with a /24 of its own.
pub fn record(site: u16, signer: u16, serial: u64) -> SiteRecord {
    let number = site - SITES;
    SiteRecord {
        network: network(),
        signer: public(signer),
        identity: public(site),
        serial,
        member_since_s: NEW_YEAR_S + u64::from(number),
        validity: Validity { not_before_s: NEW_YEAR_S, not_after_s: NEW_YEAR_S + 30 * DAY_S },
        roles: Roles::SITE,
        name: format!("site-{number}").parse().unwrap(),
        prefixes: vec![format!("10.{}.{}.0/24", number >> 8, number & 255).parse().unwrap()],
    }
}

pub fn revocation(site: u16, signer: u16) -> Revocation {
    Revocation { network: network(), signer: public(signer), site: id(site), revoked_s: NEW_YEAR_S + DAY_S }
}

pub fn signed<B: Body>(object: &B, signer: u16) -> Unverified<B> {
    object.sign(&key(signer)).unwrap().into_unverified()
}

pub fn tunnel_key(site: u16, slot: u8) -> TunnelKey {
    let [high, low] = site.to_be_bytes();
    let mut bytes = [9; 32];
    bytes[..3].copy_from_slice(&[high, low, slot]);
    TunnelKey::from_bytes(bytes).unwrap()
}

pub fn uplinks(site: u16) -> Vec<UplinkOffer> {
    let address = SocketAddr::from(([192, 0, (site >> 8) as u8, site as u8], 51_830));
    let endpoints = vec![Endpoint { kind: EndpointKind::Own, address }];
    vec![UplinkOffer { slot: UplinkSlot::new(0).unwrap(), key: tunnel_key(site, 0), endpoints }]
}

pub fn announcement(site: u16, boot_epoch: u64, sequence: u64) -> Announcement {
    Announcement {
        network: network(),
        site: id(site),
        boot_epoch,
        sequence,
        capabilities: Capabilities::default(),
        roster_digest: [0; 32],
        uplinks: uplinks(site),
    }
}

/// Everything that a network of one signer and these sites has.
pub fn bundle(sites: impl Iterator<Item = u16>) -> Bundle {
    Bundle {
        signers: vec![signed(&certificate(SIGNERS), ROOT)],
        records: sites.map(|site| signed(&record(site, SIGNERS, 1), SIGNERS)).collect(),
        ..Bundle::default()
    }
}

pub fn roster(sites: impl Iterator<Item = u16>) -> Roster {
    let mut roster = Roster::new(public(ROOT));
    assert!(roster.merge(bundle(sites)).iter().all(Result::is_ok));
    roster
}

/// A member of the network of these sites, started now.
pub fn member(site: u16, roster: Roster, boot_epoch: u64) -> Mesh {
    let mut mesh = Mesh::new(key(site), roster, network_key(), boot_epoch, at(0));
    mesh.handle_uplinks(Capabilities::default(), uplinks(site), at(0));
    mesh
}

pub fn address(site: u16) -> SocketAddr {
    SocketAddr::from(([169, 254, (site >> 8) as u8, site as u8], 51_821))
}

/// A message as a member seals it.
pub fn sealed(message: &Message) -> Vec<u8> {
    network_key().seal(message, [1; 24]).unwrap()
}

/// Delivers a message to a site and says which refusals it was counted under, and that nothing else of it remains.
pub fn refusals_of(mesh: &mut Mesh, datagram: &[u8], now: Now) -> Vec<Refusal> {
    let before = mesh.refusals().by_name();
    mesh.handle_datagram(address(7), datagram, now);
    let after = mesh.refusals().clone();
    let all = after.by_name();
    assert!(all.values().sum::<u64>() >= before.values().sum());
    let grown = |name: &str| all.get(name) > before.get(name);
    patronus_mesh::Refusal::each().filter(|refusal| grown(&refusal.to_string())).collect()
}

/// Everything a site has to say now.
pub fn transmits(mesh: &mut Mesh) -> Vec<Transmit> {
    let mut number = 0_u64;
    std::iter::from_fn(|| {
        let mut nonce: Nonce = [0; 24];
        number += 1;
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        mesh.poll_transmit(nonce)
    })
    .collect()
}

pub fn events(mesh: &mut Mesh) -> Vec<Event> {
    std::iter::from_fn(|| mesh.poll_event()).collect()
}

/// Sites on one LAN that hear all that is said there, but what `lost` says.
pub struct Lan {
    pub sites: Vec<(u16, Mesh)>,
    pub datagrams: usize,
    pub bytes: usize,
}

impl Lan {
    pub fn new(sites: Vec<(u16, Mesh)>) -> Self {
        Self { sites, datagrams: 0, bytes: 0 }
    }

    /// Lets time pass until `end_ms`, in steps of the soonest deadline.
    pub fn run(&mut self, start_ms: u64, end_ms: u64, mut lost: impl FnMut(u64) -> bool) {
        let (mut now_ms, mut number) = (start_ms, 0);
        while now_ms <= end_ms {
            for (_, mesh) in &mut self.sites {
                mesh.handle_timeout(at(now_ms), now_ms.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            }
            self.deliver(now_ms, &mut number, &mut lost);
            let next = self.sites.iter().map(|(_, mesh)| mesh.deadline()).min().unwrap_or(u64::MAX);
            now_ms = next.max(now_ms + 1);
        }
    }

    /// Until nobody says anything more.
    fn deliver(&mut self, now_ms: u64, number: &mut u64, lost: &mut impl FnMut(u64) -> bool) {
        loop {
            let mut said = Vec::new();
            for (site, mesh) in &mut self.sites {
                said.extend(transmits(mesh).into_iter().map(|transmit| (*site, transmit)));
            }
            if said.is_empty() {
                return;
            }
            for (from, Transmit { to, datagram }) in said {
                self.datagrams += 1;
                self.bytes += datagram.len();
                for (site, mesh) in &mut self.sites {
                    let is_meant = match to {
                        Destination::Lan => *site != from,
                        Destination::Neighbour(to) => to == address(*site),
                    };
                    *number += 1;
                    if is_meant && !lost(*number) {
                        mesh.handle_datagram(address(from), &datagram, at(now_ms));
                    }
                }
            }
        }
    }

    pub fn mesh(&mut self, site: u16) -> &mut Mesh {
        self.sites.iter_mut().find(|(found, _)| *found == site).map(|(_, mesh)| mesh).unwrap()
    }
}

pub fn verified<B: Body>(object: &B, signer: u16) -> Verified<B> {
    object.sign(&key(signer)).unwrap()
}
