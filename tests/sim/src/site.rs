//! One box: the real core, a disk, and around them what the shell of the real service does.
//!
//! *Does*: for each input what `services/mesh/src/shell/service.rs` does, in its order: hear, advance, write, tell.
//! *Never does*: know anything that the box could not know.

mod signing;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use ed25519_dalek::SigningKey;
use patronus_mesh::{Connections, Event, Forwarding, Joiner, Mesh, Now, Transmit, Wallclock, seeds_to_call};
use patronus_types::SiteId;
use patronus_wire::{Capabilities, Digest32, IdentityKey, JoinAnswer, LanMessage, Message, Nonce};

use crate::{
    charter,
    dice::Dice,
    disk::{Disk, Membership},
    nat::Nat,
};

/// Whereabouts are written at most this often (`SAVE_MS` of the shell).
const SAVE_MS: u64 = 1_000;

/// A box.
#[derive(Debug)]
pub struct Site {
    /// Which.
    pub number: u32,
    /// Who.
    pub id: SiteId,
    identity: SigningKey,
    /// On which LAN.
    pub lan: u32,
    /// What survives a crash.
    pub disk: Disk,
    /// What does not; `None` while it is off.
    pub running: Option<Running>,
    /// By how much its time of day is wrong, in seconds.
    pub skew_s: i64,
    /// How often its uplink has changed.
    pub moves: u16,
    /// What stands before it.
    pub nat: Nat,
}

/// What a crash takes.
#[derive(Debug)]
pub struct Running {
    booted_ms: u64,
    boot_epoch: u64,
    phase: Phase,
    connections: Connections,
    forwarding: Forwarding,
    saved: Digest32,
    moved: BTreeSet<SiteId>,
    moved_ms: u64,
    renew_ms: u64,
    mark: (u64, Digest32),
    /// Seeds that are to be called.
    wanted: BTreeSet<SocketAddr>,
}

#[derive(Debug)]
enum Phase {
    Alone,
    Joining(Box<Joiner>),
    Member(Box<Mesh>),
}

/// What happens to a box.
#[derive(Debug)]
pub enum Input {
    /// A datagram came.
    Datagram(SocketAddr, std::rc::Rc<[u8]>),
    /// A datagram came out of a tunnel.
    Inner(SocketAddr, std::rc::Rc<[u8]>),
    /// How its tunnels are.
    Tunnels {
        /// Sites whose tunnels answer.
        answering: BTreeSet<SiteId>,
        /// Those of which something has just come.
        heard: BTreeSet<SiteId>,
    },
    /// A connection is there; whether it has called.
    Opened(u64, IdentityKey, SocketAddr, bool),
    /// A message came on it.
    Said(u64, Box<Message>),
    /// It is gone.
    Closed(u64),
    /// Its uplink is another one.
    Moved,
    /// Nothing but time has passed.
    Nothing,
}

/// What a box does to the world.
#[derive(Debug)]
pub enum Deed {
    /// Sends a datagram.
    Send(Transmit),
    /// Says something on a connection.
    Say(u64, Message),
    /// Ends a connection.
    Close(u64),
    /// Calls these seeds and no others.
    Call(Vec<SocketAddr>),
}

/// A crash in the middle of a step: what was said is said, what was to be written is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// None.
    No,
    /// Before the disk has it.
    BeforeWriting,
    /// Between the two transactions.
    BetweenWrites,
}

impl Site {
    /// A box that is off.
    #[must_use]
    pub fn new(number: u32, lan: u32, disk: Disk) -> Self {
        let (identity, id) = (charter::key(number), charter::id(number));
        Self { number, id, identity, lan, disk, running: None, skew_s: 0, moves: 0, nat: Nat::Open }
    }

    /// Its identity.
    #[must_use]
    pub fn public(&self) -> IdentityKey {
        IdentityKey::from(&self.identity)
    }

    /// Its core, if it runs and is a member.
    #[must_use]
    pub fn mesh(&self) -> Option<&Mesh> {
        match &self.running.as_ref()?.phase {
            Phase::Member(mesh) => Some(mesh),
            _ => None,
        }
    }

    /// How often it has started.
    #[must_use]
    pub fn boot_epoch(&self) -> Option<u64> {
        self.running.as_ref().map(|running| running.boot_epoch)
    }

    /// Turns it on.
    pub fn boot(&mut self, now_ms: u64) {
        let boot_epoch = self.disk.begin();
        let running = Running {
            booted_ms: now_ms,
            boot_epoch,
            phase: Phase::Alone,
            connections: Connections::default(),
            forwarding: Forwarding::default(),
            saved: [0; 32],
            moved: BTreeSet::new(),
            moved_ms: 0,
            renew_ms: 0,
            mark: Default::default(),
            wanted: BTreeSet::new(),
        };
        self.running = Some(running);
        self.take_up(now_ms);
    }

    /// Begins to ask for a membership.
    pub fn join(&mut self, joiner: Joiner) {
        if let Some(running) = &mut self.running {
            running.phase = Phase::Joining(Box::new(joiner));
        }
    }

    /// The moment, by this box's own clocks.
    #[must_use]
    pub fn now(&self, now_ms: u64) -> Now {
        let booted_ms = self.running.as_ref().map_or(now_ms, |running| running.booted_ms);
        let unix_s = (charter::BEGIN_S + now_ms / 1_000).saturating_add_signed(self.skew_s);
        Now { ms: now_ms - booted_ms, clock: Wallclock::Known(unix_s) }
    }

    /// Takes an input, and does what follows from it; what it does to the world comes out.
    pub fn step(&mut self, input: Input, now_ms: u64, dice: &mut Dice, crash: Crash) -> Vec<Deed> {
        let mut deeds = Vec::new();
        if self.running.is_none() {
            return deeds;
        }
        self.hear(input, now_ms, &mut deeds);
        self.advance(now_ms, dice, &mut deeds);
        if crash == Crash::BeforeWriting {
            return deeds;
        }
        self.look(now_ms, crash, &mut deeds);
        deeds
    }

    /// When it wants to be woken, by the world's clock.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let running = self.running.as_ref()?;
        let own = match &running.phase {
            Phase::Alone => return None,
            Phase::Joining(joiner) => joiner.deadline(),
            Phase::Member(mesh) => {
                let tell = running.connections.deadline().unwrap_or(u64::MAX);
                let save = if running.moved.is_empty() { u64::MAX } else { running.moved_ms };
                let renew = if self.signer().is_some() { running.renew_ms } else { u64::MAX };
                mesh.deadline().min(tell).min(save).min(renew)
            }
        };
        Some(own.saturating_add(running.booted_ms))
    }

    fn capabilities(&self) -> Capabilities {
        if self.signer().is_some() { Capabilities::SIGNER } else { Capabilities::default() }
    }

    fn hear(&mut self, input: Input, now_ms: u64, deeds: &mut Vec<Deed>) {
        let (now, capabilities) = (self.now(now_ms), self.capabilities());
        let uplinks = charter::uplinks(self.number, self.moves);
        let Some(running) = &mut self.running else { return };
        match input {
            Input::Nothing => {}
            Input::Moved => {
                if let Phase::Member(mesh) = &mut running.phase {
                    mesh.handle_uplinks(capabilities, uplinks, now);
                }
            }
            Input::Datagram(source, bytes) => match &mut running.phase {
                Phase::Alone => {}
                Phase::Member(mesh) => mesh.handle_datagram(source, &bytes, now),
                Phase::Joining(_) => {
                    if let Ok(LanMessage::Join(Message::JoinAnswer(answer))) = LanMessage::open(&bytes, &[]) {
                        self.hear_answer(&answer, now_ms);
                    }
                }
            },
            Input::Inner(source, bytes) => {
                if let Phase::Member(mesh) = &mut running.phase {
                    mesh.handle_inner_datagram(source, &bytes, now);
                }
            }
            Input::Tunnels { answering, heard } => {
                if let Phase::Member(mesh) = &mut running.phase {
                    heard.iter().for_each(|peer| mesh.handle_sign_of_life(peer, now));
                    mesh.handle_tunnels(answering, now);
                }
            }
            Input::Opened(number, peer, source, is_ours) => {
                running.connections.handle_opened(number, peer, source, is_ours);
                let greeting = match &mut running.phase {
                    Phase::Alone => None,
                    Phase::Joining(joiner) => Some(joiner.request()),
                    Phase::Member(mesh) => running.connections.greeting(number, mesh),
                };
                deeds.extend(greeting.map(|message| Deed::Say(number, message)));
            }
            Input::Closed(number) => running.connections.handle_closed(number),
            Input::Said(number, message) => match (&mut running.phase, *message) {
                (Phase::Joining(_), Message::JoinAnswer(answer)) => self.hear_answer(&answer, now_ms),
                (Phase::Alone | Phase::Joining(_), _) => {}
                (Phase::Member(mesh), message) => {
                    match running.connections.handle_message(number, message, mesh, now) {
                        Some(answers) => deeds.extend(answers.into_iter().map(|answer| Deed::Say(number, answer))),
                        None => deeds.push(Deed::Close(number)),
                    }
                }
            },
        }
    }

    fn hear_answer(&mut self, answer: &JoinAnswer, now_ms: u64) {
        let now = self.now(now_ms);
        let Some(Running { phase: Phase::Joining(joiner), .. }) = &self.running else { return };
        if let Ok(joined) = joiner.handle_answer(answer, now.clock) {
            let (roster, network_key) = (joined.roster, joined.network_key);
            let seeds = joiner.token().seeds.clone();
            self.disk.membership = Some(Membership { roster, network_key, signer: None, seeds });
            self.take_up(now_ms);
        }
    }

    /// Begins with the membership on the disk.
    fn take_up(&mut self, now_ms: u64) {
        let (now, capabilities) = (self.now(now_ms), self.capabilities());
        let uplinks = charter::uplinks(self.number, self.moves);
        let (Some(running), Some(membership)) = (&mut self.running, &self.disk.membership) else { return };
        let (roster, network_key) = (membership.roster.clone(), membership.network_key.clone());
        running.saved = roster.digest();
        let mut mesh = Mesh::new(self.identity.clone(), roster, network_key, running.boot_epoch, now);
        mesh.restore(self.disk.announcements());
        mesh.handle_uplinks(capabilities, uplinks, now);
        running.connections.handle_news();
        running.phase = Phase::Member(Box::new(mesh));
    }

    fn advance(&mut self, now_ms: u64, dice: &mut Dice, deeds: &mut Vec<Deed>) {
        let now = self.now(now_ms);
        self.renew_due(now);
        let Some(running) = &mut self.running else { return };
        match &mut running.phase {
            Phase::Alone => return,
            Phase::Joining(joiner) => {
                if let Some(datagram) = joiner.poll_ask(now.ms).and_then(|message| message.to_bytes().ok()) {
                    deeds.push(Deed::Send(Transmit { to: patronus_mesh::Destination::Lan, datagram }));
                }
                return;
            }
            Phase::Member(mesh) => mesh.handle_timeout(now, dice.any()),
        }
        while let Some(event) = self.poll_event() {
            self.follow_event(event, now, dice, deeds);
        }
        while let Some(transmit) = self.poll_transmit(dice.bytes()) {
            deeds.push(Deed::Send(transmit));
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        match &mut self.running.as_mut()?.phase {
            Phase::Member(mesh) => mesh.poll_event(),
            _ => None,
        }
    }

    fn poll_transmit(&mut self, nonce: Nonce) -> Option<Transmit> {
        match &mut self.running.as_mut()?.phase {
            Phase::Member(mesh) => mesh.poll_transmit(nonce),
            _ => None,
        }
    }

    fn follow_event(&mut self, event: Event, now: Now, dice: &mut Dice, deeds: &mut Vec<Deed>) {
        match event {
            Event::SiteMoved(site) | Event::SiteRevoked(site) => {
                if let Some(running) = &mut self.running {
                    running.moved.insert(site);
                    running.connections.handle_news();
                }
            }
            Event::BootEpochForgotten(boot_epoch) => {
                self.disk.raise_boot_epoch(boot_epoch);
                if let Some(Running { phase: Phase::Member(mesh), boot_epoch: own, .. }) = &mut self.running {
                    *own = boot_epoch;
                    mesh.handle_boot_epoch(boot_epoch, now);
                }
            }
            Event::JoinRequested { source, request } => {
                let answer = self.admit(&request, now, dice);
                let Some(running) = &mut self.running else { return };
                let Phase::Member(mesh) = &mut running.phase else { return };
                match (answer, running.connections.to(source)) {
                    (Some(answer), Some(number)) => deeds.push(Deed::Say(number, Message::JoinAnswer(answer))),
                    (Some(answer), None) => mesh.send_answer(source, answer),
                    (None, _) => {
                        let numbers = running.forwarding.handle_wish(source, &request, &running.connections, mesh, now);
                        let say = |number| Deed::Say(number, Message::JoinRequest(request.clone()));
                        deeds.extend(numbers.unwrap_or_default().into_iter().map(say));
                    }
                }
            }
            Event::JoinAnswered(answer) => {
                let Some(running) = &mut self.running else { return };
                let sources = running.forwarding.handle_answer(&answer, now).unwrap_or_default();
                let Phase::Member(mesh) = &mut running.phase else { return };
                for number in sources.into_iter().filter_map(|source| running.connections.to(source)) {
                    deeds.push(Deed::Say(number, Message::JoinAnswer(answer.clone())));
                    deeds.push(Deed::Say(number, Message::Bundle(mesh.roster().excerpt(&[mesh.site()]))));
                }
            }
            _ => {}
        }
    }

    /// First to disk, then to others.
    fn look(&mut self, now_ms: u64, crash: Crash, deeds: &mut Vec<Deed>) {
        let now = self.now(now_ms);
        let Some(running) = &mut self.running else { return };
        let Phase::Member(mesh) = &mut running.phase else {
            self.call(deeds);
            return;
        };
        if now.ms >= running.moved_ms && !running.moved.is_empty() {
            self.disk.save_announcements(&running.moved, mesh.book());
            running.moved.clear();
            running.moved_ms = now.ms + SAVE_MS;
        }
        if crash == Crash::BetweenWrites {
            return;
        }
        if running.saved != mesh.roster_digest() {
            self.disk.save_roster(mesh.roster());
            running.saved = mesh.roster_digest();
            running.connections.handle_news();
        }
        for number in running.connections.poll_tell(mesh, now) {
            deeds.push(Deed::Say(number, mesh.digest()));
        }
        let mark = (mesh.generation(), mesh.roster_digest());
        if running.mark != mark {
            running.mark = mark;
            self.call(deeds);
        }
    }

    /// The seeds of its token, and those that the network has.
    fn call(&mut self, deeds: &mut Vec<Deed>) {
        let Some(running) = &mut self.running else { return };
        let told = match &running.phase {
            Phase::Alone => Vec::new(),
            Phase::Joining(joiner) => joiner.token().seeds.clone(),
            Phase::Member(_) => self.disk.membership.as_ref().map(|it| it.seeds.clone()).unwrap_or_default(),
        };
        let told = told.iter().filter_map(|seed| Some(SocketAddr::new(seed.host.as_str().parse().ok()?, seed.port)));
        let announced = match &running.phase {
            Phase::Member(mesh) => mesh.seeds().collect(),
            _ => Vec::new(),
        };
        let wanted: BTreeSet<SocketAddr> = seeds_to_call(told.chain(announced)).into_iter().collect();
        if wanted != running.wanted {
            deeds.push(Deed::Call(wanted.iter().copied().collect()));
            running.wanted = wanted;
        }
    }
}

/// How often each message was refused, by name, over several boxes.
pub fn refusals<'s>(sites: impl Iterator<Item = &'s Site>) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (name, count) in sites.filter_map(Site::mesh).flat_map(|mesh| mesh.refusals().by_name()) {
        *all.entry(name).or_default() += count;
    }
    all
}
