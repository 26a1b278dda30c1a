//! Connections of a fleet: calling, carrying, noticing that the far end is gone.

use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use patronus_mesh::limit;
use patronus_wire::{Message, encode_frame, take_frame};

use super::{Coming, Fleet};
use crate::{
    charter,
    nat::Nat,
    pipes::{Call, End, Pipe},
    site::Input,
};

/// Ways until TCP and TLS have shaken hands.
const HANDSHAKE_WAYS: u64 = 4;
/// In a fleet of more sites than these, messages on connections are handed over as they are instead of being parsed again.
const PARSED: usize = 64;
const SILENCE_MS: u64 = limit::CONNECTION_SILENCE_S * 1_000;
const PATIENCE_MS: u64 = limit::CONNECTION_PATIENCE_S * 1_000;

impl Fleet {
    /// All cuts heal; what waited passes.
    pub fn heal(&mut self) {
        self.ways += 1;
        self.cut.heal();
        let all: Vec<u64> = self.pipes.open.keys().copied().collect();
        for number in all {
            for end in [0, 1] {
                let held = self.pipes.open.get_mut(&number).map(|pipe| std::mem::take(&mut pipe.held[end]));
                for message in held.unwrap_or_default() {
                    self.carry(number, end, message);
                }
            }
            self.tell_gone(number);
        }
    }

    /// A site calls these seeds and no others.
    pub(super) fn call(&mut self, site: u32, seeds: &[SocketAddr]) {
        let of_site = self.pipes.calls.range((site, lowest())..).take_while(|((caller, _), _)| *caller == site);
        let unwanted: Vec<_> =
            of_site.filter(|((_, seed), _)| !seeds.contains(seed)).map(|(key, it)| (*key, *it)).collect();
        for (key, call) in unwanted {
            self.pipes.calls.remove(&key);
            if let Some(pipe) = call.pipe {
                self.close(site, pipe);
                self.give(site, Input::Closed(pipe));
            }
        }
        for seed in seeds {
            if !self.pipes.calls.contains_key(&(site, *seed)) {
                let number = self.pipes.number();
                self.pipes.calls.insert((site, *seed), Call::new(number, self.now_ms));
                self.schedule(self.now_ms, Coming::Dial { site, seed: *seed, number });
            }
        }
    }

    pub(super) fn dial(&mut self, site: u32, seed: SocketAddr, number: u64) {
        let is_wanted =
            self.pipes.calls.get(&(site, seed)).is_some_and(|call| call.number == number && call.pipe.is_none());
        let is_on = self.sites[site as usize].running.is_some();
        if !is_wanted || !is_on {
            return;
        }
        let ear = self.at(seed.ip()).filter(|ear| *ear != site && !self.cut.between(site, *ear));
        let ear = ear.filter(|ear| self.sites[*ear as usize].running.is_some());
        let is_seed = ear.and_then(|ear| self.sites[ear as usize].mesh()).is_some_and(patronus_mesh::Mesh::is_seed);
        match ear {
            Some(ear) if is_seed => self.connect(site, ear, seed),
            // Nobody listens there: the answer comes at once.
            Some(_) => self.redial(site, seed, self.now_ms),
            None => self.redial(site, seed, self.now_ms + PATIENCE_MS),
        }
    }

    fn connect(&mut self, site: u32, ear: u32, seed: SocketAddr) {
        let pipe = self.pipes.number();
        if let Some(call) = self.pipes.calls.get_mut(&(site, seed)) {
            call.pipe = Some(pipe);
        }
        let ready_ms = self.now_ms + HANDSHAKE_WAYS * self.weather.frame(&mut self.dice);
        let made = Pipe {
            sites: [site, ear],
            called: seed,
            open: [true, true],
            heard_ms: [ready_ms; 2],
            arrives_ms: [ready_ms; 2],
            held: Default::default(),
        };
        self.pipes.open.insert(pipe, made);
        for end in [0, 1] {
            self.schedule(ready_ms + SILENCE_MS, Coming::Silence { pipe, end });
            self.schedule(ready_ms, Coming::Frame { pipe, end, message: None });
        }
    }

    fn redial(&mut self, site: u32, seed: SocketAddr, ended_ms: u64) {
        let Some(call) = self.pipes.calls.get_mut(&(site, seed)) else { return };
        let (number, at_ms) = (call.number, call.handle_end(ended_ms));
        self.schedule(at_ms, Coming::Dial { site, seed, number });
    }

    pub(super) fn say(&mut self, site: u32, pipe: u64, message: Message) {
        let Some((end, open)) = self.end_of(site, pipe) else { return };
        if !open {
            return;
        }
        let bytes = encode_frame(&message).expect("what a core says fits");
        self.meter.frame(site, bytes.len());
        // What each parses for itself nobody shares: in a large fleet that is most of its memory.
        let is_small = self.sites.len() <= PARSED;
        let parsed = is_small.then(|| take_frame(&bytes).expect("whole").expect("by the rules").0);
        self.carry(pipe, 1 - end, Rc::new(parsed.unwrap_or(message)));
    }

    fn carry(&mut self, number: u64, to: End, message: Rc<Message>) {
        let Some(pipe) = self.pipes.open.get_mut(&number) else { return };
        let [a, b] = pipe.sites;
        if self.cut.between(a, b) {
            if pipe.is_full(to) {
                let from = pipe.sites[1 - to];
                self.close(from, number);
                self.give(from, Input::Closed(number));
            } else {
                pipe.held[to].push(message);
            }
            return;
        }
        let at_ms = pipe.arrives_ms[to].max(self.now_ms + self.weather.frame(&mut self.dice));
        pipe.arrives_ms[to] = at_ms;
        self.schedule(at_ms, Coming::Frame { pipe: number, end: to, message: Some(message) });
    }

    pub(super) fn arrive(&mut self, number: u64, end: End, message: Option<&Message>) {
        let Some(pipe) = self.pipes.open.get_mut(&number).filter(|pipe| pipe.open[end]) else { return };
        pipe.heard_ms[end] = self.now_ms;
        let (site, far) = (pipe.sites[end], pipe.sites[1 - end]);
        let Some(message) = message else {
            let peer = self.sites[far as usize].public();
            // A port of its own for each connection, as callers have.
            let port = if end == 0 { pipe.called.port() } else { 1_024 + (number % 64_000) as u16 };
            let source = SocketAddr::new(self.seen_at(far), port);
            return self.give(site, Input::Opened(number, peer, source, end == 0));
        };
        self.give(site, Input::Said(number, Box::new(message.clone())));
    }

    /// Customers of one provider that has no address for each.
    fn seen_at(&self, site: u32) -> IpAddr {
        /// Fewer than a seed takes from one address.
        const CUSTOMERS: u32 = 4;
        let is_open = self.sites[site as usize].nat == Nat::Open;
        charter::address(if is_open { site } else { site / CUSTOMERS * CUSTOMERS })
    }

    /// This end has closed it.
    pub(super) fn close(&mut self, site: u32, number: u64) {
        let Some((end, true)) = self.end_of(site, number) else { return };
        self.shut(number, end);
        self.tell_gone(number);
    }

    /// This end hears that the other has closed it.
    pub(super) fn lose(&mut self, number: u64, end: End) {
        let Some(pipe) = self.pipes.open.get(&number).filter(|pipe| pipe.open[end]) else { return };
        let site = pipe.sites[end];
        self.shut(number, end);
        self.give(site, Input::Closed(number));
    }

    pub(super) fn listen(&mut self, number: u64, end: End) {
        let Some(pipe) = self.pipes.open.get(&number).filter(|pipe| pipe.open[end]) else { return };
        let silent_ms = pipe.heard_ms[end] + SILENCE_MS;
        if self.now_ms < silent_ms {
            return self.schedule(silent_ms, Coming::Silence { pipe: number, end });
        }
        self.lose(number, end);
        self.tell_gone(number);
    }

    /// A site's power is cut: nobody is told.
    pub(super) fn hang_up(&mut self, site: u32) {
        for (number, end) in self.pipes.of(site) {
            if let Some(pipe) = self.pipes.open.get_mut(&number) {
                pipe.open[end] = false;
            }
        }
        self.pipes.calls.retain(|(caller, _), _| *caller != site);
    }

    /// A site is on again and knows nothing of its old connections: who speaks on them is told.
    pub(super) fn forget_connections(&mut self, site: u32) {
        for (number, _) in self.pipes.of(site) {
            self.tell_gone(number);
        }
    }

    fn shut(&mut self, number: u64, end: End) {
        let Some(pipe) = self.pipes.open.get_mut(&number) else { return };
        pipe.open[end] = false;
        let (site, seed) = (pipe.sites[end], pipe.called);
        if end == 0 && self.pipes.calls.get(&(site, seed)).is_some_and(|call| call.pipe == Some(number)) {
            self.redial(site, seed, self.now_ms);
        }
    }

    /// Tells the far end, if there is a way to it; forgets who is closed on both ends.
    fn tell_gone(&mut self, number: u64) {
        let Some(pipe) = self.pipes.open.get(&number) else { return };
        let ([a, b], open) = (pipe.sites, pipe.open);
        match open {
            [false, false] => _ = self.pipes.open.remove(&number),
            [true, true] => {}
            _ if self.cut.between(a, b) => {}
            [here, _] => {
                let end = usize::from(!here);
                let at_ms = pipe.arrives_ms[end].max(self.now_ms + self.weather.frame(&mut self.dice));
                self.schedule(at_ms, Coming::Gone { pipe: number, end });
            }
        }
    }

    fn end_of(&self, site: u32, number: u64) -> Option<(End, bool)> {
        let pipe = self.pipes.open.get(&number)?;
        let end = pipe.sites.iter().position(|it| *it == site)?;
        Some((end, pipe.open[end]))
    }
}

const fn lowest() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0)
}
