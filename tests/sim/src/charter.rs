//! A network on paper: a root, signers, sites, all made from numbers.

use std::net::{IpAddr, SocketAddr};

use ed25519_dalek::SigningKey;
use patronus_mesh::{Roster, limit};
use patronus_types::{
    IpNet, SiteId, UplinkSlot,
    ports::{DISCOVERY_PORT, SEED_PORT},
};
use patronus_wire::{
    Body, Bundle, Endpoint, EndpointKind, IdentityKey, NetworkKey, Roles, Seed, SignerCertificate, SiteRecord,
    Standing, TunnelKey, UplinkOffer, Validity, network_id, site_id,
};

/// 2026-01-01: when every run begins.
pub const BEGIN_S: u64 = 1_767_225_600;
const ROOT: u32 = u32::MAX;
const SIGNERS: u32 = u32::MAX - 100;

/// The secret key with this number.
#[must_use]
pub fn key(number: u32) -> SigningKey {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

/// Who the site with this number is.
#[must_use]
pub fn id(number: u32) -> SiteId {
    site_id(&IdentityKey::from(&key(number)))
}

/// The signer with this number, which the site with the same number has.
#[must_use]
pub fn signer(number: u32) -> SigningKey {
    key(SIGNERS + number)
}

/// The root's public key.
#[must_use]
pub fn root() -> IdentityKey {
    IdentityKey::from(&key(ROOT))
}

/// The key of the LAN.
#[must_use]
pub const fn network_key() -> NetworkKey {
    NetworkKey([0x42; 32])
}

/// Where a site is.
#[must_use]
pub fn address(number: u32) -> IpAddr {
    let [_, high, middle, low] = number.to_be_bytes();
    IpAddr::from([172, 16 + high, middle, low])
}

/// Where its neighbours see it.
#[must_use]
pub fn lan_address(number: u32) -> SocketAddr {
    SocketAddr::new(address(number), DISCOVERY_PORT)
}

/// Where it listens if it is a seed, as a token has it.
#[must_use]
pub fn seed(number: u32) -> Seed {
    let host = address(number).to_string().parse().expect("an address is a host");
    Seed { host, port: SEED_PORT }
}

/// What is behind it.
#[must_use]
pub fn prefix(number: u32) -> IpNet {
    let [_, _, middle, low] = number.to_be_bytes();
    format!("10.{middle}.{low}.0/24").parse().expect("a prefix")
}

/// Its one uplink, for the `moves`th time.
#[must_use]
pub fn uplinks(number: u32, moves: u16) -> Vec<UplinkOffer> {
    let mut key = [9; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    let port = 1_024 + moves % 60_000;
    let endpoint = Endpoint::new(EndpointKind::Own, SocketAddr::new(address(number), port)).expect("a good address");
    let slot = UplinkSlot::new(0).expect("the first");
    vec![UplinkOffer { slot, key: TunnelKey::from_bytes(key).expect("a good key"), endpoints: vec![endpoint] }]
}

/// The roster of a network of these signers and sites; the first `seeds` sites have the role.
#[must_use]
pub fn roster(signers: u32, sites: u32, seeds: u32) -> Roster {
    let network = network_id(&root());
    let certificates = (0..signers).map(|number| {
        let validity = Validity { not_before_s: BEGIN_S - 86_400, not_after_s: BEGIN_S + limit::SIGNER_VALIDITY_S };
        let signer = IdentityKey::from(&signer(number));
        let certificate = SignerCertificate { network, signer, serial: 1, standing: Standing::Active, validity };
        certificate.sign(&key(ROOT)).expect("by the rules").into_unverified()
    });
    let records = (0..sites).map(|number| {
        let by = number % signers;
        let record = SiteRecord {
            network,
            signer: IdentityKey::from(&signer(by)),
            identity: IdentityKey::from(&key(number)),
            serial: 1,
            member_since_s: BEGIN_S,
            validity: Validity {
                not_before_s: BEGIN_S - limit::BACKDATE_S,
                not_after_s: BEGIN_S + limit::RECORD_VALIDITY_S,
            },
            roles: if number < seeds { Roles::SITE | Roles::SEED } else { Roles::SITE },
            name: format!("site-{number}").parse().expect("a name"),
            prefixes: vec![prefix(number)],
        };
        record.sign(&signer(by)).expect("by the rules").into_unverified()
    });
    let mut roster = Roster::new(root());
    let bundle = Bundle { signers: certificates.collect(), records: records.collect(), ..Bundle::default() };
    assert!(roster.merge(bundle).iter().all(Result::is_ok));
    roster
}
