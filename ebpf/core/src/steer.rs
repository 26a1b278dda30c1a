//! By which path a packet goes to another site.
//!
//! *Does*: site by destination, class by mark and ports, group by both, and of the group the first path that lives.
//! *Never does*: change a packet; say anything to its sender: what cannot go as it is goes to the kernel as it came.
//! *Spec*: `docs/datapath.md`, section "Between sites".

use patronus_ebpf_abi::{
    FlowKey, Reason,
    steer::{CLASSES, GROUP_PATHS, Group, INSURED, PathWord, RULE_WORDS, STICKY, STRICT, Stuck, mode},
};

use crate::packet::{ICMP, Kind, Packet, Parsed, Shape, TCP, UDP};

/// What sites say to each other inside tunnels goes by these ports; the kernel's packet filter keeps the LAN from saying it.
pub const BETWEEN_SITES: core::ops::RangeInclusive<u16> = 51_823..=51_824;

/// What becomes of a packet that may be for another site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steered {
    /// It is not for another site, or the kernel must have it.
    Kernel,
    /// Out by this device.
    By(u32),
    /// Out by both.
    Twice(u32, u32),
    /// Nobody has it any more; the reason has been counted.
    Drop,
}

/// What the decision looks up.
pub trait Steering {
    /// Seconds of the monotonic clock.
    fn now_s(&self) -> u32;
    /// Which half of the tables is in force; `None`: nothing is steered.
    fn half(&self) -> Option<u32>;
    /// The site that an address belongs to.
    fn site(&self, address: u32) -> Option<u32>;
    /// The number of the set of rules that a port matches.
    fn rules_of_port(&self, half: u32, port: u16) -> u32;
    /// The number of the set of rules that an address matches; `None`: no rule names prefixes.
    fn rules_of_address(&self, half: u32, address: u32) -> Option<u32>;
    /// The number of the set of rules that a mark matches.
    fn rules_of_mark(&self, half: u32, mark: u32) -> u32;
    /// One word of a set of rules.
    fn rules(&self, half: u32, set: u32, word: u32) -> u64;
    /// The class of a rule.
    fn class(&self, half: u32, rule: u32) -> u32;
    /// A group.
    fn group(&self, site: u32, class: u32) -> Option<impl core::ops::Deref<Target = Group>>;
    /// The word of a path.
    fn path(&self, path: u32) -> u64;
    /// Where a flow stuck.
    fn stuck(&self, key: &FlowKey) -> Option<Stuck>;
    /// Where it sticks from now on.
    fn stick(&self, key: &FlowKey, stuck: &Stuck, is_new: bool);
    /// Flows on a path, about.
    fn flows_on(&self, path: u32) -> u32;
    /// The next number of a row, for round-robin.
    fn next(&self, site: u32, class: u32) -> u32;
    /// Counts a packet that was not carried.
    fn count_refused(&self, reason: Reason);
}

/// Where a packet from the LAN goes, if it is for another site.
#[inline(always)]
pub fn steer<T: Steering>(parsed: &Parsed, tables: &T) -> Steered {
    let packet = &parsed.packet;
    // Parts of a datagram have no ports but the first: they stay together on the kernel's route.
    if parsed.shape != Shape::Whole || packet.is_cut {
        return Steered::Kernel;
    }
    // The kernel says "time exceeded".
    if packet.ttl <= 1 || packet.protocol == UDP && BETWEEN_SITES.contains(&packet.destination.port) {
        return Steered::Kernel;
    }
    let Some(half) = tables.half() else { return Steered::Kernel };
    let Some(site) = tables.site(packet.destination.address) else { return Steered::Kernel };
    let class = classify(packet, half, tables);
    let Some(group) = tables.group(site, class) else { return Steered::Kernel };
    let (word, second) = if group.mode == mode::DUPLICATE {
        two_in_order(&group, tables)
    } else {
        let word = choose(&group, packet, site, class, tables);
        (word, insurance(word, &group, tables))
    };
    let device = PathWord::unpack(word).device;
    if second != 0 {
        Steered::Twice(device, PathWord::unpack(second).device)
    } else if word != 0 {
        Steered::By(device)
    } else if group.flags & STRICT != 0 {
        tables.count_refused(Reason::NoAllowedPath);
        Steered::Drop
    } else {
        Steered::Kernel
    }
}

/// The class of the first rule that matches; the last class is for what none does.
#[inline(always)]
pub fn classify<T: Steering>(packet: &Packet, half: u32, tables: &T) -> u32 {
    let (kind, ports) = match (packet.kind, packet.protocol) {
        // An error is about a flow, and goes with what has no ports.
        (Kind::Error, _) => (0, (0, 0)),
        (_, TCP) => (1, (packet.source.port, packet.destination.port)),
        (_, UDP) => (2, (packet.source.port, packet.destination.port)),
        (_, ICMP) => (0, (0, 0)),
        _ => (3, (0, 0)),
    };
    let mark = tables.rules_of_mark(half, kind << 6 | u32::from(packet.dscp & 63));
    let (source, destination) = (tables.rules_of_port(half, ports.0), tables.rules_of_port(half, ports.1));
    let from = tables.rules_of_address(half, packet.source.address);
    let to = tables.rules_of_address(half, packet.destination.address);
    for word in 0..RULE_WORDS as u32 {
        let by_port = tables.rules(half, source, word) | tables.rules(half, destination, word);
        let mut all = by_port & tables.rules(half, mark, word);
        if let (Some(from), Some(to)) = (from, to) {
            all &= tables.rules(half, from, word) | tables.rules(half, to, word);
        }
        if all != 0 {
            return tables.class(half, word * 64 + lowest(all));
        }
    }
    CLASSES - 1
}

/// Number of the lowest bit that is set, of one that is not 0. The programs' machine has no instruction for it.
#[inline(always)]
const fn lowest(word: u64) -> u32 {
    let mut left = word & word.wrapping_neg();
    let mut number = 0;
    if left & 0xffff_ffff == 0 {
        number += 32;
        left >>= 32;
    }
    if left & 0xffff == 0 {
        number += 16;
        left >>= 16;
    }
    if left & 0xff == 0 {
        number += 8;
        left >>= 8;
    }
    if left & 0xf == 0 {
        number += 4;
        left >>= 4;
    }
    if left & 0x3 == 0 {
        number += 2;
        left >>= 2;
    }
    if left & 0x1 == 0 { number + 1 } else { number }
}

/// A path and its word. Always both: the kernel refuses a program that copies what was never written, as an empty `Option` would be.
#[derive(Clone, Copy)]
struct Found {
    path: u32,
    /// 0: there is none that lives.
    word: u64,
}

const NONE: Found = Found { path: 0, word: 0 };

impl Found {
    #[inline(always)]
    const fn lives(self) -> bool {
        self.word != 0
    }

    #[inline(always)]
    fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self.lives() { self } else { other() }
    }
}

#[inline(always)]
fn choose<T: Steering>(group: &Group, packet: &Packet, site: u32, class: u32, tables: &T) -> u64 {
    let now_s = tables.now_s();
    if group.flags & STICKY == 0 {
        return by_hash(group, packet, now_s, tables).word;
    }
    let key = FlowKey { inside: packet.source, remote: packet.destination, protocol: packet.protocol };
    if let Some(stuck) = tables.stuck(&key) {
        let word = tables.path(stuck.path);
        if is_alive(word, now_s) && u32::from(PathWord::unpack(word).epoch) == stuck.epoch {
            if stuck.seen_s != now_s {
                tables.stick(&key, &Stuck { path: stuck.path, epoch: stuck.epoch, seen_s: now_s }, false);
            }
            return word;
        }
    }
    let found = match group.mode {
        mode::ROUND_ROBIN => from(group, tables.next(site, class), now_s, tables),
        mode::WEIGHTED => by_weight(group, hash(packet), now_s, tables),
        mode::LEAST_CONNECTIONS => to_fewest(group, now_s, tables),
        _ => by_hash(group, packet, now_s, tables),
    };
    if found.lives() {
        let epoch = PathWord::unpack(found.word).epoch.into();
        tables.stick(&key, &Stuck { path: found.path, epoch, seen_s: now_s }, true);
    }
    found.word
}

#[inline(always)]
const fn is_alive(word: u64, now_s: u32) -> bool {
    let word = PathWord::unpack(word);
    word.lease_s > now_s && word.device != 0
}

/// A path of the group, if it lives.
#[inline(always)]
fn living<T: Steering>(group: &Group, place: usize, now_s: u32, tables: &T) -> Found {
    let path = u32::from(group.paths.get(place % GROUP_PATHS).copied().unwrap_or(0));
    let word = tables.path(path);
    if is_alive(word, now_s) { Found { path, word } } else { NONE }
}

/// The flow's own place among the first paths, or the next that lives.
#[inline(always)]
fn by_hash<T: Steering>(group: &Group, packet: &Packet, now_s: u32, tables: &T) -> Found {
    let start = if group.spread > 1 { hash(packet) } else { 0 };
    from(group, start, now_s, tables)
}

#[inline(always)]
fn from<T: Steering>(group: &Group, start: u32, now_s: u32, tables: &T) -> Found {
    let spread = u32::from(group.spread);
    if spread > 1 {
        let first = start % spread;
        for place in 0..GROUP_PATHS as u32 {
            if place >= spread {
                break;
            }
            let turned = first + place;
            let turned = if turned >= spread { turned - spread } else { turned };
            let found = living(group, turned as usize, now_s, tables);
            if found.lives() {
                return found;
            }
        }
    }
    in_order(group, now_s, tables)
}

#[inline(always)]
fn in_order<T: Steering>(group: &Group, now_s: u32, tables: &T) -> Found {
    for place in 0..GROUP_PATHS {
        if place >= group.count as usize {
            break;
        }
        let found = living(group, place, now_s, tables);
        if found.lives() {
            return found;
        }
    }
    NONE
}

/// The first two that live; the second is 0 if there is none, or none that is to carry anything.
#[inline(always)]
fn two_in_order<T: Steering>(group: &Group, tables: &T) -> (u64, u64) {
    let now_s = tables.now_s();
    let (mut first, mut second) = (0, 0);
    for place in 0..GROUP_PATHS {
        if place >= group.count as usize || first != 0 && (second != 0 || group.spread < 2) {
            break;
        }
        let word = living(group, place, now_s, tables).word;
        if first == 0 {
            first = word;
        } else {
            second = word;
        }
    }
    (first, second)
}

/// Insured is by the first two paths: of those behind them nobody has said that they cost no more.
const INSURING: usize = 2;

/// The other of the first two paths, if it lives, the one that was chosen is suspected, and the group's packets are not to be lost with it; else 0.
#[inline(always)]
fn insurance<T: Steering>(chosen: u64, group: &Group, tables: &T) -> u64 {
    let chosen = PathWord::unpack(chosen);
    if !chosen.is_suspected || group.flags & INSURED == 0 {
        return 0;
    }
    let now_s = tables.now_s();
    for place in 0..INSURING {
        if place >= group.count as usize {
            break;
        }
        let word = living(group, place, now_s, tables).word;
        if word != 0 && PathWord::unpack(word).device != chosen.device {
            return word;
        }
    }
    0
}

#[inline(always)]
fn by_weight<T: Steering>(group: &Group, hash: u32, now_s: u32, tables: &T) -> Found {
    let mut total = 0;
    for place in 0..GROUP_PATHS {
        if place < group.spread as usize && living(group, place, now_s, tables).lives() {
            total += u32::from(group.weights.get(place).copied().unwrap_or(0));
        }
    }
    let mut left = if total == 0 { 0 } else { hash % total };
    for place in 0..GROUP_PATHS {
        if place >= group.spread as usize {
            break;
        }
        let found = living(group, place, now_s, tables);
        if found.lives() {
            let weight = u32::from(group.weights.get(place).copied().unwrap_or(0));
            if left < weight {
                return found;
            }
            left -= weight;
        }
    }
    in_order(group, now_s, tables)
}

#[inline(always)]
fn to_fewest<T: Steering>(group: &Group, now_s: u32, tables: &T) -> Found {
    let (mut best, mut fewest) = (NONE, u32::MAX);
    for place in 0..GROUP_PATHS {
        if place >= group.spread as usize {
            break;
        }
        let found = living(group, place, now_s, tables);
        if found.lives() {
            let flows = tables.flows_on(found.path);
            if flows < fewest {
                (best, fewest) = (found, flows);
            }
        }
    }
    best.or_else(|| in_order(group, now_s, tables))
}

/// The same for both directions of a flow, so that both ends spread alike.
#[inline(always)]
fn hash(packet: &Packet) -> u32 {
    let addresses = packet.source.address ^ packet.destination.address;
    let ports = u32::from(packet.source.port ^ packet.destination.port);
    let mixed = (addresses ^ ports << 16 ^ ports ^ packet.protocol).wrapping_mul(0x9e37_79b1);
    (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b) >> 8
}
