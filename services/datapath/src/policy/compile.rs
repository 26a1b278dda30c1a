//! From rules to the lines that the programs search.
//!
//! *Does*: give each rule a bit; find for each source, destination, service and pair of zones the set of rules that it meets; keep equal sets once.
//! *Never does*: choose between rules: the first bit that all sets have is the one.
//! *Spec*: `docs/datapath.md`, section "Rules".

use std::{collections::HashMap, ops::RangeInclusive};

use patronus_ebpf_abi::policy::{
    ACTION_BITS, ALLOW, BITS, LOG, Line, NUMBERS, PORT_UNKNOWN, ZONES, Zone, header, service, zones,
};
use patronus_ebpf_core::Policy;
use patronus_types::Ipv4Net;
use thiserror::Error;

use super::{Rule, tree};
use crate::limit;

/// Rules that need more room than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the rules take {0} lines of memory; at most {most} are there: name fewer prefixes", most = limit::POLICY_LINES)]
pub struct TooLarge(pub usize);

/// What the programs search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    lines: Vec<Line>,
}

impl Policy for Compiled {
    fn line(&self, at: u32) -> Option<&Line> {
        self.lines.get(usize::try_from(at).ok()?)
    }
}

impl Compiled {
    /// All of it.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Which policy it is.
    #[must_use]
    pub fn generation(&self) -> u32 {
        patronus_ebpf_core::policy::generation(self)
    }
}

/// Compiles the rules, the first of which is the strongest.
///
/// # Errors
/// [`TooLarge`], and whoever asked keeps the rules that he had.
pub fn compile(rules: &[Rule]) -> Result<Compiled, TooLarge> {
    let mut sets = Sets::new(rules.len());
    let by_source = tree::pieces(&ranges(rules, |rule| addresses(rule.sources.as_deref())), &mut sets);
    let by_destination = tree::pieces(&ranges(rules, |rule| addresses(rule.destinations.as_deref())), &mut sets);
    let by_service = tree::pieces(&ranges(rules, services), &mut sets);
    let by_zones = zones_of(rules, &mut sets);

    let vector_lines = sets.lines_of_each;
    let mut lines = vec![Line::default()];
    lines.append(&mut sets.lines);
    let zones_at = list(&by_zones, &mut lines);
    let actions_at = list(
        &(0..).zip(rules).map(|(number, rule)| number << ACTION_BITS | action(rule)).collect::<Vec<_>>(),
        &mut lines,
    );
    let mut head = [0; NUMBERS as usize];
    let mut put = |at: u32, number: u32| {
        if let Some(place) = head.get_mut(at as usize) {
            *place = number;
        }
    };
    for (at, pieces) in
        [(header::SOURCE, by_source), (header::DESTINATION, by_destination), (header::SERVICE, by_service)]
    {
        let (root, steps) = tree::lay(&pieces, &mut lines);
        put(at, root);
        put(at + 1, steps);
    }
    put(header::VECTOR, vector_lines);
    put(header::ZONES, zones_at);
    put(header::ACTIONS, actions_at);
    if lines.len() > limit::POLICY_LINES {
        return Err(TooLarge(lines.len()));
    }
    put(header::GENERATION, generation(&lines));
    if let Some(first) = lines.first_mut() {
        *first = tree::line(head.into_iter());
    }
    Ok(Compiled { lines })
}

fn action(rule: &Rule) -> u32 {
    (u32::from(rule.allows) * ALLOW) | (u32::from(rule.logs) * LOG)
}

fn ranges(rules: &[Rule], of: impl Fn(&Rule) -> Vec<RangeInclusive<u32>>) -> Vec<Vec<RangeInclusive<u32>>> {
    rules.iter().map(of).collect()
}

fn addresses(prefixes: Option<&[Ipv4Net]>) -> Vec<RangeInclusive<u32>> {
    match prefixes {
        None => vec![0..=u32::MAX],
        Some(prefixes) => prefixes.iter().map(|net| net.network().into()..=net.broadcast().into()).collect(),
    }
}

/// A packet whose port is not known meets what would drop it, if it had the port, and not what would let it pass.
fn services(rule: &Rule) -> Vec<RangeInclusive<u32>> {
    let Some(protocol) = rule.protocol.map(u32::from) else { return vec![0..=u32::MAX] };
    if rule.ports.is_empty() {
        return vec![service(protocol, 0)..=service(protocol, PORT_UNKNOWN)];
    }
    let of_port = |port: u16| service(protocol, port.into());
    let unknown = (!rule.allows).then(|| service(protocol, PORT_UNKNOWN)..=service(protocol, PORT_UNKNOWN));
    rule.ports.iter().map(|ports| of_port(*ports.start())..=of_port(*ports.end())).chain(unknown).collect()
}

/// A set for each pair of zones and DSCP.
fn zones_of(rules: &[Rule], sets: &mut Sets) -> Vec<u32> {
    let mut places = vec![0; ZONES as usize];
    for (from, to) in Zone::ALL.into_iter().flat_map(|from| Zone::ALL.map(|to| (from, to))) {
        for dscp in 0..64_u8 {
            let mut set = sets.empty();
            for (index, rule) in rules.iter().enumerate() {
                let is_met = rule.from.is_none_or(|zone| zone == from)
                    && rule.to.is_none_or(|zone| zone == to)
                    && rule.dscp.is_none_or(|code| code == dscp);
                set.put(index, is_met);
            }
            if let Some(place) = places.get_mut(zones(from, to, dscp.into()) as usize) {
                *place = sets.place(&set);
            }
        }
    }
    places
}

/// Lays out a list of numbers; gives the number of its first.
fn list(numbers: &[u32], lines: &mut Vec<Line>) -> u32 {
    let at = u32::try_from(lines.len()).unwrap_or(u32::MAX).saturating_mul(NUMBERS);
    lines.extend(numbers.chunks(NUMBERS as usize).map(|group| tree::line(group.iter().copied())));
    at
}

/// FNV-1a, folded to 32 bits, and never the 0 of flows that nobody judged.
fn generation(lines: &[Line]) -> u32 {
    let step = |hash: u64, word: &u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = lines.iter().flatten().fold(0xcbf2_9ce4_8422_2325, step);
    ((hash >> 32) as u32 ^ hash as u32).max(1)
}

/// The sets of rules, each kept once.
pub(super) struct Sets {
    lines_of_each: u32,
    lines: Vec<Line>,
    known: HashMap<Set, u32>,
}

/// A set of rules: a bit for each.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Set(Vec<u64>);

impl Sets {
    fn new(rules: usize) -> Self {
        let lines = rules.div_ceil(BITS as usize).max(1);
        Self { lines_of_each: u32::try_from(lines).unwrap_or(u32::MAX), lines: Vec::new(), known: HashMap::new() }
    }

    /// Without any rule.
    pub(super) fn empty(&self) -> Set {
        Set(vec![0; self.lines_of_each as usize * Line::default().len()])
    }

    /// Its first line, counted from the first line of the policy, which comes before all sets.
    pub(super) fn place(&mut self, set: &Set) -> u32 {
        if let Some(place) = self.known.get(set) {
            return *place;
        }
        let place = u32::try_from(self.lines.len() + 1).unwrap_or(u32::MAX);
        self.lines.extend(set.0.as_chunks().0);
        self.known.insert(set.clone(), place);
        place
    }
}

impl Set {
    /// Puts a rule in or out.
    pub(super) fn put(&mut self, rule: usize, is_in: bool) {
        if let Some(word) = self.0.get_mut(rule / 64) {
            let bit = 1 << (rule % 64);
            *word = if is_in { *word | bit } else { *word & !bit };
        }
    }
}
