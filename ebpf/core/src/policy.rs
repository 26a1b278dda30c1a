//! Which rule a packet meets.
//!
//! *Does*: find the rules that its source, its destination, its protocol and port, and its zones with its DSCP allow, each as a set of bits; the
//! first rule that all four have is the one.
//! *Never does*: compile rules (`services/datapath` does); keep anything: a flow's entry has what was found.
//! *Spec*: `docs/datapath.md`, section "Rules".

use patronus_ebpf_abi::{
    FlowKey,
    policy::{
        ACTION_BITS, ALLOW, BITS, LEVELS, LOG, Line, NUMBERS, Opening, VECTOR_LINES, Zone, header, service, zones,
    },
};

/// The last number of a step's line, behind those that separate its ways.
const LEADS_TO: u32 = NUMBERS - 1;

/// No rule's number.
const NOT_FOUND: u32 = u32::MAX;

/// The compiled rules.
pub trait Policy {
    /// A line, if there are so many.
    fn line(&self, at: u32) -> Option<&Line>;

    /// A number of a line.
    #[inline(always)]
    fn number(line: &Line, at: u32) -> u32 {
        let word = line.get((at / 2) as usize % line.len()).copied().unwrap_or_default();
        (word >> ((at % 2) * u32::BITS)) as u32
    }

    /// 1 if `left` is at most `right`, else 0.
    #[inline(always)]
    fn at_most(left: u32, right: u32) -> u32 {
        (left <= right).into()
    }
}

/// What a rule can ask of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// How it comes and goes.
    pub opening: Opening,
    /// Who sends it.
    pub source: u32,
    /// To whom.
    pub destination: u32,
    /// Protocol and port there.
    pub service: u32,
}

impl Query {
    /// What a flow was asked when it began.
    #[inline(always)]
    #[must_use]
    pub const fn of_flow(key: &FlowKey, opening: Opening) -> Self {
        let (from, to) = match opening.from {
            Zone::Lan => (key.inside, key.remote),
            _ => (key.remote, key.inside),
        };
        Self { opening, source: from.address, destination: to.address, service: service(key.protocol, to.port as u32) }
    }
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The rule's number.
    pub rule: u32,
    /// Bits of its action; without a rule none, which is no.
    action: u32,
}

impl Judgement {
    /// No rule says anything.
    pub const NONE: Self = Self { rule: u16::MAX as u32, action: 0 };

    /// Whether the packet may pass.
    #[inline(always)]
    #[must_use]
    pub const fn allows(self) -> bool {
        self.action & ALLOW != 0
    }

    /// Whether the log is to have it.
    #[inline(always)]
    #[must_use]
    pub const fn is_logged(self) -> bool {
        self.action & LOG != 0
    }
}

/// Which policy this is.
#[inline(always)]
pub fn generation<P: Policy>(policy: &P) -> u32 {
    policy.line(0).map_or(0, |line| P::number(line, header::GENERATION))
}

/// The first rule that the packet meets.
#[inline(always)]
pub fn judge<P: Policy>(policy: &P, query: &Query) -> Judgement {
    find(policy, query).unwrap_or(Judgement::NONE)
}

/// Each step is a function of its own in the programs, which have 512 bytes for all that they remember.
#[inline(always)]
fn find<P: Policy>(policy: &P, query: &Query) -> Option<Judgement> {
    let Opening { from, to, dscp } = query.opening;
    let sets = [
        number(policy, zones(from, to, dscp), header::ZONES),
        walk(policy, header::SOURCE, query.source),
        walk(policy, header::DESTINATION, query.destination),
        walk(policy, header::SERVICE, query.service),
    ];
    let found = meet(policy, &sets);
    if found == NOT_FOUND { None } else { Some(Judgement { rule: found >> ACTION_BITS, action: found }) }
}

/// What stands in the list of actions about the first rule that is in all of these sets.
#[inline(never)]
fn meet<P: Policy>(policy: &P, sets: &[u32; 4]) -> u32 {
    first_of_all(policy, sets).unwrap_or(NOT_FOUND)
}

#[inline(always)]
fn first_of_all<P: Policy>(policy: &P, [first, second, third, fourth]: &[u32; 4]) -> Option<u32> {
    let lines = P::number(policy.line(0)?, header::VECTOR);
    for at in 0..VECTOR_LINES {
        if at >= lines {
            break;
        }
        let sets =
            [policy.line(first + at)?, policy.line(second + at)?, policy.line(third + at)?, policy.line(fourth + at)?];
        let all: Line = core::array::from_fn(|word| {
            sets.iter().fold(u64::MAX, |all, set| all & set.get(word).copied().unwrap_or_default())
        });
        // First whether there is any, then which: so the kernel has 17 ways through to check, and not 72.
        if all.iter().fold(0, |any, word| any | word) != 0 {
            return first_of_line(policy, at * BITS, &all);
        }
    }
    None
}

#[inline(always)]
fn first_of_line<P: Policy>(policy: &P, before: u32, all: &Line) -> Option<u32> {
    let mut rule = before;
    for word in all {
        if *word != 0 {
            return Some(number(policy, rule + word.trailing_zeros(), header::ACTIONS));
        }
        rule += u64::BITS;
    }
    None
}

/// The set of rules for one of the numbers that are searched: down a tree of 16 ways to the range in which the number lies.
#[inline(never)]
fn walk<P: Policy>(policy: &P, tree: u32, key: u32) -> u32 {
    descend(policy, tree, key).unwrap_or_default()
}

#[inline(always)]
fn descend<P: Policy>(policy: &P, tree: u32, key: u32) -> Option<u32> {
    // The largest number stands where a step has fewer ways, and nothing begins there: it is nobody's address.
    let key = key.min(u32::MAX - 1);
    let head = policy.line(0)?;
    let mut at = P::number(head, tree);
    let levels = P::number(head, tree + 1);
    for level in 0..LEVELS {
        if level >= levels {
            break;
        }
        let line = policy.line(at)?;
        // Halves of halves, without a branch that a processor could guess wrong.
        let mut way = P::at_most(P::number(line, 7), key) * 8;
        way += P::at_most(P::number(line, way + 3), key) * 4;
        way += P::at_most(P::number(line, way + 1), key) * 2;
        way += P::at_most(P::number(line, way), key);
        at = P::number(line, LEADS_TO) + way;
    }
    Some(P::number(policy.line(at / NUMBERS)?, at % NUMBERS))
}

/// A number of the list that begins where the first line says.
#[inline(never)]
fn number<P: Policy>(policy: &P, at: u32, list: u32) -> u32 {
    let find = || {
        let at = P::number(policy.line(0)?, list) + at;
        Some(P::number(policy.line(at / NUMBERS)?, at % NUMBERS))
    };
    find().unwrap_or_default()
}
