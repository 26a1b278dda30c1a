//! Two whole sites with three uplinks each: traffic between them takes good paths, and leaves those that fail.
//!
//! What is asserted are counts and states; how long it took is printed.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use common::{programs, tcp};
use patronus_ipc::{
    prober::{Liveness, PathId},
    router::{Cause, Mode, State, Way, What},
};
use patronus_lab::{
    Bulk, Net, Numbered, Whole, Wiring,
    carry::{MEGABYTE, Stream, numbered},
    eventually,
    impair::Settings,
    relay::Direction,
};
use patronus_types::{Class, ClassRule, Strategy};

const UPLINKS: u8 = 3;
const PATHS: usize = 9;
/// Of no class that is built in, and of calls.
const ANY: u16 = 7777;
const CALLS: u16 = 5060;
const SILENT: Settings =
    Settings { silent: true, delay_us: 0, jitter_us: 0, lost: 0, reordered: 0, rate_kbit: 0, longest: 0 };

/// One net at a time: what is measured here is felt by whoever else measures.
static TURN: Mutex<()> = Mutex::new(());

fn founded() -> Net {
    let net = Net::new(&programs(), 2, UPLINKS, Wiring::Routed);
    net.found();
    all_alive(&net);
    net
}

fn all_alive(net: &Net) {
    for site in &net.sites {
        site.wait_for_paths(PATHS);
        site.wait_for_prober("all paths alive", |state| {
            state.paths.len() == PATHS && state.paths.iter().all(|path| path.liveness == Liveness::Up)
        });
        site.wait_for_router("groups of all paths", |state| {
            state.sites.iter().any(|site| site.groups.iter().all(|group| group.ways.len() == PATHS))
        });
        site.wait_for_judged_tunnels(PATHS as u32);
    }
}

/// The path that carries a class from a site to the other.
fn first(site: &Whole, class: Class) -> Way {
    let state = site.wait_for_router("a path", |state| way(state, class).is_some());
    way(&state, class).unwrap()
}

fn way(state: &State, class: Class) -> Option<Way> {
    state.sites.first()?.group(class)?.ways.first().copied()
}

/// So many seconds of a stream from the first site to the second, in the middle of which something happens.
fn stream(net: &Net, port: u16, seconds: usize, what: &str, happens: impl FnOnce()) -> Stream {
    let (from, to) = (&net.sites[0], &net.sites[1]);
    let seen = numbered(from.host(), to.host(), (&to.host_address(), port), seconds * 1000, || {
        std::thread::sleep(Duration::from_secs(1));
        happens();
    });
    println!("{what}: {seen:?}");
    seen
}

fn failovers(state: &State) -> Vec<(PathId, Option<PathId>, Class, Cause, u32, u32)> {
    let failover = |what: &What| match what {
        What::FailoverTriggered { from, to, class, cause, detect_ms, switch_ms } => {
            Some((*from, *to, *class, *cause, *detect_ms, *switch_ms))
        }
        _ => None,
    };
    state.events.iter().filter_map(|event| failover(&event.what)).collect()
}

/// A direction of the first site's line, both ways.
fn set(net: &Net, uplink: u8, settings: Settings) {
    for direction in [Direction::Out, Direction::In] {
        net.impair(1, uplink, direction, settings);
    }
}

/// The stream was interrupted, and went on. For how long is printed: it is a matter of how busy this machine is.
fn went_on(seen: Stream) {
    assert!(seen.longest_gap > 0 && seen.goes_on, "{seen:?}");
}

#[test]
fn traffic_leaves_a_line_that_falls_silent_and_one_that_loses_its_cable_until_one_is_left() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let net = founded();
    let site = &net.sites[0];
    tcp(site, &net.sites[1]);

    let silent = first(site, Class::Other).local;
    let seen = stream(&net, ANY, 6, "both ways silent", || set(&net, silent.number(), SILENT));
    let state =
        site.wait_for_router("another uplink", |state| way(state, Class::Other).is_some_and(|now| now.local != silent));
    let by_probes: Vec<_> = failovers(&state).into_iter().filter(|failover| failover.3 == Cause::Probes).collect();
    println!("detected and switched in ms: {:?}", by_probes.iter().map(|one| (one.4, one.5)).collect::<Vec<_>>());
    assert!(!by_probes.is_empty());
    went_on(seen);

    let pulled = first(site, Class::Other).local;
    let seen = stream(&net, ANY, 6, "cable pulled", || net.pull(1, pulled.number()));
    let state = site.wait_for_router("the last uplink", |state| {
        way(state, Class::Other).is_some_and(|now| ![silent, pulled].contains(&now.local))
    });
    // On a busy machine the probes may be sooner than the news of the cable.
    let is_known = |cause| matches!(cause, Cause::LinkDown | Cause::Probes);
    assert!(failovers(&state).iter().any(|failover| failover.0.local == pulled && is_known(failover.3)));
    went_on(seen);
    // One uplink is left: TCP goes by it.
    tcp(site, &net.sites[1]);
}

#[test]
fn a_download_survives_one_uplink_after_the_other() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let net = founded();
    let site = &net.sites[0];
    let mut gone = Vec::new();
    // What leaves: first what this site sends falls silent, then what it hears. One uplink is left.
    let (from, to) = (&net.sites[1], site);
    let download = Bulk::start(from.host(), to.host(), &to.host_address());
    for direction in [Direction::Out, Direction::In] {
        let line = first(site, Class::Other).local;
        net.impair(1, line.number(), direction, SILENT);
        gone.push(line);
        for site in &net.sites {
            site.wait_for_router("another uplink", |state| {
                way(state, Class::Other)
                    .is_some_and(|now| !gone.contains(if site.number == 1 { &now.local } else { &now.remote }))
            });
        }
        let received = download.received();
        eventually("the download goes on", || download.received() > received + MEGABYTE as u64, || to.story());
    }
    println!("{} bytes", download.finish());
}

#[test]
fn a_line_that_loses_a_third_is_left_by_all_and_the_last_one_is_kept_whatever_it_loses() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let net = founded();
    let site = &net.sites[0];
    let lossy = Settings { lost: 300, ..Settings::default() };
    let before = first(site, Class::Other).local;
    set(&net, before.number(), lossy);
    let others = |line| {
        move |state: &State| Class::ALL.iter().all(|class| way(state, *class).is_some_and(|now| now.local != line))
    };
    site.wait_for_router("all leave the lossy line", others(before));
    let seen = stream(&net, ANY, 2, "beside a line that loses a third", || ());
    assert!(seen.arrived * 10 > seen.sent * 9, "{seen:?}");

    let last = (0..UPLINKS).find(|line| *line != before.number() && *line != first(site, Class::Other).local.number());
    let last = last.unwrap();
    set(&net, last, lossy);
    (0..UPLINKS).filter(|line| *line != last).for_each(|line| net.pull(1, line));
    site.wait_for_router("the last line", |state| {
        Class::ALL.iter().all(|class| way(state, *class).is_some_and(|now| now.local.number() == last))
    });
    let seen = stream(&net, ANY, 4, "by the last line", || ());
    assert!(seen.goes_on && seen.arrived * 2 > seen.sent, "{seen:?}");
}

#[test]
fn a_blip_moves_nothing_for_long_and_calls_leave_a_line_that_loses_much() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let net = founded();
    let site = &net.sites[0];
    let before = first(site, Class::Voip).local;
    let lossy = Settings { lost: 50, ..Settings::default() };
    set(&net, before.number(), lossy);
    let is_left = |state: &State| {
        let is_ours = |failover: &(PathId, Option<PathId>, Class, Cause, u32, u32)| {
            failover.2 == Class::Voip && failover.0.local == before && failover.3 != Cause::LinkDown
        };
        failovers(state).iter().any(is_ours) && way(state, Class::Voip).is_some_and(|now| now.local != before)
    };
    site.wait_for_router("calls leave the lossy line", is_left);
    let seen = stream(&net, CALLS, 3, "calls beside a lossy line", || ());
    assert!(seen.goes_on && seen.arrived * 10 > seen.sent * 9, "{seen:?}");
}

#[test]
fn a_call_whose_line_is_suspected_goes_by_another_one_too() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let net = founded();
    let (from, to) = (&net.sites[0], &net.sites[1]);
    let is_insured = |state: &State| {
        state.sites.first().and_then(|site| site.group(Class::Voip)).is_some_and(|group| group.is_insured)
    };
    from.wait_for_router("calls are insured", is_insured);
    let address = to.host_address();
    let stream = Numbered::start(from.host(), to.host(), (&address, CALLS), Duration::from_millis(1), 1 << 20);
    // Nothing comes back by the line, and all that is sent still goes by it: until it is certain that it has failed.
    while to.not_carried("twin") == 0 {
        let line = first(from, Class::Voip).local.number();
        eventually("calls", || stream.sent() > 1000, String::new);
        net.impair(1, line, Direction::In, SILENT);
        from.wait_for_router("calls leave the line", |state| {
            way(state, Class::Voip).is_some_and(|way| way.local.number() != line)
        });
        net.impair(1, line, Direction::In, Settings::default());
    }
    let ended = stream.sent();
    eventually("the last have come", || stream.all_came(ended..ended + 10), String::new);
    let seen = stream.missing(1..ended);
    println!("{ended} packets beside lines of one way: {seen:?}, {} copies", to.not_carried("twin"));
    assert_eq!((seen.packets, seen.twice), (0, 0));
}

#[test]
fn a_failure_needs_no_decision_and_without_any_service_the_kernel_routes() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut net = founded();
    let silent = first(&net.sites[0], Class::Other).local;
    for service in ["router", "mesh"] {
        net.sites[0].kill(service);
    }
    let seen = stream(&net, ANY, 6, "silent while router and mesh are dead", || set(&net, silent.number(), SILENT));
    went_on(seen);
    set(&net, silent.number(), Settings::default());

    net.sites[0].kill("prober");
    let seen = stream(&net, ANY, 9, "prober is dead, too: leases run out", || ());
    assert!(seen.goes_on && seen.arrived * 10 > seen.sent * 9, "{seen:?}");
}

#[test]
fn what_goes_to_a_prefix_is_of_its_class_and_keeps_to_the_uplinks_of_that() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut net = founded();
    let of_others = first(&net.sites[0], Class::Other).local.number();
    let only = (0..UPLINKS).find(|line| *line != of_others).unwrap();
    let host = format!("{}/32", net.sites[1].host_address()).parse().unwrap();
    net.sites[0].configure(|document| {
        let name = document.uplinks[usize::from(only)].name.clone();
        document.policy.classes.entry(Class::Backup).or_default().uplinks = vec![name];
        document.policy.rules = vec![ClassRule { prefixes: vec![host], ..ClassRule::new(Class::Backup) }];
    });
    let from = &net.sites[0];
    let is_by_it = |state: &State| way(state, Class::Backup).is_some_and(|way| way.local.number() == only);
    from.wait_for_router("its own uplink", is_by_it);
    let seen = stream(&net, ANY, 2, "by the one uplink", || ());
    assert!(seen.goes_on && from.not_carried("no-allowed-path") == 0, "{seen:?}");

    let seen = stream(&net, ANY, 3, "and that is pulled", || net.pull(1, only));
    assert!(!seen.goes_on && from.not_carried("no-allowed-path") > 0, "{seen:?}");
    net.sites[0].configure(|document| document.policy.rules.clear());
    let from = &net.sites[0];
    from.wait_for_router("no rule", |state| state.rules.iter().all(|rule| rule.prefixes.is_empty()));
    let seen = stream(&net, ANY, 3, "of no class again", || ());
    assert!(seen.goes_on, "{seen:?}");
}

#[test]
fn a_class_that_is_sent_twice_loses_nothing_and_comes_once_while_a_line_falls_silent() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut net = founded();
    net.sites[0].configure(|document| {
        for class in [Class::Voip, Class::Other] {
            document.policy.classes.entry(class).or_default().strategy = Some(Strategy::Duplicate);
        }
    });
    let (from, to) = (&net.sites[0], &net.sites[1]);
    let state = from.wait_for_router("two paths for calls", |state| {
        let group = state.sites.first().and_then(|site| site.group(Class::Voip));
        group.is_some_and(|group| group.mode == Mode::Duplicate && group.spread == 2)
    });
    let group = state.sites[0].group(Class::Voip).unwrap();
    let [first, second] = [group.ways[0], group.ways[1]];
    assert!(first.local != second.local && first.remote != second.remote, "{group:?}");

    let address = to.host_address();
    let stream = Numbered::start(from.host(), to.host(), (&address, CALLS), Duration::from_millis(1), 1 << 20);
    eventually("copies are told from each other", || to.not_carried("twin") > 0, || to.story());
    tcp(from, to);
    let began = stream.sent();
    let reach = |count: usize| eventually("they are sent", || stream.sent() > count, String::new);
    for line in [first.local.number(), second.local.number()] {
        reach(stream.sent() + 1000);
        set(&net, line, SILENT);
        reach(stream.sent() + 2000);
        set(&net, line, Settings::default());
        // By whichever two of the three lines: a line that was silent is not trusted again at once.
        let before = to.not_carried("twin");
        eventually("both copies come again", || to.not_carried("twin") > before + 1000, || to.story());
    }
    let ended = stream.sent();
    eventually("the last have come", || stream.all_came(ended - 10..ended), String::new);
    let seen = stream.missing(began..ended);
    println!("{} packets sent twice: {seen:?}, {} copies", ended - began, to.not_carried("twin"));
    let is_whole = (seen.packets, seen.twice) == (0, 0);
    assert!(is_whole, "{}\n{:#?}", from.story(), from.wait_for_router("events", |_| true).events);
}
