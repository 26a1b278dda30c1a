//! The rules and what they said.

use std::{collections::BTreeMap, net::Ipv4Addr};

use patronus_types::{Generation, RuleName, UplinkName};
use serde::{Deserialize, Serialize};

/// The rules that are in force, the strongest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// Generation of the configuration that they come from.
    pub generation: Generation,
    /// The box's own and a person's.
    pub rules: Vec<Rule>,
    /// Packets that were not carried, by reason.
    pub not_carried: BTreeMap<String, u64>,
    /// Why newer rules are not in force.
    pub problem: Option<String>,
    /// What uplinks do not let in.
    pub guard: Guard,
}

/// What uplinks do not let in. How many packets that was is among those that were not carried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Where it looks.
    pub uplinks: Vec<Guarded>,
    /// Lists of sources.
    pub lists: Vec<Listed>,
}

/// An uplink with its guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarded {
    /// Its name.
    pub name: UplinkName,
    /// Whether packets are looked at in the driver (XDP), or behind it.
    pub in_driver: bool,
    /// Whether IPv4 sources are refused that nobody has on the Internet.
    pub bogons: bool,
    /// The same of IPv6.
    pub bogons_v6: bool,
    /// Why they are not looked at in the driver, though they should.
    pub problem: Option<String>,
}

/// A list of sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: RuleName,
    /// Its prefixes.
    pub prefixes: u32,
    /// Packets that it has kept out.
    pub hits: u64,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Whether the box has it by itself.
    pub built_in: bool,
    /// Whether it lets pass.
    pub allows: bool,
    /// Zone where flows begin; `any`.
    pub from: String,
    /// Zone where they go; `any`.
    pub to: String,
    /// What else it asks, in words.
    pub asks: String,
    /// Whether the log has what it decides about.
    pub log: bool,
    /// First packets that it has decided about; `None` for what needs no decision.
    pub hits: Option<u64>,
    /// Why nothing can meet it now.
    pub problem: Option<String>,
}

/// What somebody wants to know: what would become of the first packet of such a flow?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who would send it.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// IP protocol number.
    pub protocol: u8,
    /// Port there; 0 without ports.
    pub port: u16,
}

/// What would become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Zone it comes from.
    pub from: String,
    /// Zone it goes to.
    pub to: String,
    /// What becomes of it.
    pub outcome: Outcome,
    /// The rule that decides, by number among those in force and name.
    pub rule: Option<(u32, String)>,
    /// The reason under which it is counted if it is dropped.
    pub reason: Option<String>,
    /// The address that it would leave with, and by which uplink.
    pub leaves_as: Option<(Ipv4Addr, UplinkName)>,
    /// Flows between these two now, with this protocol and port.
    pub flows: u32,
    /// Why so, step by step.
    pub steps: Vec<String>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It goes where it should.
    Passes,
    /// It vanishes.
    Dropped,
    /// It is the kernel's business, which these rules say nothing about.
    NotJudged,
}
