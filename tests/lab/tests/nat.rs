//! Sites behind every kind of translator: directly where that can be, through a relay where it cannot, and directly again as soon as it can.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{path::PathBuf, time::Instant};

use patronus_ipc::tunnel::{PathState, PathStatus, State};
use patronus_lab::{Net, Whole, Wiring, carry, nat::Kind};
use patronus_types::SiteId;

/// The first site has an address of its own, and is seed and relay; behind it come two of each kind.
const SITES: u8 = 9;

/// The services' programs: `./scripts/test` says where it has built them.
fn programs() -> PathBuf {
    let named = std::env::var_os("PATRONUS_PROGRAMS").map(PathBuf::from);
    named.unwrap_or_else(|| std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned())
}

/// What is before a site.
fn kind(site: u8) -> Option<Kind> {
    site.checked_sub(2).map(|number| Kind::ALL[usize::from(number) % Kind::ALL.len()])
}

fn meet(a: &Whole, b: &Whole) -> bool {
    kind(a.number).zip(kind(b.number)).is_none_or(|(a, b)| a.meets(b))
}

fn path(state: &State, to: SiteId) -> Option<&PathState> {
    state.paths.iter().find(|path| path.peer == to)
}

/// Waits until every path of a site goes as theory has it.
fn wait_for_ways(net: &Net, site: &Whole) {
    let relay = net.sites[0].id();
    let others: Vec<_> = net.sites.iter().filter(|other| other.number != site.number).collect();
    let ways: Vec<_> = others.iter().map(|other| (other.id(), (!meet(site, other)).then_some(relay))).collect();
    site.wait_for_tunnel(&format!("all ways of site {}", site.number), |state| {
        ways.iter()
            .all(|(peer, via)| path(state, *peer).is_some_and(|path| path.status == PathStatus::Up && path.via == *via))
    });
}

#[test]
fn behind_translators_pairs_meet_directly_where_theory_allows_and_through_the_relay_where_not() {
    let mut net = Net::new(&programs(), SITES, 1, Wiring::Routed);
    for site in 2..=SITES {
        net.translate(site, 0, kind(site).unwrap());
    }
    let began = Instant::now();
    net.found();
    for site in &net.sites {
        site.wait_for_paths(usize::from(SITES) - 1);
    }
    println!("all up, one way or the other, after {:?}", began.elapsed());
    for site in &net.sites {
        wait_for_ways(&net, site);
    }
    println!("all pairs as theory has it after {:?}", began.elapsed());

    // Two behind symmetric translators, who cannot meet: full frames, and a datagram longer than the relayed path.
    let (one, other) = (&net.sites[4], &net.sites[8]);
    carry::tcp(one.host(), other.host(), &other.host_address(), 1 << 20);
    carry::tcp(other.host(), one.host(), &one.host_address(), 1 << 20);
    // Both ends have to learn first how long a packet may be.
    assert!(carry::ping(one.host(), other.host(), &other.host_address(), 1_400) <= 3);
    let (relay, far) = (net.sites[0].id(), other.id());
    one.wait_for_tunnel("relayed", |state| path(state, far).is_some_and(|path| path.via == Some(relay)));
    // And two whom only their own attempts have opened the way for.
    carry::tcp(net.sites[3].host(), net.sites[7].host(), &net.sites[7].host_address(), 1 << 20);

    // A way that carries in one direction only is none.
    let (deaf, heard) = (&net.sites[1], &net.sites[2]);
    let began = Instant::now();
    net.block(0, heard.number, deaf.number);
    carry::ping(deaf.host(), heard.host(), &heard.host_address(), 1_000);
    let heard = heard.id();
    deaf.wait_for_tunnel("relayed, too", |state| path(state, heard).is_some_and(|path| path.via == Some(relay)));
    println!("left a line of one way only after {:?}", began.elapsed());

    // One of them gets a better line: the path becomes direct, and the session stays.
    let began = Instant::now();
    net.translate(5, 0, Kind::FullCone);
    carry::tcp(one.host(), other.host(), &other.host_address(), 1 << 16);
    let is_direct = |state: &State| path(state, far).is_some_and(|path| path.via.is_none() && path.endpoint.is_some());
    let state = one.wait_for_tunnel("direct", is_direct);
    println!("direct {:?} after the way has opened", began.elapsed());
    let age_ms = path(&state, far).unwrap().session_age_ms.unwrap();
    assert!(u128::from(age_ms) >= began.elapsed().as_millis(), "a new session");
    carry::tcp(one.host(), other.host(), &other.host_address(), 1 << 20);

    // Another gets a port forward, and its document says so: then even those reach it who cannot meet its translator.
    let began = Instant::now();
    let at = net.translate_and_forward(SITES, 0, Kind::Symmetric, 6_000, 51_830);
    net.sites[8].configure(|document| document.uplinks[0].reachable_at = vec![at]);
    let far = net.sites[8].id();
    let is_forwarded =
        |state: &State| path(state, far).is_some_and(|path| path.via.is_none() && path.endpoint == Some(at));
    net.sites[3].wait_for_tunnel("direct by the port forward", is_forwarded);
    println!("direct {:?} after a port was forwarded", began.elapsed());
    carry::tcp(net.sites[3].host(), net.sites[8].host(), &net.sites[8].host_address(), 1 << 20);
}

#[test]
fn sites_at_providers_that_do_not_reach_each_other_meet_in_a_relay_that_is_at_both() {
    let net = Net::new(&programs(), 3, 2, Wiring::Routed);
    net.found();
    for site in &net.sites {
        site.wait_for_paths(8);
    }
    let began = Instant::now();
    net.part_providers();
    net.pull(2, 1);
    net.pull(3, 0);
    let (relay, one, other) = (net.sites[0].id(), &net.sites[1], &net.sites[2]);
    for (site, far, slots) in [(one, other, (0, 1)), (other, one, (1, 0))] {
        let far = far.id();
        let is_carried = |path: &PathState| {
            let ends = (path.local.number(), path.remote.number());
            (path.peer, ends, path.status, path.via) == (far, slots, PathStatus::Up, Some(relay))
        };
        site.wait_for_tunnel("a path by the relay", |state| state.paths.iter().any(is_carried));
    }
    println!("carried from one provider's network to the other's {:?} after they were parted", began.elapsed());
    carry::tcp(one.host(), other.host(), &other.host_address(), 1 << 20);
    carry::tcp(other.host(), one.host(), &one.host_address(), 1 << 20);
}
