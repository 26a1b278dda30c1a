//! One site, its uplinks, one other site; and a clock that is turned by hand.
#![allow(dead_code, unreachable_pub)]

use patronus_ipc::{
    link, mesh,
    prober::{self, Liveness, Measured, PathReport},
    router::{ClassState, Drainable, Group, Site, What},
};
use patronus_router::Router;
use patronus_types::{Class, Document, Generation, Policy, SiteId, UplinkSlot};

pub const MINUTE_MS: u64 = 60_000;
pub const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// Probes that a report speaks of.
const PROBES: u32 = 100;

const OWN: SiteId = SiteId([1; 32]);
const OTHER: SiteId = SiteId([2; 32]);

pub fn slot(number: u8) -> UplinkSlot {
    UplinkSlot::new(number).unwrap()
}

/// How an uplink's path is.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub liveness: Liveness,
    /// The other site's uplink.
    pub remote: u8,
    pub rtt_ms: f64,
    pub rtt_noise_ms: f64,
    pub jitter_ms: f64,
    pub loss: f64,
    pub is_metered: bool,
}

impl Line {
    pub const UP: Self = Self {
        liveness: Liveness::Up,
        remote: 0,
        rtt_ms: 20.0,
        rtt_noise_ms: 0.0,
        jitter_ms: 1.0,
        loss: 0.0,
        is_metered: false,
    };
}

pub struct World {
    pub lines: Vec<Line>,
    /// What the path that carries calls takes longer.
    pub loaded_rtt_ms: f64,
    pub every_ms: u64,
    router: Router,
    document: Document,
    now_ms: u64,
    is_silent: bool,
    random: u64,
    seen: u64,
    told: Vec<What>,
}

impl World {
    pub fn new(seed: u64, lines: &[Line]) -> Self {
        let uplinks: Vec<String> = (0..lines.len())
            .map(|number| format!("[[uplink]]\nname = \"up-{number}\"\nport = \"eth{number}\"\n"))
            .collect();
        let text = format!(
            "version = 1\n[site]\nname = \"one\"\ntimezone = \"UTC\"\n[lan]\nports = []\naddress = \"10.1.0.1/16\"\n{}",
            uplinks.concat()
        );
        let mut world = Self {
            lines: lines.to_vec(),
            loaded_rtt_ms: 0.0,
            every_ms: 500,
            router: Router::new(0),
            document: toml::from_str(&text).unwrap(),
            now_ms: 1,
            is_silent: false,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            seen: 0,
            told: Vec::new(),
        };
        world.configure(|_| {});
        let site = |id: SiteId, prefix: &str| mesh::Site {
            id,
            name: "site".parse().unwrap(),
            standing: mesh::Standing::Valid,
            is_active: true,
            heard_uptime_ms: None,
            roles: Vec::new(),
            prefixes: vec![prefix.parse().unwrap()],
            member_since_unix_s: 0,
            valid_until_unix_s: u64::MAX,
            uplinks: Vec::new(),
        };
        let sites = vec![site(OWN, "10.1.0.0/16"), site(OTHER, "10.2.0.0/16")];
        world.router.handle_mesh(0, &mesh::State { site: Some(OWN), sites, ..mesh::State::default() });
        world.report();
        world
    }

    /// The paths of each class as they would be with another policy, in order.
    pub fn dry_run(&self, change: impl FnOnce(&mut Policy)) -> Vec<Vec<UplinkSlot>> {
        let mut document = self.document.clone();
        change(&mut document.policy);
        ways(&self.router.dry_run(self.now_ms, &document))
    }

    /// As they are.
    pub fn ways_of_all(&self) -> Vec<Vec<UplinkSlot>> {
        ways(&self.router.state().sites)
    }

    pub fn configure(&mut self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.document.policy);
        self.router.handle_config(self.now_ms, &self.document);
        self.listen();
    }

    /// Cables by slot.
    pub fn link(&mut self, cables: &[bool]) {
        let uplink = |carrier: &bool| link::Uplink {
            name: "up".parse().unwrap(),
            port: "eth0".parse().unwrap(),
            carrier: *carrier,
            addresses: vec!["192.0.2.1/24".parse().unwrap()],
            gateways: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            lease: None,
            problem: None,
        };
        self.link_state(&link::State { uplinks: cables.iter().map(uplink).collect(), ..link::State::default() });
    }

    pub fn link_state(&mut self, state: &link::State) {
        self.router.handle_link(self.now_ms, state);
        self.listen();
    }

    pub fn drain(&mut self, what: Drainable, within_s: u32) {
        self.router.drain(self.now_ms, what, within_s).unwrap();
        self.listen();
    }

    /// The prober knows nothing at this moment.
    pub fn silence(&mut self) {
        self.router.handle_paths(self.now_ms, &prober::State::default());
    }

    pub fn report(&mut self) {
        let carrying =
            self.router.state().sites.first().and_then(|site| site.group(Class::Voip)?.ways.first().copied());
        let paths = (0..self.lines.len()).map(|number| {
            let line = self.lines[number];
            let is_loaded = carrying.is_some_and(|way| usize::from(way.local.number()) == number);
            let load_ms = if is_loaded { self.loaded_rtt_ms } else { 0.0 };
            let rtt_ms = line.rtt_ms + load_ms + line.rtt_noise_ms * self.uniform();
            let lost = (0..PROBES).filter(|_| self.uniform() < line.loss).count() as u32;
            PathReport {
                site: OTHER,
                local: slot(number as u8),
                remote: slot(line.remote),
                liveness: line.liveness,
                since_ms: self.now_ms,
                measured: Measured {
                    rtt_us: Some((rtt_ms * 1000.0) as u32),
                    rtt_p95_us: None,
                    jitter_us: Some((line.jitter_ms * 1000.0 * self.uniform()) as u32),
                    loss_out_ppm: Some(lost * (1_000_000 / PROBES)),
                    loss_in_ppm: Some(0),
                },
                is_metered: line.is_metered,
            }
        });
        let state = prober::State { generation: Generation(1), paths: paths.collect(), ..prober::State::default() };
        self.router.handle_paths(self.now_ms, &state);
        self.listen();
    }

    /// Time goes on, with a report every now and then.
    pub fn run(&mut self, for_ms: u64) {
        let end_ms = self.now_ms + for_ms;
        while self.now_ms < end_ms {
            let report_ms = self.now_ms + self.every_ms;
            while let Some(at_ms) = self.router.deadline_ms(self.now_ms).filter(|at_ms| *at_ms < report_ms) {
                self.now_ms = at_ms;
                self.router.handle_time(self.now_ms);
                self.listen();
            }
            self.now_ms = report_ms;
            self.report();
        }
    }

    fn listen(&mut self) {
        for event in self.router.state().events.iter().filter(|event| event.sequence > self.seen) {
            self.told.push(event.what);
        }
        self.seen = self.router.state().events.last().map_or(self.seen, |event| event.sequence);
    }

    pub fn told(&self) -> &[What] {
        &self.told
    }

    /// How often a class has moved.
    pub fn moves(&self) -> usize {
        let is_move = |what: &&What| matches!(what, What::FailoverTriggered { .. } | What::PathChosen { .. });
        self.told.iter().filter(is_move).count()
    }

    pub fn group(&self, class: Class) -> &Group {
        self.router.state().sites[0].group(class).unwrap()
    }

    /// The uplink that carries a class.
    pub fn first(&self, class: Class) -> UplinkSlot {
        self.group(class).ways[0].local
    }

    pub fn ways(&self, class: Class) -> usize {
        self.group(class).ways.len()
    }

    pub fn explain(&self, class: Class) -> ClassState {
        self.router.explain(OTHER, self.now_ms).unwrap().classes[class.number()].clone()
    }

    /// Between 0 and 1.
    fn uniform(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn ways(sites: &[Site]) -> Vec<Vec<UplinkSlot>> {
    sites.iter().flat_map(|site| &site.groups).map(|group| group.ways.iter().map(|way| way.local).collect()).collect()
}
