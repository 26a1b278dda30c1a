//! Five whole sites with two uplinks each: they mesh, and stay a mesh through restarts, revocation, loss and cuts.
//!
//! What is asserted are counts and states; how long it took is printed.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Instant;

use common::programs;
use patronus_ipc::{
    mesh::{Reply, Request, Standing, State},
    tunnel::{self, PathState, PathStatus},
};
use patronus_lab::{
    Net, Whole, Wiring, carry,
    impair::Settings,
    relay::Direction,
    status::{Held, Status},
};

const SITES: u8 = 5;
const UPLINKS: u8 = 2;
/// Of one site: to each other one, each uplink here with each there.
const PATHS: usize = 4 * 2 * 2;

fn all_paths_up(net: &Net, what: &str, began: Instant) {
    for site in &net.sites {
        site.wait_for_paths(PATHS);
    }
    println!("{what}: all {} paths up after {:?}", PATHS * net.sites.len(), began.elapsed());
}

/// From a computer behind one site to one behind another.
fn tcp(from: &Whole, to: &Whole, bytes: usize) {
    carry::tcp(from.host(), to.host(), &to.host_address(), bytes);
}

fn founded(wiring: Wiring) -> Net {
    let net = Net::new(&programs(), SITES, UPLINKS, wiring);
    let began = Instant::now();
    net.found();
    all_paths_up(&net, &format!("{wiring:?}"), began);
    // Also those that only tunnels connect.
    for site in &net.sites {
        let heard = |state: &State| state.sites.iter().filter(|site| site.is_active).count() == usize::from(SITES);
        site.wait_for_mesh("everybody heard", heard);
    }
    net
}

#[test]
fn on_one_lan_five_sites_mesh_restart_and_lose_a_member() {
    let mut net = founded(Wiring::OneLan);
    let status = net.sites[0].runtime().block_on(Status::of(&net.held())).unwrap();
    assert!(status.sites.iter().all(|site| (site.standing, site.active, site.known) == ("member", 5, 5)), "{status:?}");
    assert_eq!(status.paths.iter().filter(|path| path.state == "up").count(), PATHS * 5);
    assert_eq!(status.lines().lines().count(), 5 + PATHS * 5);
    tcp(&net.sites[1], &net.sites[4], 1 << 20);

    let began = Instant::now();
    net.sites[2].restart();
    net.sites[2].wait_for_mesh("its membership again", |state| state.network.is_some());
    all_paths_up(&net, "after a restart", began);
    tcp(&net.sites[0], &net.sites[2], 1 << 20);

    let began = Instant::now();
    let gone = net.sites[4].id();
    assert_eq!(net.sites[0].ask(&Request::Revoke { site: gone }), Reply::Accepted);
    for site in &net.sites[..4] {
        site.wait_for_mesh("the revocation", |state| {
            state.sites.iter().any(|site| site.id == gone && site.standing == Standing::Revoked && !site.is_active)
        });
        let state = site.wait_for_paths(PATHS - 4);
        assert!(state.paths.iter().all(|path| path.peer != gone));
    }
    println!("revoked, and without a path to it after {:?}", began.elapsed());

    // Its identity is gone for ever. The box, as new, joins as another site.
    let began = Instant::now();
    net.sites[4].reset();
    net.sites[4].join(&net.sites[0].make_token(5, &[]));
    all_paths_up(&net, "after the box has joined anew", began);
    assert_ne!(net.sites[4].id(), gone);
    tcp(&net.sites[4], &net.sites[0], 1 << 20);
}

#[test]
fn through_a_seed_five_sites_mesh_and_heal_after_silence_and_loss() {
    let mut net = founded(Wiring::Routed);
    tcp(&net.sites[3], &net.sites[1], 1 << 20);

    // Cut off without a word: while it is, the others learn of a new name.
    net.cut(4, true);
    let (renamed, name) = (net.sites[1].id(), "renamed");
    let rename = Request::Rename { site: renamed, name: name.parse().unwrap() };
    assert_eq!(net.sites[0].ask(&rename), Reply::Accepted);
    let is_known = |state: &State| state.sites.iter().any(|site| site.name.as_str() == name);
    for number in [1, 2, 3, 5] {
        net.sites[number - 1].wait_for_mesh("the new name", is_known);
    }
    assert!(!is_known(&net.sites[3].wait_for_mesh("anything", |_| true)));
    let began = Instant::now();
    net.cut(4, false);
    net.sites[3].wait_for_mesh("the new name after the cut", is_known);
    println!("healed after {:?}", began.elapsed());
    all_paths_up(&net, "after the cut", began);

    // A bad line: TCP carries on over it.
    let bad = Settings { delay_us: 30_000, jitter_us: 10_000, lost: 20, reordered: 20, ..Settings::default() };
    for direction in [Direction::Out, Direction::In] {
        net.impair(2, 0, direction, bad);
    }
    tcp(&net.sites[0], &net.sites[1], 1 << 18);
    let lost = net.sites[1].wait_for_tunnel("loss counted", |state| state.paths.iter().any(|path| path.lost > 0));
    println!("lost on the bad line: {}", lost.paths.iter().map(|path| path.lost).sum::<u64>());

    // A line that carries one way only is no path: who says nothing back is not taken for up.
    net.impair(3, 1, Direction::In, Settings { silent: true, ..Settings::default() });
    net.sites[2].restart();
    let other_line_alone = |state: &tunnel::State| {
        let is_right = |path: &PathState| (path.status == PathStatus::Up) == (path.local.number() == 0);
        state.paths.len() == PATHS && state.paths.iter().all(is_right)
    };
    net.sites[2].wait_for_tunnel("the paths of one line up, those of the other not", other_line_alone);
    tcp(&net.sites[2], &net.sites[3], 1 << 18);
    let began = Instant::now();
    net.impair(3, 1, Direction::In, Settings::default());
    all_paths_up(&net, "after the line carries both ways again", began);
}

#[test]
fn a_lab_writes_down_where_its_sites_are() {
    let held = Held { pid: 7, sites: vec!["/somewhere".into()] };
    let text = serde_json::to_string(&held).unwrap();
    assert_eq!(text, r#"{"pid":7,"sites":["/somewhere"]}"#);
}
