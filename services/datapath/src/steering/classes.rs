//! Rules, compiled: which of them a port matches, which an address, and which a mark with its protocol, a bit each. The lowest that all match, decides.
//!
//! *Does*: give ports, prefixes and marks that match the same rules the same set.
//! *Never does*: differ from [`ClassRule::matches`], which says what a rule means.

use std::collections::{BTreeMap, HashMap};

use patronus_ebpf_abi::steer::{CLASSES, MARKS, RULE_SETS, RULE_WORDS, RULES, RuleSet};
use patronus_types::{ClassRule, Ipv4Net, RuleProtocol};

/// Tables for one half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// Number of the set of each port; port 0 is for what has no ports.
    pub ports: Vec<u16>,
    /// Number of the set of each prefix that a rule names, and of the prefix of all addresses; none if no rule names one.
    pub prefixes: BTreeMap<Ipv4Net, u16>,
    /// Number of the set of each mark.
    pub marks: Vec<u16>,
    /// The sets.
    pub sets: Vec<RuleSet>,
    /// The class of each rule.
    pub classes: Vec<u32>,
}

/// Compiles. Rules beyond the limit are not asked; `config` takes no policy with more.
#[must_use]
pub fn compile(rules: &[ClassRule]) -> Classes {
    let rules = rules.get(..rules.len().min(RULES as usize)).unwrap_or_default();
    let mut sets = Sets::default();
    let ports = ports(rules, &mut sets);
    let prefixes = prefixes(rules, &mut sets);
    let marks = (0..MARKS).map(|mark| sets.number(marked(rules, mark))).collect();
    let classes = rules.iter().map(|rule| u32::try_from(rule.class.number()).unwrap_or(CLASSES - 1)).collect();
    Classes { ports, prefixes, marks, sets: sets.sets, classes }
}

/// From one port to the next only what begins or ends there changes.
fn ports(rules: &[ClassRule], sets: &mut Sets) -> Vec<u16> {
    let mut begins: Vec<(u32, usize, bool)> = Vec::new();
    let mut present = vec![0_u32; rules.len()];
    let mut set = [0; RULE_WORDS];
    for (number, rule) in rules.iter().enumerate() {
        if rule.ports.is_empty() {
            put(&mut set, number, true);
        }
        for range in &rule.ports {
            begins.push((range.first().into(), number, true));
            begins.push((u32::from(range.last()) + 1, number, false));
        }
    }
    begins.sort_unstable();
    let (mut ports, mut changes, mut number) = (Vec::with_capacity(65_536), begins.iter().peekable(), sets.number(set));
    for port in 0..65_536 {
        let mut is_changed = false;
        while let Some((_, rule, is_begin)) = changes.next_if(|(at, ..)| *at == port) {
            // Ranges of one rule may overlap.
            if let Some(count) = present.get_mut(*rule) {
                *count = if *is_begin { *count + 1 } else { count.saturating_sub(1) };
                put(&mut set, *rule, *count > 0);
            }
            is_changed = true;
        }
        if is_changed {
            number = sets.number(set);
        }
        ports.push(number);
    }
    ports
}

/// An address finds the longest that holds it: so what is said of shorter ones is said of this, too.
fn prefixes(rules: &[ClassRule], sets: &mut Sets) -> BTreeMap<Ipv4Net, u16> {
    let named = || rules.iter().flat_map(|rule| &rule.prefixes).map(Ipv4Net::trunc);
    let all = named().next().map(|_| Ipv4Net::default());
    let set_of = |prefix: Ipv4Net| {
        let mut set = [0; RULE_WORDS];
        for (number, rule) in rules.iter().enumerate() {
            let holds = rule.prefixes.iter().any(|wider| wider.contains(&prefix));
            put(&mut set, number, rule.prefixes.is_empty() || holds);
        }
        (prefix, sets.number(set))
    };
    all.into_iter().chain(named()).map(set_of).collect()
}

/// The rules that a protocol and a DSCP match.
fn marked(rules: &[ClassRule], mark: u32) -> RuleSet {
    let (kind, dscp) = (mark >> 6, mark & 63);
    let is_protocol = |rule: &ClassRule| match rule.protocol {
        None => true,
        Some(RuleProtocol::Icmp) => kind == 0,
        Some(RuleProtocol::Tcp) => kind == 1,
        Some(RuleProtocol::Udp) => kind == 2,
        // Of these no packet is steered.
        Some(RuleProtocol::Esp | RuleProtocol::Gre) => false,
    };
    let is_dscp =
        |rule: &ClassRule| rule.dscp.is_empty() || rule.dscp.iter().any(|one| u32::from(one.number()) == dscp);
    let mut set = [0; RULE_WORDS];
    for (number, rule) in rules.iter().enumerate() {
        put(&mut set, number, is_protocol(rule) && is_dscp(rule));
    }
    set
}

fn put(set: &mut RuleSet, number: usize, is_in: bool) {
    if let Some(word) = set.get_mut(number / 64) {
        let bit = 1 << (number % 64);
        *word = if is_in { *word | bit } else { *word & !bit };
    }
}

/// Sets with their numbers; each is there once.
#[derive(Debug, Default)]
struct Sets {
    sets: Vec<RuleSet>,
    numbers: HashMap<RuleSet, u16>,
}

impl Sets {
    /// Beyond the limit, which `config` holds, everything is of no rule: set 0 of an empty policy.
    fn number(&mut self, set: RuleSet) -> u16 {
        if let Some(number) = self.numbers.get(&set) {
            return *number;
        }
        let Some(number) = u16::try_from(self.sets.len()).ok().filter(|number| u32::from(*number) < RULE_SETS) else {
            return 0;
        };
        self.sets.push(set);
        self.numbers.insert(set, number);
        number
    }
}
