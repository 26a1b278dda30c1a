//! Objects for tests: the same each time, or any.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::{IpAddr, SocketAddr};

use ed25519_dalek::{Signer, SigningKey};
use patronus_types::{IpNet, NetworkId, SiteId, UplinkSlot};
use patronus_wire::{
    Announcement, Body, Bundle, Capabilities, Endpoint, EndpointKind, IdentityKey, JoinToken, JoinWish, NetworkKey,
    Revocation, Roles, Seed, SignerCertificate, SiteRecord, Standing, TokenSecret, TunnelKey, UplinkOffer, Validity,
    limit, network_id, overlap, site_id,
};
use proptest::{collection::vec, prelude::*};

/// 2026-01-01.
pub const NEW_YEAR_S: u64 = 1_767_225_600;

pub fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub fn public(number: u8) -> IdentityKey {
    IdentityKey::from(&key(number))
}

pub const ROOT: u8 = 1;
pub const SIGNER: u8 = 2;
pub const SITE: u8 = 3;

pub fn network() -> NetworkId {
    network_id(&public(ROOT))
}

pub fn signer_certificate() -> SignerCertificate {
    SignerCertificate {
        network: network(),
        signer: public(SIGNER),
        serial: 1,
        standing: Standing::Active,
        validity: Validity { not_before_s: NEW_YEAR_S, not_after_s: NEW_YEAR_S + 10 * 365 * 86_400 },
    }
}

pub fn site_record() -> SiteRecord {
    SiteRecord {
        network: network(),
        signer: public(SIGNER),
        identity: public(SITE),
        serial: 7,
        member_since_s: NEW_YEAR_S + 60,
        validity: Validity { not_before_s: NEW_YEAR_S + 60, not_after_s: NEW_YEAR_S + 60 + 30 * 86_400 },
        roles: Roles::SITE | Roles::SEED,
        name: "hq-chicago".parse().unwrap(),
        prefixes: vec!["10.1.0.0/16".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()],
    }
}

pub fn announcement() -> Announcement {
    let endpoint = |kind, address: &str| Endpoint { kind, address: address.parse().unwrap() };
    Announcement {
        network: network(),
        site: site_id(&public(SITE)),
        boot_epoch: 4,
        sequence: 2,
        capabilities: Capabilities::SEED,
        roster_digest: [0xab; 32],
        uplinks: vec![
            UplinkOffer {
                slot: UplinkSlot::new(0).unwrap(),
                key: TunnelKey::from_bytes([9; 32]).unwrap(),
                endpoints: vec![
                    endpoint(EndpointKind::Own, "192.0.2.1:51830"),
                    endpoint(EndpointKind::Own, "[2001:db8::1]:51830"),
                ],
            },
            UplinkOffer {
                slot: UplinkSlot::new(3).unwrap(),
                key: TunnelKey::from_bytes([10; 32]).unwrap(),
                endpoints: vec![endpoint(EndpointKind::Static, "198.51.100.7:4000")],
            },
        ],
    }
}

/// As large as the limits allow.
pub fn largest_announcement() -> Announcement {
    let mut room = limit::ENDPOINTS;
    let uplink = |slot: u8| {
        let count = room.min(limit::ENDPOINTS_PER_UPLINK);
        room -= count;
        let endpoints = (0..count).map(|number| Endpoint {
            kind: EndpointKind::Own,
            address: SocketAddr::new(format!("2001:db8::{slot:x}:{number:x}").parse().unwrap(), 51_830),
        });
        let mut key = [9; 32];
        key[0] = slot;
        UplinkOffer {
            slot: UplinkSlot::new(slot).unwrap(),
            key: TunnelKey::from_bytes(key).unwrap(),
            endpoints: endpoints.collect(),
        }
    };
    let uplinks = (0..limit::UPLINKS as u8).map(uplink).collect();
    Announcement { uplinks, boot_epoch: limit::COUNTER_MAX, sequence: limit::COUNTER_MAX, ..announcement() }
}

/// As large as the limits allow.
pub fn largest_record() -> SiteRecord {
    let prefixes = (0..limit::PREFIXES).map(|number| format!("2001:db8:{number:x}::/48").parse().unwrap()).collect();
    SiteRecord { name: "x".repeat(63).parse().unwrap(), prefixes, ..site_record() }
}

pub fn revocation() -> Revocation {
    Revocation {
        network: network(),
        signer: public(SIGNER),
        site: site_id(&public(SITE)),
        revoked_s: NEW_YEAR_S + 86_400,
    }
}

pub fn join_wish() -> JoinWish {
    JoinWish {
        network: network(),
        identity: public(SITE),
        name: "hq-chicago".parse().unwrap(),
        prefixes: vec!["10.1.0.0/16".parse().unwrap()],
    }
}

pub fn token() -> JoinToken {
    JoinToken {
        root: public(ROOT),
        secret: TokenSecret([0x5a; 16]),
        expires_s: NEW_YEAR_S + 86_400,
        roles: Roles::SITE,
        prefixes: vec!["10.0.0.0/8".parse().unwrap()],
        seeds: vec![Seed { host: "192.0.2.1".parse().unwrap(), port: 51_822 }],
    }
}

pub fn network_key() -> NetworkKey {
    NetworkKey([0x77; 32])
}

pub fn bundle() -> Bundle {
    Bundle {
        signers: vec![signer_certificate().sign(&key(ROOT)).unwrap().into_unverified()],
        revocations: vec![revocation().sign(&key(SIGNER)).unwrap().into_unverified()],
        records: vec![site_record().sign(&key(SIGNER)).unwrap().into_unverified()],
        announcements: vec![announcement().sign(&key(SITE)).unwrap().into_unverified()],
    }
}

/// A correctly signed object with any body.
pub fn forge<B: Body>(body: &[u8], signer: &SigningKey) -> Vec<u8> {
    let header = [1, B::KIND, (body.len() >> 8) as u8, body.len() as u8];
    let signed = [header.as_slice(), body].concat();
    let signature = signer.sign(&[B::DOMAIN, &signed].concat());
    [signed.as_slice(), &signature.to_bytes()].concat()
}

/// The body of a good object, to be spoiled.
pub fn body_of<B: Body>(object: &B) -> Vec<u8> {
    object.to_signed_bytes().unwrap()[4..].to_vec()
}

pub fn any_record() -> impl Strategy<Value = SiteRecord> {
    let numbers =
        (1..=limit::COUNTER_MAX, 0..limit::TIME_MAX_S, 0..limit::TIME_MAX_S / 2, 0..=limit::RECORD_VALIDITY_S);
    (numbers, 1_u8..16, "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", any_prefixes(), any::<u8>()).prop_map(
        |((serial, member_since_s, not_before_s, length), roles, name, prefixes, number)| SiteRecord {
            network: network(),
            signer: public(SIGNER),
            identity: public(number),
            serial,
            member_since_s,
            validity: Validity { not_before_s, not_after_s: not_before_s + length },
            roles: Roles::from_bits(roles).unwrap(),
            name: name.parse().unwrap(),
            prefixes,
        },
    )
}

fn any_prefixes() -> impl Strategy<Value = Vec<IpNet>> {
    let v4 = (1_u8..=223, any::<[u8; 3]>(), 8_u8..=32)
        .prop_map(|(first, [b, c, d], length)| IpNet::new(IpAddr::from([first, b, c, d]), length).unwrap().trunc());
    let v6 = (0x2000_u16..0x4000, any::<[u16; 7]>(), 16_u8..=128).prop_map(|(first, [b, c, d, e, f, g, h], length)| {
        IpNet::new(IpAddr::from([first, b, c, d, e, f, g, h]), length).unwrap().trunc()
    });
    let usable = prop_oneof![v4, v6].prop_filter("reserved", |net| match net.addr() {
        IpAddr::V4(v4) => v4.octets()[0] != 127 && !v4.is_link_local(),
        IpAddr::V6(_) => true,
    });
    vec(usable, 0..=limit::PREFIXES).prop_map(|mut prefixes| {
        prefixes.sort_unstable();
        let mut kept: Vec<IpNet> = Vec::new();
        for prefix in prefixes {
            if !kept.iter().any(|earlier| overlap(earlier, &prefix)) {
                kept.push(prefix);
            }
        }
        kept
    })
}

pub fn any_announcement() -> impl Strategy<Value = Announcement> {
    let numbers = (1..=limit::COUNTER_MAX, 1..=limit::COUNTER_MAX, any::<u32>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    let slots = prop::sample::subsequence((0..16).collect::<Vec<u8>>(), 0..=16);
    (numbers, slots, vec(any_endpoint(), 0..=limit::ENDPOINTS)).prop_map(
        |((boot_epoch, sequence, capabilities, roster_digest, site), slots, mut endpoints)| {
            endpoints.sort_unstable_by_key(|endpoint| endpoint.address);
            endpoints.dedup_by_key(|endpoint| endpoint.address);
            let uplinks = slots.into_iter().map(|slot| {
                let take = endpoints.len().min(limit::ENDPOINTS_PER_UPLINK);
                let mut key = [0x40; 32];
                key[0] = slot;
                UplinkOffer {
                    slot: UplinkSlot::new(slot).unwrap(),
                    key: TunnelKey::from_bytes(key).unwrap(),
                    endpoints: endpoints.drain(..take).collect(),
                }
            });
            Announcement {
                network: network(),
                site: SiteId(site),
                boot_epoch,
                sequence,
                capabilities: Capabilities(capabilities),
                roster_digest,
                uplinks: uplinks.collect(),
            }
        },
    )
}

fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let v4 = (1_u8..=126, any::<[u8; 3]>()).prop_map(|(first, [b, c, d])| IpAddr::from([first, b, c, d]));
    let v6 = (0x2000_u16..0x4000, any::<[u16; 7]>())
        .prop_map(|(first, [b, c, d, e, f, g, h])| IpAddr::from([first, b, c, d, e, f, g, h]));
    let kinds = [EndpointKind::Own, EndpointKind::Seen, EndpointKind::Stun, EndpointKind::Static];
    (prop_oneof![v4, v6], 1_u16.., prop::sample::select(kinds.to_vec()))
        .prop_map(|(ip, port, kind)| Endpoint { kind, address: SocketAddr::new(ip, port) })
}

pub fn any_token() -> impl Strategy<Value = JoinToken> {
    let seed = ("[a-z]{1,20}(\\.[a-z]{1,20}){0,5}", 1_u16..)
        .prop_map(|(host, port)| Seed { host: host.parse().unwrap(), port });
    (any::<[u8; 16]>(), 0..=limit::TIME_MAX_S, 1_u8..16, any_prefixes(), vec(seed, 0..=limit::SEEDS)).prop_map(
        |(secret, expires_s, roles, prefixes, seeds)| JoinToken {
            root: public(ROOT),
            secret: TokenSecret(secret),
            expires_s,
            roles: Roles::from_bits(roles).unwrap(),
            prefixes,
            seeds,
        },
    )
}
