//! Real sites on one switch: found, join, hear each other, restart, revoke.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod lab;

use std::time::Instant;

use lab::{Box_, Internet, Switch};
use patronus_ipc::mesh::{Reply, Request, Standing};
use patronus_types::{Ipv6Net, RootSecret};

#[test]
fn a_network_is_founded_two_sites_join_it_and_all_hear_each_other() {
    let switch = Switch::new();
    let [first, second, third] = [1, 2, 3].map(|number| Box_::new(&switch, number));
    assert_eq!(
        first.rejection(&Request::MakeToken { valid_s: 60, roles: vec![], prefixes: vec![], seeds: vec![] }),
        "no-network"
    );
    let root_secret = first.create_network();
    assert_eq!(root_secret.len(), 64);
    assert_eq!(first.rejection(&Request::CreateNetwork), "in-a-network");

    let (token, other) = (first.make_token(&["10.2.0.0/16"]), first.make_token(&["10.3.0.0/16"]));
    let began = Instant::now();
    second.join(&token);
    second.wait_for_active(2);
    first.wait_for_active(2);
    println!("joined and heard on both sides after {:?}", began.elapsed());
    let began = Instant::now();
    third.join(&other);
    let states = [&first, &second, &third].map(|site| site.wait_for_active(3));
    println!("the third joined and heard on all three after {:?}", began.elapsed());
    for state in &states {
        let known: Vec<(&str, String)> =
            state.sites.iter().map(|site| (site.name.as_str(), site.prefixes[0].to_string())).collect();
        let expected = [("site-1", "10.1.0.0/16"), ("site-2", "10.2.0.0/16"), ("site-3", "10.3.0.0/16")];
        assert_eq!(known, expected.map(|(name, prefix)| (name, prefix.to_owned())));
        assert_eq!(state.sites[1].uplinks[0].key, [2; 32]);
        let reachable = ["192.0.2.2:51830", "198.51.100.7:4242"].map(|endpoint| endpoint.parse().unwrap());
        assert_eq!(state.sites[1].uplinks[0].endpoints, reachable, "its own address, and where others see it");
    }
    // `tunnel` is told of both others, and of what each may send.
    for (site, others) in [(&first, [2, 3]), (&second, [1, 3]), (&third, [1, 2])] {
        let told = site.wait_for_wish("both others", |wish| wish.peers.len() == 2);
        let mut keys: Vec<u8> = told.peers.iter().map(|peer| peer.slots[0].public_key.0[0]).collect();
        keys.sort_unstable();
        assert_eq!(keys, others);
        for peer in told.peers {
            let network = states[0].network.as_ref().unwrap().id;
            let inner = Ipv6Net::from(patronus_wire::inner_address(network, peer.site)).into();
            let granted = format!("10.{}.0.0/16", peer.slots[0].public_key.0[0]).parse().unwrap();
            assert_eq!(peer.prefixes, [granted, inner]);
        }
    }
    let tokens =
        first.wait_for("both tokens used", |state| state.tokens.iter().all(|token| token.used.is_some())).tokens;
    assert_eq!(tokens.len(), 2);
    assert!(third.rejection(&Request::Revoke { site: second.id() }) == "not-a-signer");
}

#[test]
fn a_token_lets_one_site_in_and_tells_the_next_why_not() {
    let switch = Switch::new();
    let [first, second, third] = [1, 2, 3].map(|number| Box_::new(&switch, number));
    first.create_network();
    let token = first.make_token(&["10.2.0.0/16"]);
    second.join(&token);
    second.wait_for_active(2);
    third.join(&token);
    let state =
        third.wait_for("a reason", |state| state.joining.as_ref().is_some_and(|joining| joining.problem.is_some()));
    assert_eq!(state.joining.unwrap().problem.unwrap().code, "token-used");
    assert!(state.network.is_none());
    // With a good one it joins after all; mistyped ones are told at once.
    assert_eq!(third.rejection(&Request::Join { token: "hello".into(), prefixes: vec![] }), "token-not-one");
    third.join(&first.make_token(&["10.3.0.0/16"]));
    third.wait_for_active(3);
}

#[test]
fn a_site_that_was_killed_is_back_at_once_and_nobody_calls_it_a_replay() {
    let switch = Switch::new();
    let [first, mut second] = [1, 2].map(|number| Box_::new(&switch, number));
    first.create_network();
    second.join(&first.make_token(&["10.2.0.0/16"]));
    first.wait_for_active(2);
    second.wait_for_active(2);
    let network = second.wait_for("a network", |state| state.network.is_some()).network;
    for _ in 0..3 {
        second.restart();
        let state = second.wait_for_active(2);
        assert_eq!(state.network, network);
    }
    let refused = first.wait_for_active(2).refused;
    assert!(!refused.contains_key("announcement-replayed"), "{refused:?}");
    assert!(!refused.contains_key("signature-invalid"), "{refused:?}");
}

#[test]
fn a_revoked_site_is_one_for_all_and_has_no_tunnels() {
    let switch = Switch::new();
    let [first, second, third] = [1, 2, 3].map(|number| Box_::new(&switch, number));
    first.create_network();
    for (site, prefix) in [(&second, "10.2.0.0/16"), (&third, "10.3.0.0/16")] {
        site.join(&first.make_token(&[prefix]));
        site.wait_for("to be a member", |state| state.network.is_some());
    }
    second.wait_for_active(3);
    assert_eq!(first.ask(&Request::Revoke { site: third.id() }), Reply::Accepted);
    let revoked = third.id();
    for site in [&first, &second] {
        let is_revoked = |state: &patronus_ipc::mesh::State| {
            state.sites.iter().any(|site| site.id == revoked && site.standing == Standing::Revoked && !site.is_active)
        };
        site.wait_for("the revocation", is_revoked);
        site.wait_for_wish("one tunnel less", |wish| {
            // Who still speaks to it is not let out by an uplink.
            let is_closed = wish.closed.contains(&"10.3.0.0/16".parse().unwrap());
            is_closed && wish.peers.len() == 1 && wish.peers.iter().all(|peer| peer.site != revoked)
        });
    }
    assert_eq!(first.rejection(&Request::Revoke { site: first.id() }), "own-site");
}

/// First and second share a LAN; the third and the fourth are behind a router, and know each other through the seed alone.
#[test]
fn sites_behind_a_router_join_through_a_seed_and_learn_of_all_others() {
    let internet = Internet::new();
    let [first, second] = [1, 2].map(|number| Box_::new(&internet.near, number));
    let far = Box_::at(&internet.far, 3, "198.51.100");
    first.create_network();
    second.join(&first.make_token(&["10.2.0.0/16"]));
    second.wait_for_active(2);
    let began = Instant::now();
    far.join(&first.make_token_with(&["10.3.0.0/16"], &["192.0.2.1:51822"]));
    far.wait_for("a network", |state| state.network.is_some());
    println!("joined through a seed after {:?}", began.elapsed());
    // Both know where to try the other, though they have never heard each other.
    for (site, other, address) in [(&far, second.id(), "192.0.2.2:51830"), (&second, far.id(), "198.51.100.3:51830")] {
        let knows = |state: &patronus_ipc::mesh::State| {
            let found = state.sites.iter().find(|site| site.id == other);
            found.is_some_and(|site| {
                site.uplinks.iter().any(|uplink| uplink.endpoints.first() == address.parse().ok().as_ref())
            })
        };
        site.wait_for("the other's whereabouts", knows);
    }
    println!("known to all after {:?}", began.elapsed());
    first.wait_for_active(3);
    // A revocation goes the same way.
    assert_eq!(first.ask(&Request::Revoke { site: second.id() }), Reply::Accepted);
    let gone = second.id();
    far.wait_for("the revocation", |state| {
        state.sites.iter().any(|site| site.id == gone && site.standing == Standing::Revoked)
    });
    // Who is revoked is not talked to any more, however often he calls.
    assert_eq!(first.ask(&Request::Revoke { site: far.id() }), Reply::Accepted);
    first.wait_for("the calls", |state| state.refused.get("site-revoked").is_some_and(|count| *count >= 2));
}

#[test]
fn a_seed_that_is_not_reached_is_told_until_it_is() {
    let internet = Internet::new();
    let (first, far) = (Box_::new(&internet.near, 1), Box_::at(&internet.far, 3, "198.51.100"));
    first.create_network();
    let code = |state: &patronus_ipc::mesh::State| {
        Some(state.joining.as_ref()?.problem.as_ref()?.code.clone()).filter(|_| state.network.is_none())
    };
    far.join(&first.make_token_with(&["10.3.0.0/16"], &["192.0.2.77:51822"]));
    let state = far.wait_for("a reason", |state| code(state).as_deref() == Some("seed-unreachable"));
    assert!(state.joining.unwrap().problem.unwrap().message.contains("192.0.2.77:51822"));
    far.join(&first.make_token_with(&["10.3.0.0/16"], &["192.0.2.1:51822"]));
    far.wait_for("a network", |state| state.network.is_some() && state.joining.is_none());
}

/// What was accepted is kept: nobody pastes the token again because of a power cut.
#[test]
fn a_wish_to_join_outlives_a_restart() {
    let switch = Switch::new();
    let (first, mut second) = (Box_::new(&switch, 1), Box_::new(&switch, 2));
    first.create_network();
    switch.plug(2, false);
    second.join(&first.make_token(&["10.2.0.0/16"]));
    second.restart();
    second.wait_for("the wish", |state| state.joining.is_some());
    switch.plug(2, true);
    second.wait_for("a network", |state| state.network.is_some() && state.joining.is_none());
    // A wish that was granted is none any more.
    second.restart();
    second.wait_for("the network", |state| state.network.is_some() && state.joining.is_none());
}

/// The box has no file that names a resolver: those of its uplinks are asked, as soon as one answers.
#[test]
fn a_seed_may_have_a_name() {
    let internet = Internet::new();
    let (first, far) = (Box_::new(&internet.near, 1), Box_::at(&internet.far, 3, "198.51.100"));
    first.create_network();
    far.join(&first.make_token_with(&["10.3.0.0/16"], &["head-office.example:51822"]));
    let problem = |state: &patronus_ipc::mesh::State| Some(state.joining.as_ref()?.problem.as_ref()?.message.clone());
    far.wait_for("a reason", |state| problem(state).is_some_and(|told| told.contains("head-office.example")));
    far.inside.serve_names("192.0.2.1".parse().unwrap());
    far.wait_for("a network", |state| state.network.is_some() && state.joining.is_none());
}

/// The seed cannot decide: it hands the wish on. While the box that made the token is away, that is told.
#[test]
fn a_token_of_a_signer_that_is_no_seed_works_through_any_seed() {
    let internet = Internet::new();
    let (first, mut second) = (Box_::new(&internet.near, 1), Box_::new(&internet.near, 2));
    let far = Box_::at(&internet.far, 3, "198.51.100");
    let root = RootSecret([0x5a; 32]);
    assert_eq!(first.ask(&Request::FoundNetwork { root: root.clone() }), Reply::Accepted);
    second.join(&first.make_token(&["10.2.0.0/16"]));
    second.wait_for("a network", |state| state.network.is_some());
    assert_eq!(second.ask(&Request::MakeSigner { root }), Reply::Accepted);
    second.wait_for("to be a signer", |state| state.network.as_ref().is_some_and(|network| network.is_signer));
    let token = second.make_token_with(&["10.3.0.0/16"], &["192.0.2.1:51822"]);
    second.service.kill();
    far.join(&token);
    let code = |state: &patronus_ipc::mesh::State| Some(state.joining.as_ref()?.problem.as_ref()?.code.clone());
    far.wait_for("a reason", |state| code(state).as_deref() == Some("signer-silent"));
    second.service.start();
    far.wait_for("a network", |state| state.network.is_some() && state.joining.is_none());
    // Three members and the token's maker: nobody else was asked.
    let refused = first.wait_for_active(3).refused;
    assert!(!refused.contains_key("answer-unexpected"), "{refused:?}");
}

/// With the seed away, a site that restarts has everybody's whereabouts on its own disk.
#[test]
fn a_site_starts_cold_without_any_seed() {
    let internet = Internet::new();
    let mut first = Box_::new(&internet.near, 1);
    let mut far = Box_::at(&internet.far, 3, "198.51.100");
    first.create_network();
    far.join(&first.make_token_with(&["10.3.0.0/16"], &["192.0.2.1:51822"]));
    let seed = first.id();
    let knows =
        |state: &patronus_ipc::mesh::State| state.sites.iter().any(|site| site.id == seed && !site.uplinks.is_empty());
    far.wait_for("the seed's whereabouts", knows);
    let before = far.wait_for_wish("the seed", |wish| wish.peers.len() == 1);
    first.service.kill();
    far.restart();
    // A wish of this start: from the disk alone, as nobody is there to ask.
    let after = far.wait_for_wish("what it knew", |wish| wish.generation > before.generation);
    assert_eq!(after.peers, before.peers);
}
