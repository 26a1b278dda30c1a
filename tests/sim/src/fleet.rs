//! The whole world: boxes, wires, and one queue of what happens when.
//!
//! *Does*: take the next thing that happens, hand it to its box, put what the box does on the wires, look whether all is well.
//! *Never does*: let two things happen in an order that the seed does not give.

mod connect;
mod inside;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use patronus_mesh::{Destination, Transmit};
use patronus_types::{SiteId, ports::MESH_PORT};
use patronus_wire::{Message, Seed};

use crate::{
    charter,
    check::Check,
    dice::Dice,
    disk::{Disk, Membership},
    fleet::inside::Tunnels,
    moment,
    nat::Nat,
    pipes::{End, Pipes},
    site::{Crash, Deed, Input, Site},
    wires::{Cut, Meter, Weather},
};

/// How a fleet begins: all are members, none has heard another.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Sites.
    pub sites: u32,
    /// How many of them share a LAN.
    pub per_lan: u32,
    /// How many have the role of a seed; all others know where two of them are.
    pub seeds: u32,
    /// How many have a signer's key.
    pub signers: u32,
    /// Whether translators of all kinds stand before those that are no seeds.
    pub nat: bool,
}

/// A world.
#[derive(Debug)]
pub struct Fleet {
    /// Milliseconds since the beginning.
    pub now_ms: u64,
    /// How many things have happened.
    pub step: u64,
    /// Its chance.
    pub dice: Dice,
    /// Where the network is, as people know it.
    pub seeds: Vec<Seed>,
    /// Its boxes, by number.
    pub sites: Vec<Site>,
    /// How the wires are.
    pub weather: Weather,
    /// Who cannot reach whom.
    pub cut: Cut,
    /// What was put on the wires.
    pub meter: Meter,
    /// What must hold.
    pub check: Check,
    /// The most that was under way at a time.
    pub busiest: usize,
    /// Datagrams that somebody has captured.
    pub(crate) captured: Vec<(u32, Rc<[u8]>)>,
    queue: BinaryHeap<Reverse<Due>>,
    order: u64,
    pipes: Pipes,
    lans: BTreeMap<u32, Vec<u32>>,
    wakes: Vec<u64>,
    /// Sites by their address inside tunnels.
    inner: HashMap<SocketAddr, u32>,
    /// How often the ways between sites have changed.
    ways: u64,
    tunnels: Vec<Tunnels>,
    crash_next: BTreeMap<u32, Crash>,
}

/// Something that will happen.
#[derive(Debug)]
struct Due {
    at_ms: u64,
    order: u64,
    what: Coming,
}

#[derive(Debug)]
enum Coming {
    Datagram {
        to: u32,
        source: SocketAddr,
        bytes: Rc<[u8]>,
    },
    Inner {
        to: u32,
        source: SocketAddr,
        bytes: Rc<[u8]>,
    },
    Tunnels(u32),
    /// No message: the handshake is done.
    Frame {
        pipe: u64,
        end: End,
        message: Option<Rc<Message>>,
    },
    Gone {
        pipe: u64,
        end: End,
    },
    Silence {
        pipe: u64,
        end: End,
    },
    Dial {
        site: u32,
        seed: SocketAddr,
        number: u64,
    },
    Wake(u32),
}

impl Fleet {
    /// A world in which all sites were just turned on.
    #[must_use]
    pub fn new(seed: u64, plan: Plan, weather: Weather) -> Self {
        let mut dice = Dice::new(seed);
        let roster = charter::roster(plan.signers, plan.sites, plan.seeds);
        let mut fleet = Self {
            now_ms: 0,
            step: 0,
            seeds: (0..plan.seeds.min(2)).map(charter::seed).collect(),
            sites: Vec::new(),
            weather,
            cut: Cut::default(),
            meter: Meter::default(),
            check: Check::default(),
            busiest: 0,
            captured: Vec::new(),
            queue: BinaryHeap::new(),
            order: 0,
            pipes: Pipes::default(),
            lans: BTreeMap::new(),
            wakes: Vec::new(),
            inner: HashMap::new(),
            ways: 0,
            tunnels: Vec::new(),
            crash_next: BTreeMap::new(),
            dice: Dice::new(dice.any()),
        };
        for number in 0..plan.sites {
            let membership = Membership {
                roster: roster.clone(),
                network_key: charter::network_key(),
                signer: (number < plan.signers).then(|| charter::signer(number)),
                seeds: (0..plan.seeds.min(2)).filter(|seed| *seed != number).map(charter::seed).collect(),
            };
            fleet.add(number / plan.per_lan, Disk::of_member(membership));
            if plan.nat && number >= plan.seeds {
                fleet.sites[number as usize].nat = Nat::any(&mut fleet.dice);
            }
            fleet.boot(number);
        }
        fleet
    }

    /// One more box, off.
    pub fn add(&mut self, lan: u32, disk: Disk) -> u32 {
        let number = self.sites.len() as u32;
        self.sites.push(Site::new(number, lan, disk));
        self.lans.entry(lan).or_default().push(number);
        self.wakes.push(u64::MAX);
        self.tunnels.push(Tunnels::default());
        self.inner.insert(Self::inner(number), number);
        let first_ms = self.now_ms + self.dice.below(2_000);
        self.schedule(first_ms, Coming::Tunnels(number));
        number
    }

    /// Turns a box on.
    pub fn boot(&mut self, site: u32) {
        self.forget_connections(site);
        self.ways += 1;
        self.sites[site as usize].boot(self.now_ms);
        self.check.handle_boot(&self.sites[site as usize]);
        self.poke(site);
    }

    /// Power is cut.
    pub fn crash(&mut self, site: u32) {
        self.ways += 1;
        self.sites[site as usize].running = None;
        self.wakes[site as usize] = u64::MAX;
        self.hang_up(site);
    }

    /// Power is cut in the middle of the next step.
    pub fn crash_within_next_step(&mut self, site: u32, crash: Crash) {
        self.crash_next.insert(site, crash);
    }

    /// Lets a box look at what was changed.
    pub fn poke(&mut self, site: u32) {
        self.give(site, Input::Nothing);
    }

    /// A box gets another uplink address.
    pub fn move_uplink(&mut self, site: u32) {
        self.ways += 1;
        self.sites[site as usize].moves += 1;
        self.give(site, Input::Moved);
    }

    /// Lets time pass until this moment.
    pub fn run_until(&mut self, end_ms: u64) {
        while !moment::is_over()
            && let Some(due) = self.queue.peek().filter(|due| due.0.at_ms <= end_ms).map(|due| due.0.at_ms)
        {
            self.now_ms = self.now_ms.max(due);
            let Some(Reverse(due)) = self.queue.pop() else { break };
            self.happen(due.what);
        }
        self.now_ms = end_ms;
    }

    /// Lets time pass until something holds, looking every so often; how long that took, or `None` if it never came.
    pub fn run_until_holds(&mut self, longest_ms: u64, holds: impl Fn(&Self) -> bool) -> Option<u64> {
        /// Fine enough for seconds.
        const LOOK_EVERY_MS: u64 = 100;
        let began_ms = self.now_ms;
        while !holds(self) {
            if self.now_ms >= began_ms + longest_ms {
                return None;
            }
            self.run_until(self.now_ms + LOOK_EVERY_MS);
        }
        Some(self.now_ms - began_ms)
    }

    /// The running members.
    pub fn members(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().filter(|site| site.mesh().is_some())
    }

    /// Running members whom no signer has revoked.
    pub fn honest(&self) -> impl Iterator<Item = &Site> {
        self.members().filter(|site| !self.check.is_revoked(&site.id))
    }

    /// Whether all running members have the same roster.
    #[must_use]
    pub fn is_of_one_mind(&self) -> bool {
        let mut digests = self.honest().filter_map(Site::mesh).map(patronus_mesh::Mesh::roster_digest);
        let first = digests.next();
        digests.all(|digest| Some(digest) == first)
    }

    /// Whether each running member knows where each other one is now.
    #[must_use]
    pub fn all_know_all(&self) -> bool {
        let now: Vec<_> =
            self.honest().filter_map(|site| Some((site.id, site.mesh()?.own()?.content_digest()))).collect();
        self.honest().filter_map(|site| Some((site.id, site.mesh()?))).all(|(own, mesh)| {
            now.iter().filter(|(id, _)| *id != own).all(|(id, content)| {
                mesh.book().get(id).is_some_and(|heard| heard.announcement.content_digest() == *content)
            })
        })
    }

    /// A side of the network is cut off, or another one than before.
    pub fn put(&mut self, site: u32, side: u32) {
        self.ways += 1;
        self.cut.put(site, side);
    }

    /// Things that are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.queue.len()
    }

    /// The box with this id.
    #[must_use]
    pub fn with_id(&self, id: &SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == *id)
    }

    fn at(&self, address: IpAddr) -> Option<u32> {
        let IpAddr::V4(v4) = address else { return None };
        let [_, high, middle, low] = v4.octets();
        let number = u32::from_be_bytes([0, high.checked_sub(16)?, middle, low]);
        ((number as usize) < self.sites.len()).then_some(number)
    }

    fn schedule(&mut self, at_ms: u64, what: Coming) {
        self.order += 1;
        self.queue.push(Reverse(Due { at_ms, order: self.order, what }));
        self.busiest = self.busiest.max(self.queue.len());
    }

    fn happen(&mut self, what: Coming) {
        match what {
            Coming::Datagram { to, source, bytes } => self.give(to, Input::Datagram(source, bytes)),
            Coming::Inner { to, source, bytes } => self.give(to, Input::Inner(source, bytes)),
            Coming::Tunnels(site) => self.look_at_tunnels(site),
            Coming::Wake(site) => {
                if self.wakes[site as usize] == self.now_ms {
                    self.give(site, Input::Nothing);
                }
            }
            Coming::Frame { pipe, end, message } => self.arrive(pipe, end, message.as_deref()),
            Coming::Gone { pipe, end } => self.lose(pipe, end),
            Coming::Silence { pipe, end } => self.listen(pipe, end),
            Coming::Dial { site, seed, number } => self.dial(site, seed, number),
        }
    }

    /// One step of one box.
    fn give(&mut self, site: u32, input: Input) {
        self.step += 1;
        moment::begin(self.step, self.now_ms, || format!("site {site}: {input:?}"));
        let crash = self.crash_next.remove(&site).unwrap_or(Crash::No);
        let here = &mut self.sites[site as usize];
        let deeds = here.step(input, self.now_ms, &mut self.dice, crash);
        self.check.handle_step(here, self.step);
        for deed in deeds {
            self.carry_out(site, deed);
        }
        if crash != Crash::No {
            self.crash(site);
        }
        let wake = self.sites[site as usize].deadline().map_or(u64::MAX, |at_ms| at_ms.max(self.now_ms + 1));
        if wake != self.wakes[site as usize] {
            self.wakes[site as usize] = wake;
            if wake != u64::MAX {
                self.schedule(wake, Coming::Wake(site));
            }
        }
    }

    fn carry_out(&mut self, site: u32, deed: Deed) {
        match deed {
            Deed::Send(Transmit { to, datagram }) => self.send(site, to, datagram.into()),
            Deed::Say(pipe, message) => self.say(site, pipe, message),
            Deed::Close(pipe) => self.close(site, pipe),
            Deed::Call(seeds) => self.call(site, &seeds),
        }
    }

    fn send(&mut self, site: u32, to: Destination, bytes: Rc<[u8]>) {
        if let Destination::Neighbour(to) = to
            && to.port() == MESH_PORT
        {
            self.meter.inner(site, bytes.len());
            return self.send_inside(site, to, &bytes);
        }
        self.meter.datagram(site, bytes.len());
        self.capture(site, &bytes);
        let source = charter::lan_address(site);
        let lan = self.sites[site as usize].lan;
        let hearers: Vec<u32> = match to {
            Destination::Lan => self.lans[&lan].iter().copied().filter(|other| *other != site).collect(),
            Destination::Neighbour(to) => {
                self.at(to.ip()).into_iter().filter(|other| self.sites[*other as usize].lan == lan).collect()
            }
        };
        for hearer in hearers {
            self.deliver(site, hearer, source, &bytes);
        }
    }

    /// Puts a datagram on the wire to one hearer, in the name of any source.
    pub(crate) fn deliver(&mut self, from: u32, to: u32, source: SocketAddr, bytes: &Rc<[u8]>) {
        if self.cut.between(from, to) {
            return;
        }
        for delay_ms in self.weather.datagram(&mut self.dice) {
            let what = Coming::Datagram { to, source, bytes: Rc::clone(bytes) };
            self.schedule(self.now_ms + delay_ms, what);
        }
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}
