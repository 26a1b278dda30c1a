//! The roster is a set: whatever the order, the same bundles make the same roster. A naive model says what it must hold.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use patronus_wire::{BucketSet, Validity};
use proptest::{collection::vec, prelude::*};

use super::*;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn public(number: u8) -> IdentityKey {
    IdentityKey::from(&key(number))
}

const ROOT: u8 = 255;
const FOREVER: Validity = Validity { not_before_s: 0, not_after_s: 1_000_000 };

fn certificate(signer: u8, standing: Standing) -> Unverified<SignerCertificate> {
    let network = network_id(&public(ROOT));
    let certificate = SignerCertificate { network, signer: public(signer), serial: 1, standing, validity: FOREVER };
    certificate.sign(&key(ROOT)).unwrap().into_unverified()
}

fn record(site: u8, signer: u8, serial: u64) -> Unverified<SiteRecord> {
    let record = SiteRecord {
        network: network_id(&public(ROOT)),
        signer: public(signer),
        identity: public(site),
        serial,
        member_since_s: 0,
        validity: FOREVER,
        roles: patronus_wire::Roles::SITE,
        name: format!("s{site}").parse().unwrap(),
        prefixes: Vec::new(),
    };
    record.sign(&key(signer)).unwrap().into_unverified()
}

fn revocation(site: u8, signer: u8) -> Unverified<Revocation> {
    let site = patronus_wire::site_id(&public(site));
    let revocation = Revocation { network: network_id(&public(ROOT)), signer: public(signer), site, revoked_s: 0 };
    revocation.sign(&key(signer)).unwrap().into_unverified()
}

/// What happened somewhere in the network. Signers are 1 to 3, sites 11 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    Withdrawn(u8),
    Revoked { site: u8, signer: u8 },
    Recorded { site: u8, signer: u8, serial: u64 },
}

fn any_fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        1 => (1_u8..=3).prop_map(Fact::Withdrawn),
        2 => (11_u8..=15, 1_u8..=3).prop_map(|(site, signer)| Fact::Revoked { site, signer }),
        6 => (11_u8..=15, 1_u8..=3, 1_u64..5).prop_map(|(site, signer, serial)| Fact::Recorded { site, signer, serial }),
    ]
}

/// As a site tells it: with the certificate of who signed.
fn told(fact: Fact) -> Bundle {
    let by = |signer| vec![certificate(signer, Standing::Active)];
    match fact {
        Fact::Withdrawn(signer) => {
            Bundle { signers: vec![certificate(signer, Standing::Withdrawn)], ..Bundle::default() }
        }
        Fact::Revoked { site, signer } => {
            Bundle { signers: by(signer), revocations: vec![revocation(site, signer)], ..Bundle::default() }
        }
        Fact::Recorded { site, signer, serial } => {
            Bundle { signers: by(signer), records: vec![record(site, signer, serial)], ..Bundle::default() }
        }
    }
}

fn roster(facts: impl IntoIterator<Item = Fact>) -> Roster {
    let mut roster = Roster::new(public(ROOT));
    facts.into_iter().for_each(|fact| _ = roster.merge(told(fact)));
    roster
}

/// Who revoked whom, and the highest serial for each site and signer.
type Naive = (BTreeSet<(u8, u8)>, BTreeMap<(u8, u8), u64>);

/// The naive answer: withdrawn signers have signed nothing; of each site and signer the highest serial counts.
fn model(facts: &[Fact]) -> Naive {
    let is_void = |signer: u8| facts.contains(&Fact::Withdrawn(signer));
    let (mut revoked, mut recorded) = (BTreeSet::new(), BTreeMap::new());
    for fact in facts {
        match *fact {
            Fact::Revoked { site, signer } if !is_void(signer) => _ = revoked.insert((site, signer)),
            Fact::Recorded { site, signer, serial } if !is_void(signer) => {
                let highest: &mut u64 = recorded.entry((site, signer)).or_default();
                *highest = serial.max(*highest);
            }
            _ => {}
        }
    }
    (revoked, recorded)
}

fn assert_is(roster: &Roster, facts: &[Fact]) {
    let (revoked, recorded) = model(facts);
    let sites = 11..=15_u8;
    for (site, signer) in sites.flat_map(|site| (1..=3_u8).map(move |signer| (site, signer))) {
        let id = patronus_wire::site_id(&public(site));
        let found = roster.revocations.get(&id).is_some_and(|by_signer| by_signer.get(&public(signer)).is_some());
        assert_eq!(found, revoked.contains(&(site, signer)), "revocation of {site} by {signer}");
        let found = roster.records.get(&id).and_then(|by_signer| by_signer.get(&public(signer)));
        let expected = recorded.get(&(site, signer)).copied();
        assert_eq!(found.map(|record| record.serial), expected, "record of {site} by {signer}");
    }
}

/// Each takes from the other what its summary says it lacks.
fn exchange(one: &mut Roster, other: &mut Roster) {
    for _ in 0..2 {
        let (buckets, _) = one.summary().differences(&other.summary());
        one.bundles(buckets, 1_100).into_iter().for_each(|bundle| _ = other.merge(bundle));
        other.bundles(buckets, 1_100).into_iter().for_each(|bundle| _ = one.merge(bundle));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_and_any_repetition_make_the_same_roster(facts in vec(any_fact(), 0..30), again in vec(any::<prop::sample::Index>(), 0..30), seed: u64) {
        let in_order = roster(facts.iter().copied());
        let mut shuffled = facts.clone();
        shuffled.extend(again.iter().filter(|_| !facts.is_empty()).map(|index| *index.get(&facts)));
        shuffled.sort_by_key(|fact| patronus_wire::sha256(&[format!("{fact:?}{seed}").as_bytes()]));
        let shuffled = roster(shuffled);
        prop_assert_eq!(&in_order, &shuffled);
        prop_assert_eq!(in_order.digest(), shuffled.digest());
        assert_is(&in_order, &facts);
    }

    #[test]
    fn what_either_has_lost_an_exchange_brings(facts in vec((any_fact(), any::<bool>(), any::<bool>()), 0..30)) {
        let heard = |by: fn(&(Fact, bool, bool)) -> bool| {
            roster(facts.iter().filter(|fact| by(fact)).map(|(fact, ..)| *fact))
        };
        let (mut one, mut other) = (heard(|fact| fact.1), heard(|fact| fact.2));
        exchange(&mut one, &mut other);
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.summary(), other.summary());
        let all: Vec<Fact> = facts.iter().filter(|fact| fact.1 || fact.2).map(|(fact, ..)| *fact).collect();
        assert_is(&one, &all);
    }
}

#[test]
fn of_two_records_with_one_serial_the_same_one_stays_everywhere() {
    let network = network_id(&public(ROOT));
    let named = |name: &str| {
        let record = SiteRecord { name: name.parse().unwrap(), network, ..record(11, 1, 1).claims().clone() };
        record.sign(&key(1)).unwrap().into_unverified()
    };
    let merged = |names: [&str; 2]| {
        let mut roster = roster([]);
        roster.merge_signer(certificate(1, Standing::Active)).unwrap();
        names.into_iter().for_each(|name| _ = roster.merge_record(named(name)));
        roster
    };
    assert_eq!(merged(["red", "blue"]), merged(["blue", "red"]));
}

#[test]
fn more_signers_than_the_limit_end_as_the_same_signers_in_any_order() {
    let count = limit::SIGNERS as u8 + 1;
    let merged = |order: &mut dyn Iterator<Item = u8>| {
        let mut roster = roster([]);
        let refused = order.filter(|number| {
            let outcome = roster.merge_signer(certificate(*number, Standing::Active));
            let _ = roster.merge_record(record(200, *number, 1));
            outcome == Err(Refusal::TooManySigners)
        });
        let refused = refused.count();
        (roster, refused)
    };
    let (up, _) = merged(&mut (1..=count));
    let (down, _) = merged(&mut (1..=count).rev());
    assert_eq!(up, down);
    assert_eq!(up.signers.len(), limit::SIGNERS);
    assert_eq!(up.objects().count(), 2 * limit::SIGNERS, "a signer that is none any more leaves nothing behind");
    let last = *up.signers.keys().next_back().unwrap();
    let above = (1..=255).map(public).find(|key| *key > last).unwrap();
    let mut full = up;
    let number = (1..=255).find(|number| public(*number) == above).unwrap();
    assert_eq!(full.merge_signer(certificate(number, Standing::Active)), Err(Refusal::TooManySigners));
}

/// The limits of sites and revocations by their one function, with small limits: 2,048 signatures say no more.
#[test]
fn more_sites_than_the_limit_end_as_the_same_sites_in_any_order() {
    let objects: Vec<Verified<Revocation>> =
        (11..=15).map(|site| revocation(site, 1).verify(&public(1)).unwrap()).collect();
    let inserted = |order: Vec<&Verified<Revocation>>| {
        let mut map = BTreeMap::new();
        let insert = |object: &Verified<Revocation>| {
            insert(&mut map, 4, Refusal::TooManyRevocations, object.site, object.clone())
        };
        let refused = order.into_iter().map(insert).filter(Result::is_err).count();
        (map, refused)
    };
    let mut sorted: Vec<_> = objects.iter().collect();
    sorted.sort_by_key(|object| object.site);
    let (up, refused) = inserted(sorted.clone());
    assert_eq!((up.len(), refused), (4, 1));
    sorted.reverse();
    let (down, refused) = inserted(sorted);
    assert_eq!((down.len(), refused), (4, 0));
    assert_eq!(up, down);
}

#[test]
fn bundles_keep_to_their_size_and_bring_their_signers() {
    let facts = (11..=15).flat_map(|site| (1..=3).map(move |signer| Fact::Recorded { site, signer, serial: 1 }));
    let full = roster(facts);
    for bundle in full.bundles(BucketSet(u64::MAX), 1_000) {
        let bytes = bundle.signers.iter().map(|it| it.as_bytes().len()).sum::<usize>()
            + bundle.records.iter().map(|it| it.as_bytes().len()).sum::<usize>();
        assert!(bytes <= 1_000, "{bytes}");
        let mut alone = roster([]);
        assert!(alone.merge(bundle).iter().all(Result::is_ok), "understood without any other");
    }
}
