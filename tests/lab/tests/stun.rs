//! Sites behind translators that nobody sees but a STUN server.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use patronus_ipc::tunnel::{PathStatus, State};
use patronus_lab::{Net, Whole, Wiring, nat::Kind};
use patronus_types::Ipv4Method;

fn seen_from_outside(site: &Whole) -> State {
    site.wait_for_tunnel("a word of the STUN server", |state| state.slots[0].stun.iter().any(|it| it.seen.is_some()))
}

/// The first is the others' seed, and carries no tunnels: what the others know of each other's whereabouts, they know from themselves.
#[test]
fn two_sites_behind_translators_with_no_witness_but_stun_find_each_other() {
    let mut net = Net::new(&common::programs(), 3, 1, Wiring::Routed);
    net.mute(1);
    net.translate(2, 0, Kind::PortRestricted);
    net.translate(3, 0, Kind::Restricted);
    net.found();
    let [_, one, other] = net.sites.as_slice() else { panic!("three sites") };
    let pairs = [(1, other.id()), (2, one.id())];
    for (site, peer) in pairs {
        // They know each other, and have no way to each other.
        let state =
            net.sites[site].wait_for_tunnel("the other", |state| state.paths.iter().any(|path| path.peer == peer));
        assert!(state.paths.iter().all(|path| path.status == PathStatus::Down), "{state:?}");
        assert!(state.slots[0].seen.is_empty(), "{state:?}");
    }
    let (server, resolver) = net.serve_stun();
    for site in &mut net.sites[1..] {
        site.configure(|document| {
            document.discovery.stun = vec![server.parse().unwrap()];
            let Ipv4Method::Static { dns, .. } = &mut document.uplinks[0].ipv4 else { panic!("static") };
            *dns = vec![resolver];
        });
    }
    for (site, peer) in pairs {
        let slot = &seen_from_outside(&net.sites[site]).slots[0];
        let seen = slot.stun[0].seen.unwrap();
        assert_eq!(seen.ip().to_string(), outside(site));
        assert_ne!(seen.port(), slot.listen_port);
        assert_eq!(slot.seen, [seen]);
        let far = outside(3 - site);
        net.sites[site].wait_for_tunnel("a direct path", |state| {
            let mut to_peer = state.paths.iter().filter(|path| path.peer == peer && path.status == PathStatus::Up);
            to_peer.any(|path| path.via.is_none() && path.endpoint.is_some_and(|at| at.ip().to_string() == far))
        });
    }
    common::tcp(&net.sites[1], &net.sites[2]);
}

/// What a site has at its provider.
fn outside(index: usize) -> String {
    format!("203.0.{}.99", index + 1)
}
