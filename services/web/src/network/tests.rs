use patronus_ipc::mesh::Uplink;
use patronus_types::{SiteId, UplinkSlot};
use patronus_wire::{IdentityKey, Roles, TokenSecret};
use proptest::prelude::*;

use super::*;

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn token(prefixes: &[&str]) -> String {
    let prefixes = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
    // RFC 8032, section 7.1, test 1.
    let root = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
    let root = IdentityKey::from_bytes(&root.try_into().unwrap()).unwrap();
    let token =
        JoinToken { root, secret: TokenSecret([7; 16]), expires_s: 0, roles: Roles::SITE, prefixes, seeds: vec![] };
    token.to_text().unwrap()
}

#[test]
fn a_token_fits_the_lan_that_it_grants_and_says_which_one_otherwise() {
    let token = token(&["10.2.0.0/16"]);
    assert_eq!(check_token(&token, Some(net("10.2.7.1/24"))), Ok(()));
    assert_eq!(check_token(&format!(" {} \n", token.to_uppercase()), None), Ok(()));
    let Err(TokenProblem::Lan(message)) = check_token(&token, Some(net("192.168.42.1/24"))) else { panic!() };
    assert!(message.contains("10.2.0.0/16") && message.contains("10.2.0.1/24"), "{message}");
}

#[test]
fn what_is_no_token_says_what_to_do() {
    let whole = token(&["10.2.0.0/16"]);
    for (text, words) in
        [("", "begins with patronus1"), ("hello", "patronus1"), (&whole[..whole.len() - 1], "as a whole")]
    {
        let Err(TokenProblem::Token(message)) = check_token(text, None) else { panic!("{text}") };
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn the_next_lan_follows_ones_own_and_begins_anew_at_the_end() {
    assert_eq!(suggest_lan(net("192.168.42.1/24"), &[IpNet::V4(net("192.168.42.0/24"))]), Some(net("192.168.43.0/24")));
    let taken = ["192.168.42.0/24", "192.168.43.0/25", "192.168.44.0/23"].map(|text| IpNet::V4(net(text)));
    assert_eq!(suggest_lan(net("192.168.42.1/24"), &taken), Some(net("192.168.46.0/24")));
    assert_eq!(suggest_lan(net("192.168.255.1/24"), &taken), Some(net("192.168.0.0/24")));
    assert_eq!(suggest_lan(net("192.168.42.1/24"), &[IpNet::V4(net("192.168.0.0/16"))]), None);
    assert_eq!(suggest_lan(net("203.0.113.1/24"), &[]), None, "not a private network");
}

#[test]
fn prefixes_are_put_in_order_and_the_first_wrong_one_is_named() {
    let typed = words("10.2.1.7/24, fd00::/48\n10.1.0.0/16 10.2.1.0/24");
    let read = read_prefixes(&typed).unwrap();
    assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.1.0.0/16", "10.2.1.0/24", "fd00::/48"]);
    assert_eq!(read_prefixes(&words("10.1.0.0/16 ten")), Err("ten".to_owned()));
}

fn seed(role: Role, uplinks: &[&[&str]]) -> Site {
    let uplinks = uplinks.iter().map(|endpoints| Uplink {
        slot: UplinkSlot::new(0).unwrap(),
        key: [0; 32],
        endpoints: endpoints.iter().map(|endpoint| endpoint.parse().unwrap()).collect(),
    });
    Site {
        id: SiteId([1; 32]),
        name: "seed".parse().unwrap(),
        standing: Standing::Valid,
        is_active: true,
        heard_uptime_ms: None,
        roles: vec![role],
        prefixes: Vec::new(),
        member_since_unix_s: 0,
        valid_until_unix_s: 0,
        uplinks: uplinks.collect(),
    }
}

#[test]
fn seeds_are_named_by_one_address_of_each_uplink_and_public_ones_first() {
    let one = seed(Role::Seed, &[&["10.0.0.5:51830", "198.51.100.5:4500"], &["100.64.0.9:51831"]]);
    let two = seed(Role::Seed, &[&["203.0.113.7:51830"], &["[2001:db8::7]:51831"], &["203.0.113.7:51832"]]);
    let none = seed(Role::Site, &[&["203.0.113.9:51830"]]);
    let revoked = Site { standing: Standing::Revoked, ..two.clone() };
    let named = |sites: &[Site]| suggest_seeds(sites).iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = ["198.51.100.5:51822", "203.0.113.7:51822", "[2001:db8::7]:51822", "100.64.0.9:51822"];
    assert_eq!(named(&[one.clone(), none, two.clone()]), all);
    assert_eq!(named(&[seed(Role::Seed, &[&["203.0.113.1:1"]]), two, one]).len(), limit::SEEDS);
    assert_eq!(named(&[revoked]), Vec::<String>::new());
}

proptest! {
    #[test]
    fn a_suggestion_is_private_and_free(own in any::<u32>(), length in 8_u8..=30, taken in prop::collection::vec((any::<u16>(), 12_u8..=30), 0..40)) {
        let own = Ipv4Net::new(Ipv4Addr::from(own), length).unwrap();
        let taken: Vec<IpNet> = taken.into_iter()
            .map(|(host, length)| IpNet::V4(Ipv4Net::new(Ipv4Addr::from(0xc0a8_0000 | u32::from(host)), length).unwrap().trunc()))
            .collect();
        if let Some(lan) = suggest_lan(own, &taken) {
            prop_assert!(lan.addr().is_private());
            prop_assert!(taken.iter().all(|other| !overlap(other, &IpNet::V4(lan))));
        }
    }
}
