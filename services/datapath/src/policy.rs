//! Rules, and what the programs search instead of reading them one by one.
//!
//! *Does*: say which packets a rule is about ([`Rule`]), put the box's own rules around a person's ([`book`]), compile them ([`compile`]).
//! *Never does*: look at a packet: `ebpf/core` does.
//! *Spec*: `docs/datapath.md`, section "Rules".

mod book;
mod compile;
mod tree;

use std::{net::Ipv4Addr, ops::RangeInclusive};

use patronus_ebpf_abi::policy::{Logged, Opening, Zone};
use patronus_types::Ipv4Net;

pub use book::{Book, Entry, Sites, book};
pub use compile::{Compiled, TooLarge, compile};

/// What a rule asks of a packet, and what it does with it. What is `None` asks nothing; an empty list is met by no packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where the packet comes from.
    pub from: Option<Zone>,
    /// Where it goes.
    pub to: Option<Zone>,
    /// Who sends it.
    pub sources: Option<Vec<Ipv4Net>>,
    /// To whom.
    pub destinations: Option<Vec<Ipv4Net>>,
    /// IP protocol.
    pub protocol: Option<u8>,
    /// Ports there; of no meaning without a protocol that has such.
    pub ports: Vec<RangeInclusive<u16>>,
    /// DSCP of the first packet.
    pub dscp: Option<u8>,
    /// Whether it may pass.
    pub allows: bool,
    /// Whether the log is to have it.
    pub logs: bool,
}

impl Rule {
    /// Everything may pass from one zone to the other.
    #[must_use]
    pub fn between(from: Zone, to: Zone) -> Self {
        Self { from: Some(from), to: Some(to), ..Self::NOTHING }
    }

    /// Nothing may pass.
    pub const NOTHING: Self = Self {
        from: None,
        to: None,
        sources: None,
        destinations: None,
        protocol: None,
        ports: Vec::new(),
        dscp: None,
        allows: false,
        logs: false,
    };
}

/// A noted packet in words.
#[must_use]
pub fn said(logged: &Logged, entry: &Entry) -> String {
    let verb = if entry.rule.as_ref().is_some_and(|rule| rule.allows) { "lets pass" } else { "drops" };
    let (protocol, port) = (logged.service >> 17, logged.service & 0x1_ffff);
    let opening = Opening::of(u16::try_from(logged.opening).unwrap_or_default());
    let [source, destination] = [logged.source, logged.destination].map(Ipv4Addr::from);
    let (from, to) = (opening.from.name(), opening.to.name());
    match protocol {
        1 => format!("{verb} icmp {source} ({from}) to {destination} ({to})"),
        6 | 17 if port <= u32::from(u16::MAX) => {
            let name = if protocol == 6 { "tcp" } else { "udp" };
            format!("{verb} {name} {source} ({from}) to {destination}:{port} ({to})")
        }
        _ => format!("{verb} protocol {protocol} {source} ({from}) to {destination} ({to})"),
    }
}
