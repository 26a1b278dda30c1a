//! Two sites with two uplinks each: every path is measured, and a line that fails is seen at both ends.
//!
//! What is asserted are states and shares; how long it took is printed.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Instant;

use common::{programs, tcp};
use patronus_ipc::{
    prober::{Liveness, PathReport, Rejected, Reply, Request, Span, State},
    tunnel,
};
use patronus_lab::{Bulk, Net, Whole, Wiring, carry::MEGABYTE, eventually, impair::Settings, relay::Direction};

const PATHS: usize = 4;

fn measured() -> Net {
    let net = Net::new(&programs(), 2, 2, Wiring::OneLan);
    net.found();
    for site in &net.sites {
        let began = Instant::now();
        site.wait_for_prober("all paths up and measured", |state| {
            let is_measured = |path: &PathReport| path.liveness == Liveness::Up && path.measured.rtt_p95_us.is_some();
            state.paths.len() == PATHS && state.paths.iter().all(is_measured)
        });
        println!("measured after {:?}", began.elapsed());
        // As `router` will: all of them carry traffic.
        let all = site.wait_for_prober("anything", |_| true).paths.iter().map(PathReport::id).collect();
        assert_eq!(site.ask_prober(&Request::Roles(all)), Reply::Accepted);
    }
    net
}

/// The paths over the second uplink of the first site, as seen from an end.
fn over_the_line<'s>(state: &'s State, site: &Whole) -> impl Iterator<Item = &'s PathReport> + use<'s> {
    let is_first = site.number == 1;
    state.paths.iter().filter(move |path| if is_first { path.local } else { path.remote }.number() == 1)
}

fn wait_for(net: &Net, wanted: Liveness) {
    let began = Instant::now();
    for site in &net.sites {
        site.wait_for_prober(&format!("{wanted:?}"), |state| {
            let others = state.paths.iter().filter(|path| !over_the_line(state, site).any(|other| other == *path));
            over_the_line(state, site).all(|path| path.liveness == wanted)
                && others.into_iter().all(|path| path.liveness != Liveness::Down)
        });
        println!("site {}: {wanted:?} after {:?}", site.number, began.elapsed());
    }
}

#[test]
fn a_line_that_fails_either_way_is_down_at_both_ends_and_up_again_after_its_hold() {
    let mut net = measured();
    let silent = Settings { silent: true, ..Settings::default() };
    let set = |directions: &[Direction], settings: Settings| {
        println!("{directions:?}: {}", if settings.silent { "silent" } else { "good" });
        directions.iter().for_each(|direction| net.impair(1, 1, *direction, settings));
    };
    set(&[Direction::Out, Direction::In], silent);
    wait_for(&net, Liveness::Down);
    set(&[Direction::Out, Direction::In], Settings::default());
    wait_for(&net, Liveness::Holding);
    wait_for(&net, Liveness::Up);
    set(&[Direction::Out], silent);
    wait_for(&net, Liveness::Down);
    set(&[Direction::Out], Settings::default());
    wait_for(&net, Liveness::Holding);
    set(&[Direction::In], silent);
    wait_for(&net, Liveness::Down);
    // Without its prober a site carries what it carries.
    net.sites[1].kill("prober");
    tcp(&net.sites[0], &net.sites[1]);
}

#[test]
fn loss_is_measured_by_direction_and_is_not_death() {
    let net = measured();
    let lossy = Settings { lost: 50, ..Settings::default() };
    net.impair(1, 1, Direction::Out, lossy);
    let is_lossy = |ppm: Option<u32>| ppm.is_some_and(|ppm| (30_000..70_000).contains(&ppm));
    let state = net.sites[0].wait_for_prober("about 5 %", |state| {
        assert!(state.paths.iter().all(|path| path.liveness != Liveness::Down), "{state:#?}");
        over_the_line(state, &net.sites[0])
            .all(|path| is_lossy(path.measured.loss_out_ppm) && path.measured.loss_in_ppm < Some(10_000))
    });
    println!("{state:#?}");
    net.sites[1].wait_for_prober("the same at the other end", |state| {
        over_the_line(state, &net.sites[1])
            .all(|path| is_lossy(path.measured.loss_in_ppm) && path.measured.loss_out_ppm < Some(10_000))
    });
}

#[test]
fn a_test_tells_what_a_slow_line_carries_each_way_and_that_a_dead_one_does_not_answer() {
    let net = measured();
    let slow = |rate_kbit| Settings { rate_kbit, delay_us: 5_000, ..Settings::default() };
    net.impair(1, 1, Direction::Out, slow(8_000));
    net.impair(1, 1, Direction::In, slow(40_000));
    let path = |site: &Whole| {
        let state = site.wait_for_prober("the path, slow", |state| {
            over_the_line(state, site).all(|path| path.liveness == Liveness::Up && path.measured.rtt_us > Some(9_000))
        });
        over_the_line(&state, site).next().unwrap().id()
    };
    let ids = [path(&net.sites[0]), path(&net.sites[1])];
    for (site, id, kbit) in [(&net.sites[0], ids[0], 8_000), (&net.sites[1], ids[1], 40_000)] {
        let Reply::Tested(tested) = site.ask_prober(&Request::Test(id)) else { panic!("not tested") };
        println!("{kbit} kbit/s: {tested:?}");
        // What else is on the line, and a machine that is busy, take their part.
        assert!(tested.capacity_kbit.is_some_and(|told| (kbit / 4..kbit * 4).contains(&told)), "{tested:?}");
        assert!(tested.load_received_bytes > 0 && tested.rtt_min_us > Some(9_000), "{tested:?}");
    }
    net.impair(1, 1, Direction::Out, Settings { silent: true, ..Settings::default() });
    wait_for(&net, Liveness::Down);
    assert_eq!(net.sites[0].ask_prober(&Request::Test(ids[0])), Reply::Rejected(Rejected::PathDown));
}

#[test]
fn a_line_that_becomes_narrow_and_says_nothing_is_found_out_and_a_download_goes_on() {
    let net = measured();
    let is_whole = |state: &tunnel::State| state.paths.iter().all(|path| path.longest == Some(1440));
    net.sites[0].wait_for_tunnel("paths that carry what their links do", is_whole);
    let download = Bulk::start(net.sites[0].host(), net.sites[1].host(), &net.sites[1].host_address());
    eventually("a download", || download.received() > MEGABYTE as u64, String::new);
    for (uplink, direction) in [0, 1].into_iter().flat_map(|uplink| [(uplink, Direction::Out), (uplink, Direction::In)])
    {
        net.impair(1, uplink, direction, Settings { longest: 1_280, ..Settings::default() });
    }
    // 1,280 bytes less headers and seal, a multiple of 16.
    let began = Instant::now();
    net.sites[0]
        .wait_for_tunnel("a path that is narrow", |state| state.paths.iter().any(|path| path.longest == Some(1_216)));
    println!("found out after {:?}", began.elapsed());
    let before = download.received();
    eventually("it goes on", || download.received() > before + MEGABYTE as u64, || net.sites[0].story());
    println!("the download paused for {:?}", download.longest_pause());
    let _ = download.finish();
    // Connections that begin now, of which the other end sends most.
    tcp(&net.sites[1], &net.sites[0]);
    tcp(&net.sites[0], &net.sites[1]);
}

#[test]
fn what_was_measured_is_there_after_a_restart() {
    let mut net = measured();
    let path = net.sites[0].wait_for_prober("anything", |_| true).paths[0].id();
    let ask = |net: &Net| match net.sites[0].ask_prober(&Request::History { path, span: Span::Hour }) {
        Reply::History(points) => points,
        other => panic!("{other:?}"),
    };
    assert!(ask(&net).is_empty());
    // A point is made every ten seconds, and all are kept when the service ends.
    net.sites[0].wait_for_prober("a stretch and a half", |state| state.generation.0 > 30);
    net.sites[0].terminate("prober");
    net.sites[0].start_again("prober");
    let points = ask(&net);
    assert!(points.iter().any(|point| point.rtt_us.is_some() && point.up_ppm > 0), "{points:?}");
}
