//! A demonstration: three sites, a call and a download between them, and an uplink that fails every few seconds.
//!
//! *Does*: break and mend the line that carries the call; tell of each failure what moved where, how long it took and what was lost.
//! *Never does*: go on for longer than asked; tell anything that was not seen in this run.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use patronus_ipc::router::{Cause, State, Way, What};
use patronus_types::{Class, SiteId};

use crate::{Net, Numbered, Whole, Wiring, bulk::Bulk, impair::Settings, recording::Recording, relay::Direction};

const SITES: u8 = 3;
const UPLINKS: u8 = 2;
/// All paths of a site.
const PATHS: usize = 2 * (UPLINKS as usize).pow(2);
/// What all lines are: of the kind that small offices have.
const LINE: Settings =
    Settings { delay_us: 5_000, jitter_us: 500, lost: 0, reordered: 0, rate_kbit: 50_000, silent: false, longest: 0 };
/// Of the class of calls; fifty packets a second.
const CALL: (u16, Duration) = (5060, Duration::from_millis(20));
/// Between a failure and the next; half of it the line is broken.
const EVERY: Duration = Duration::from_secs(6);
/// A packet that is so late is of no use to a call.
const LATE: usize = 10;

/// How a line fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Silent,
    OneWay,
    Unplugged,
}

impl Failure {
    const ALL: [Self; 3] = [Self::Silent, Self::OneWay, Self::Unplugged];

    const fn name(self) -> &'static str {
        match self {
            Self::Silent => "falls silent",
            Self::OneWay => "silent one way",
            Self::Unplugged => "is unplugged",
        }
    }
}

/// Runs it with so many failures; what was shown.
#[must_use]
pub fn run(programs: &std::path::Path, failures: u32) -> Recording {
    let mut show = Recording::new("./scripts/lab demo");
    show.say("3 sites with 2 uplinks each (50 Mbit/s, 10 ms there and back), the real services in network namespaces.");
    show.say("A call from site 1 to site 2, a download from site 3 to site 1. The line under the call fails, again and again.");
    let net = founded(programs);
    let [first, second, third] = [&net.sites[0], &net.sites[1], &net.sites[2]];
    let call = Numbered::start(first.host(), second.host(), (&second.host_address(), CALL.0), CALL.1, 1 << 20);
    let download = Bulk::start(third.host(), first.host(), &first.host_address());
    sleep(EVERY);
    show.say("");
    show.say("          uplink of site 1   | call                                  | download");
    show.say(
        "    at    and its failure    | moves   found by   gap         lost   | moves   rate        longest pause",
    );
    let began = Instant::now();
    for failure in Failure::ALL.iter().cycle().take(failures as usize) {
        show.say(&one(&net, *failure, began, &call, &download));
    }
    sleep(Duration::from_secs(1));
    let call = call.summary();
    show.say("");
    show.say(&format!(
        "{failures} failures in {:.0} s. The call lost {} of {} packets. The download is whole: {:.0} MB.",
        began.elapsed().as_secs_f64(),
        call.sent - call.arrived,
        call.sent,
        download.finish() as f64 / 1e6
    ));
    show
}

fn founded(programs: &std::path::Path) -> Net {
    let net = Net::new(programs, SITES, UPLINKS, Wiring::Routed);
    for (site, uplink) in (1..=SITES).flat_map(|site| (0..UPLINKS).map(move |uplink| (site, uplink))) {
        [Direction::Out, Direction::In].iter().for_each(|way| net.impair(site, uplink, *way, LINE));
    }
    net.found();
    for site in &net.sites {
        site.wait_for_paths(PATHS);
        site.wait_for_router("groups", |state| {
            state.sites.len() == usize::from(SITES) - 1
                && state.sites.iter().all(|site| site.groups.iter().all(|group| !group.ways.is_empty()))
        });
    }
    net
}

/// One failure of the line under the call, and what came of it.
fn one(net: &Net, failure: Failure, began: Instant, call: &Numbered, download: &Bulk) -> String {
    let [first, second, third] = [&net.sites[0], &net.sites[1], &net.sites[2]];
    let (to, from) = (second.id(), first.id());
    let line = way(&router(first), to, Class::Voip).local;
    let download_before = way(&router(third), from, Class::Other).remote;
    let (at, sent, seen) = (began.elapsed(), call.sent(), last_event(first));
    download.forget_pauses();
    let received = download.received();
    break_line(net, line.number(), failure);
    sleep(EVERY / 2);
    let (now, taken) = (router(first), download.received() - received);
    let missing = call.missing(sent..call.sent().saturating_sub(LATE));
    let row = format!(
        "{:>6.1} s  {} {:<16} | {} -> {}  {:<8} {:>5.0} ms {:>7}     | {} -> {}  {:>4.0} Mbit/s {:>9.0} ms",
        at.as_secs_f64(),
        line.number(),
        failure.name(),
        line.number(),
        way(&now, to, Class::Voip).local.number(),
        found_by(&now, seen, to),
        missing.gap_ms,
        missing.packets,
        download_before.number(),
        way(&router(third), from, Class::Other).remote.number(),
        taken as f64 * 8e-6 / (EVERY / 2).as_secs_f64(),
        download.longest_pause().as_secs_f64() * 1e3,
    );
    mend_line(net, line.number());
    sleep(EVERY / 2);
    row
}

fn break_line(net: &Net, uplink: u8, failure: Failure) {
    let silent = Settings { silent: true, ..LINE };
    match failure {
        Failure::Unplugged => net.pull(1, uplink),
        Failure::OneWay => net.impair(1, uplink, Direction::Out, silent),
        Failure::Silent => [Direction::Out, Direction::In].iter().for_each(|way| net.impair(1, uplink, *way, silent)),
    }
}

fn mend_line(net: &Net, uplink: u8) {
    net.plug(1, uplink);
    [Direction::Out, Direction::In].iter().for_each(|way| net.impair(1, uplink, *way, LINE));
}

fn router(site: &Whole) -> State {
    site.wait_for_router("anything", |_| true)
}

fn last_event(site: &Whole) -> u64 {
    router(site).events.last().map_or(0, |event| event.sequence)
}

/// The first path of a class to a site.
fn way(state: &State, site: SiteId, class: Class) -> Way {
    let group = state.sites.iter().find(|known| known.id == site).and_then(|known| known.group(class));
    *group.and_then(|group| group.ways.first()).expect("a path")
}

/// What told that the path of a call was no good.
fn found_by(state: &State, seen: u64, site: SiteId) -> &'static str {
    let mut new = state.events.iter().filter(|event| event.sequence > seen);
    let cause = new.find_map(|event| match event.what {
        What::FailoverTriggered { from, class: Class::Voip, cause, .. } if from.site == site => Some(cause),
        _ => None,
    });
    match cause {
        Some(Cause::Probes) => "probes",
        Some(Cause::LinkDown | Cause::AddressGone) => "cable",
        Some(_) => "quality",
        None => "-",
    }
}
