//! Why a packet would pass, or not.
//!
//! *Does*: ask `ebpf/core`, which decides in the kernel, about a packet that nobody has sent, with the tables as they are.
//! *Never does*: decide by itself, or leave anything in a table.

use std::{
    cell::{Cell, RefCell},
    net::Ipv4Addr,
};

use patronus_ebpf_abi::{
    Endpoint, Flow, FlowKey, Inside, Lan, Outside, Owner, Reason, Uplink,
    answer::Answer,
    forward::Forward,
    part::{Part, PartKey},
    policy::{Line, Zone},
};
use patronus_ebpf_core::{
    Fate, Judgement, Kind, Packet, Parsed, Policy, Query, Route, Shape, Tables, Verdict, from_mesh, outbound,
    packet::{ICMP, SYN, TCP, UDP},
};
use patronus_ipc::datapath::{Explanation, Outcome, Question};
use patronus_types::{RuleName, UplinkName};

use crate::{
    Desired, guard,
    policy::{Book, Compiled, Sites},
};

/// A port that a computer might ask from.
const SOME_PORT: u16 = 50_000;

/// What is known at this moment.
#[derive(Debug)]
pub struct Now<'a> {
    /// The rules as the programs search them.
    pub policy: &'a Compiled,
    /// The rules by name.
    pub book: &'a Book,
    /// LAN and uplinks.
    pub desired: &'a Desired,
    /// The LAN as the programs know it.
    pub lan: Lan,
    /// The uplinks as the programs know them.
    pub uplinks: &'a [Uplink],
    /// Who is behind the mesh.
    pub sites: &'a Sites,
    /// What uplinks do not let in.
    pub guard: &'a guard::Desired,
    /// Which sources are nobody's, at any uplink.
    pub bogons: u32,
    /// Where the kernel would send it.
    pub route: Route,
    /// Flows between the two, with this protocol and port.
    pub flows: u32,
}

/// What would become of the first packet of such a flow.
#[must_use]
pub fn explain(question: &Question, now: &Now<'_>) -> Explanation {
    let world = World { now, asked: Cell::new(None), reason: Cell::new(None), opened: RefCell::new(None) };
    let packet = Parsed { packet: packet(question), shape: shape(question) };
    let from = now.zone_of(question.source);
    let kept_out = now.kept_out(question.source, question.protocol).filter(|_| from == Zone::Wan);
    if let Some((reason, _)) = kept_out {
        world.count(reason);
    }
    let verdict = match from {
        Zone::Wan if kept_out.is_some() => Verdict::DROP,
        Zone::Lan | Zone::Own => outbound(&packet, 60, &world),
        Zone::Mesh => from_mesh(&packet, &world),
        Zone::Wan => Verdict::KERNEL,
    };
    let asked = world.asked.get();
    let outcome = match (verdict.fate, asked) {
        (Fate::Drop, _) => Outcome::Dropped,
        (Fate::Kernel, None) => Outcome::NotJudged,
        _ => Outcome::Passes,
    };
    let rule = asked.map(|(judgement, _)| judgement.rule);
    let rule = rule.and_then(|rule| Some((rule, now.book.entry(rule)?.name.clone())));
    let to = asked.map_or_else(|| now.zone_towards(question.destination), |(_, query)| query.opening.to);
    let leaves_as = world.opened.borrow().as_ref().and_then(|flow| now.leaves_as(flow));
    let reason = world.reason.get().map(|reason| reason.name().to_owned());
    let mut explanation = Explanation {
        from: from.name().to_owned(),
        to: to.name().to_owned(),
        outcome,
        rule,
        reason,
        leaves_as,
        flows: now.flows,
        steps: Vec::new(),
    };
    explanation.steps = steps(question, &explanation, from, now);
    explanation
}

/// What is neither TCP nor UDP nor a ping has no flow.
fn shape(question: &Question) -> Shape {
    match u32::from(question.protocol) {
        ICMP | TCP | UDP => Shape::Whole,
        _ => Shape::Odd(Reason::Protocol),
    }
}

fn packet(question: &Question) -> Packet {
    let protocol = u32::from(question.protocol);
    let is_ping = protocol == ICMP;
    Packet {
        source: Endpoint::new(question.source.into(), SOME_PORT),
        destination: Endpoint::new(question.destination.into(), if is_ping { 0 } else { question.port }),
        protocol,
        kind: if is_ping { Kind::Request } else { Kind::Ports },
        flags: if protocol == TCP { SYN } else { 0 },
        ttl: 64,
        dscp: 0,
        dont_fragment: true,
        is_cut: false,
        id: 0,
        bytes: 60,
    }
}

fn steps(question: &Question, said: &Explanation, from: Zone, now: &Now<'_>) -> Vec<String> {
    let mut steps =
        vec![format!("{} is in zone {}, {} in zone {}.", question.source, said.from, question.destination, said.to)];
    if !matches!(u32::from(question.protocol), ICMP | TCP | UDP) {
        steps.push("Only TCP, UDP and pings have flows; anything else is judged packet by packet.".to_owned());
    }
    if let Some(step) = now.guard_says(question, from, said) {
        steps.push(step);
    }
    match (&said.rule, said.outcome) {
        (Some((number, name)), _) => {
            let asks = now.book.entry(*number).map(|entry| entry.asks.clone()).unwrap_or_default();
            let verb = if said.outcome == Outcome::Passes { "lets it pass" } else { "drops it" };
            steps.push(format!("Rule {name} ({asks}) is the first that fits, and {verb}."));
        }
        (None, Outcome::NotJudged) if from == Zone::Wan => {
            steps.push(
                "From WAN comes in what belongs to a flow, and what a port forward leads in; nothing else.".to_owned(),
            );
        }
        (None, Outcome::Dropped) => steps.push("It is dropped before any rule is asked.".to_owned()),
        (None, _) => {
            steps.push("No rule is asked: the router does not stand between these two, or has no way there.".to_owned())
        }
    }
    if let Some((address, uplink)) = &said.leaves_as {
        steps.push(format!("It leaves by {uplink} with the address {address}."));
    }
    if said.outcome == Outcome::Passes && said.to == Zone::Own.name() {
        steps.push("Whether a service of the router answers is another question.".to_owned());
    }
    if said.flows > 0 {
        steps.push(format!("There are {} such flows now.", said.flows));
    }
    steps
}

impl Now<'_> {
    fn zone_of(&self, address: Ipv4Addr) -> Zone {
        let number = u32::from(address);
        if self.is_own(number) {
            Zone::Own
        } else if self.lan.mask != 0 && number & self.lan.mask == self.lan.network {
            Zone::Lan
        } else if self.sites.iter().any(|(.., prefixes)| prefixes.iter().any(|net| net.contains(&address))) {
            Zone::Mesh
        } else {
            Zone::Wan
        }
    }

    /// Whether uplinks keep out what comes from there, why, and by which list.
    fn kept_out(&self, source: Ipv4Addr, protocol: u8) -> Option<(Reason, Option<&RuleName>)> {
        let packet = guard::Packet::new(source, protocol);
        self.guard.let_in(&packet, self.bogons, self.lan).err()
    }

    fn guard_says(&self, question: &Question, from: Zone, said: &Explanation) -> Option<String> {
        let (who, what) = match from {
            Zone::Wan => (question.source, "this"),
            _ if said.to == Zone::Wan.name() => (question.destination, "the answers"),
            _ => return None,
        };
        let (reason, list) = self.kept_out(who, question.protocol)?;
        let list = list.map(|name| format!(", on the list {name}")).unwrap_or_default();
        Some(format!("The guard of the uplinks keeps out {what}: {who} is {}{list}.", reason.name()))
    }

    fn zone_towards(&self, address: Ipv4Addr) -> Zone {
        match self.route {
            Route::Mesh => Zone::Mesh,
            _ => self.zone_of(address),
        }
    }

    fn is_own(&self, address: u32) -> bool {
        address != 0 && (address == self.lan.address || self.uplinks.iter().any(|uplink| uplink.address == address))
    }

    fn leaves_as(&self, flow: &Flow) -> Option<(Ipv4Addr, UplinkName)> {
        let uplink = self.desired.uplinks.get(usize::try_from(flow.slot).ok()?)?;
        Some((flow.outside.address.into(), uplink.name.clone()))
    }
}

/// The tables, for a packet that leaves nothing in them.
struct World<'a> {
    now: &'a Now<'a>,
    asked: Cell<Option<(Judgement, Query)>>,
    reason: Cell<Option<Reason>>,
    opened: RefCell<Option<Flow>>,
}

impl Policy for World<'_> {
    fn line(&self, at: u32) -> Option<&Line> {
        self.now.policy.line(at)
    }
}

/// Nobody's entry.
type Nothing<T> = Box<T>;

impl Tables for World<'_> {
    type Flow = Nothing<Flow>;
    type Owner = Nothing<Owner>;

    fn now_s(&self) -> u32 {
        1
    }

    fn random(&self) -> u32 {
        0
    }

    fn ticks(&self) -> u32 {
        1
    }

    fn epoch(&self) -> u32 {
        1
    }

    fn answer(&self, _: u32) -> Option<&Answer> {
        None
    }

    fn lan(&self) -> Lan {
        self.now.lan
    }

    fn uplink(&self, slot: u32) -> Option<Uplink> {
        self.now.uplinks.get(usize::try_from(slot).ok()?).copied()
    }

    fn route(&self, _: u32, _: u32) -> Route {
        self.now.route
    }

    fn flow(&self, _: &FlowKey) -> Option<Self::Flow> {
        None
    }

    fn add_flow(&self, _: &FlowKey, flow: &Flow) -> bool {
        self.opened.replace(Some(flow.clone()));
        true
    }

    fn owner(&self, _: &Outside) -> Option<Self::Owner> {
        None
    }

    fn claim(&self, _: &Outside, _: &Owner) -> bool {
        true
    }

    fn give(&self, _: &Outside, _: &Owner) {}

    fn port(&self, _: &Inside) -> Option<u16> {
        None
    }

    fn keep_port(&self, _: &Inside, _: u16) {}

    fn is_forwarded(&self, _: u32, _: u16) -> bool {
        false
    }

    fn forward(&self, _: u32) -> Option<&Forward> {
        None
    }

    fn part(&self, _: &PartKey) -> Option<Part> {
        None
    }

    fn keep_part(&self, _: &PartKey, _: &Part) {}

    fn note(&self, judgement: Judgement, query: &Query) {
        self.asked.set(Some((judgement, *query)));
    }

    fn count(&self, reason: Reason) {
        self.reason.set(Some(reason));
    }

    fn add(_: &Cell<u64>, _: u64) {}
}
