//! Two sites under a virtual clock.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use patronus_ipc::prober::{Liveness, PathReport};

use super::super::*;

pub(super) const SECOND: u64 = 1_000_000;

pub(super) fn slot(number: u8) -> UplinkSlot {
    UplinkSlot::new(number).unwrap()
}

pub(super) fn address(site: u8) -> Ipv6Addr {
    [0xfd, site]
        .iter()
        .copied()
        .chain([0; 14])
        .collect::<Vec<u8>>()
        .try_into()
        .map(|bytes: [u8; 16]| bytes.into())
        .unwrap()
}

pub(super) fn known(site: u8, path: u8) -> Known {
    let id = PathId { site: SiteId([site; 32]), local: slot(path), remote: slot(path) };
    Known { id, address: address(site), is_up: true, is_metered: false, packets: 0 }
}

/// One direction of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) delay_us: u64,
    pub(super) jitter_us: u64,
    pub(super) lost_ppm: u64,
    pub(super) silent: bool,
    /// Kilobits in a second, of packets with their headers; 0 is as many as there are.
    pub(super) rate_kbit: u64,
}

pub(super) const GOOD: Line = Line { delay_us: 500, jitter_us: 0, lost_ppm: 0, silent: false, rate_kbit: 0 };

/// A datagram: when it arrives, which it is, whose it will be, over which path, and itself.
pub(super) type UnderWay = (u64, u64, usize, u8, Vec<u8>);

/// Two sites with some paths, and time as the test has it.
#[derive(Clone)]
pub(super) struct World {
    pub(super) ends: [Prober; 2],
    /// By path and sending end.
    pub(super) lines: HashMap<(u8, usize), Line>,
    /// Until when a line is busy with what it was given.
    busy_until_us: HashMap<(u8, usize), u64>,
    pub(super) under_way: BinaryHeap<Reverse<UnderWay>>,
    pub(super) count: u64,
    pub(super) now_us: u64,
    pub(super) dice: u64,
    /// An end that does not run until then.
    pub(super) away: [u64; 2],
    /// What `tunnel` says when it is asked.
    pub(super) word: Word,
    /// Datagrams sent by each end.
    pub(super) sent: [u64; 2],
}

impl World {
    pub(super) fn new(paths: u8, seed: u64) -> Self {
        let mut world = Self {
            ends: [Prober::new(1, seed, 0), Prober::new(2, seed + 1, 0)],
            lines: (0..paths).flat_map(|path| [((path, 0), GOOD), ((path, 1), GOOD)]).collect(),
            busy_until_us: HashMap::new(),
            under_way: BinaryHeap::new(),
            count: 0,
            now_us: 0,
            dice: seed,
            away: [0; 2],
            word: Word { id: known(1, 0).id, heard_ago_us: None, left_ago_us: Some(0) },
            sent: [0; 2],
        };
        world.tell(|_| true);
        world
    }

    /// Both ends know these paths.
    pub(super) fn tell(&mut self, is_known: impl Fn(u8) -> bool) {
        let paths = self.lines.len() as u8 / 2;
        for (end, other) in [(0, 2), (1, 1)] {
            let known: Vec<Known> = (0..paths).filter(|path| is_known(*path)).map(|path| known(other, path)).collect();
            self.ends[end].handle_paths(&known, self.now_us);
        }
    }

    /// Both ends are told that this path matters, and it carries something all the time.
    pub(super) fn hot(&mut self, path: u8) {
        let entries = self.ends.iter_mut().flat_map(|end| end.entries.values_mut());
        entries.for_each(|entry| entry.hot_until_us = u64::MAX);
        self.name(path);
    }

    /// Both ends are told that this path matters.
    pub(super) fn name(&mut self, path: u8) {
        for (end, other) in [(0, 2), (1, 1)] {
            self.ends[end].handle_roles(BTreeSet::from([known(other, path).id]), self.now_us);
        }
    }

    pub(super) fn set(&mut self, path: u8, line: Line) {
        (0..2).for_each(|end| _ = self.lines.insert((path, end), line));
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.dice >> 33
    }

    pub(super) fn flush(&mut self, end: usize) {
        while let Some(transmit) = self.ends[end].poll_transmit() {
            self.sent[end] += 1;
            let path = transmit.path.local.number();
            let line = self.lines[&(path, end)];
            if line.silent || self.roll() % 1_000_000 < line.lost_ppm {
                continue;
            }
            self.count += 1;
            let bits = 8 * (transmit.bytes.len() as u64 + limit::LOAD_HEADER_BYTES);
            let busy_until_us = self.busy_until_us.entry((path, end)).or_default();
            *busy_until_us = self.now_us.max(*busy_until_us) + (bits * 1_000).checked_div(line.rate_kbit).unwrap_or(0);
            let at_us = *busy_until_us + line.delay_us + self.roll() % (line.jitter_us + 1);
            self.under_way.push(Reverse((at_us, self.count, 1 - end, path, transmit.bytes)));
        }
    }

    /// What is suspicious is asked about, and the answer is there at once.
    pub(super) fn ask_tunnel(&mut self, end: usize) {
        let now_us = self.now_us;
        if self.ends[end].is_suspicious(now_us) {
            let words: Vec<Word> =
                self.ends[end].reports().iter().map(|report| Word { id: report.id(), ..self.word }).collect();
            self.ends[end].handle_word(&words, now_us, now_us);
            self.flush(end);
        }
    }

    /// The next thing that happens before `until_us`; `false` if nothing does.
    pub(super) fn step(&mut self, until_us: u64) -> bool {
        let arrival = self.under_way.peek().map(|Reverse((at_us, _, end, ..))| (*at_us).max(self.away[*end]));
        let deadline = |end: usize| self.ends[end].deadline().map(|at_us| at_us.max(self.away[end]));
        let next = [arrival, deadline(0), deadline(1)].into_iter().flatten().min();
        let Some(next_us) = next.filter(|next_us| *next_us <= until_us) else {
            self.now_us = until_us;
            return false;
        };
        self.now_us = self.now_us.max(next_us);
        if arrival.is_some_and(|arrival| arrival <= self.now_us) {
            let Some(Reverse((at_us, _, end, path, bytes))) = self.under_way.pop() else { return true };
            let source = address(if end == 0 { 2 } else { 1 });
            self.ends[end].handle_datagram((slot(path), slot(path)), source, &bytes, at_us, self.now_us);
            self.flush(end);
        } else {
            for end in 0..2 {
                if self.away[end] <= self.now_us {
                    self.ends[end].handle_timeout(self.now_us);
                    self.flush(end);
                    self.ask_tunnel(end);
                }
            }
        }
        true
    }

    pub(super) fn run(&mut self, for_us: u64) {
        let until_us = self.now_us + for_us;
        while self.step(until_us) {}
    }

    pub(super) fn report(&self, end: usize, path: u8) -> PathReport {
        *self.ends[end].reports().iter().find(|report| report.local.number() == path).unwrap()
    }

    pub(super) fn liveness(&self, path: u8) -> [Liveness; 2] {
        [0, 1].map(|end| self.report(end, path).liveness)
    }

    /// Runs until both ends say so, or for a while; how long it took each.
    pub(super) fn until(&mut self, path: u8, wanted: Liveness, for_us: u64) -> [Option<u64>; 2] {
        let began_us = self.now_us;
        let mut seen = [None; 2];
        while self.step(began_us + for_us) && seen.contains(&None) {
            for (end, seen) in seen.iter_mut().enumerate().filter(|(_, seen)| seen.is_none()) {
                let is_so = self.ends[end].poll_news() && self.report(end, path).liveness == wanted;
                *seen = is_so.then_some(self.now_us - began_us);
            }
        }
        seen
    }
}
