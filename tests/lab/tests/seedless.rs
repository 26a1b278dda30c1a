//! Sites behind providers of their own, when no seed answers any more: what is new reaches everybody through the tunnels that there are.
//!
//! What is asserted are states; how long it took is printed.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Instant;

use common::{programs, tcp};
use patronus_ipc::{
    mesh::{Reply, Request, Standing, State},
    tunnel::PathStatus,
};
use patronus_lab::{Net, Wiring};

const SITES: u8 = 4;

fn founded() -> Net {
    let net = Net::new(&programs(), SITES, 1, Wiring::Routed);
    net.found();
    net.sites.iter().for_each(|site| _ = site.wait_for_paths(usize::from(SITES) - 1));
    net
}

/// Waits until the sites with these numbers see it so.
fn wait_for(net: &Net, numbers: &[usize], what: &str, wanted: impl Fn(&State) -> bool) {
    let began = Instant::now();
    for number in numbers {
        net.sites[number - 1].wait_for_mesh(what, &wanted);
    }
    println!("{what}: known to all after {:?}", began.elapsed());
}

#[test]
fn without_seeds_names_revocations_and_endpoints_reach_all_through_tunnels() {
    let mut net = founded();
    net.kill_seeds();

    let name = "renamed";
    let rename = Request::Rename { site: net.sites[1].id(), name: name.parse().unwrap() };
    assert_eq!(net.sites[0].ask(&rename), Reply::Accepted);
    wait_for(&net, &[2, 3, 4], "a new name", |state| state.sites.iter().any(|site| site.name.as_str() == name));

    // All that others know of where site 3 is becomes wrong at once.
    let moved = net.sites[2].id();
    net.readdress(3, 0, 77);
    let is_there = |state: &State| {
        let site = state.sites.iter().find(|site| site.id == moved);
        let mut endpoints = site.into_iter().flat_map(|site| &site.uplinks).flat_map(|uplink| &uplink.endpoints);
        endpoints.any(|endpoint| endpoint.ip().to_string() == "203.0.3.77")
    };
    wait_for(&net, &[1, 2, 4], "a new endpoint", is_there);
    let is_up = |path: &patronus_ipc::tunnel::PathState| {
        path.status == PathStatus::Up && path.endpoint.is_some_and(|at| at.ip().to_string() == "203.0.3.77")
    };
    for number in [0, 1, 3] {
        net.sites[number].wait_for_tunnel("a path to there", |state| {
            state.paths.iter().any(|path| path.peer == moved && is_up(path))
        });
    }
    tcp(&net.sites[1], &net.sites[2]);

    let gone = net.sites[3].id();
    assert_eq!(net.sites[0].ask(&Request::Revoke { site: gone }), Reply::Accepted);
    wait_for(&net, &[1, 2, 3], "a revocation", |state| {
        state.sites.iter().any(|site| site.id == gone && site.standing == Standing::Revoked)
    });
    for number in [0, 1, 2] {
        net.sites[number].wait_for_tunnel("no path to it", |state| state.paths.iter().all(|path| path.peer != gone));
    }
}
