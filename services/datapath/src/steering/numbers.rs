//! Numbers for sites and paths, and the groups that are made of them.

use std::collections::{BTreeMap, BTreeSet};

use patronus_ebpf_abi::steer::{CLASSES, GROUP_PATHS, Group, INSURED, PATHS, PREFIXES, SITES, STICKY, STRICT, mode};
use patronus_ipc::{
    prober::PathId,
    router::{self, Mode, State},
};
use patronus_types::{IpNet, SiteId};

/// What has its number for as long as it is there.
#[derive(Debug, Default)]
pub struct Numbers {
    sites: Given<SiteId>,
    paths: Given<PathId>,
}

/// What must stand in the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Prefixes with the number of their site.
    pub prefixes: BTreeMap<(u32, [u8; 4]), u32>,
    /// Groups by number of site and class.
    pub groups: BTreeMap<u32, Group>,
    /// Paths with number and epoch.
    pub paths: BTreeMap<PathId, (u32, u8)>,
}

impl Numbers {
    /// What `router` wants now. Sites and paths beyond the limits are left to the kernel's routes.
    pub fn plan(&mut self, state: &State) -> Plan {
        let mut plan = Plan::default();
        self.sites.keep(&state.sites.iter().map(|site| site.id).collect());
        self.paths.keep(&state.sites.iter().flat_map(ways).map(|(path, _)| path).collect());
        for site in &state.sites {
            let Some(number) = self.sites.number(site.id, SITES) else { continue };
            for (path, epoch) in ways(site) {
                if let Some(number) = self.paths.number(path, PATHS) {
                    plan.paths.insert(path, (number, epoch));
                }
            }
            for (class, group) in (0..CLASSES).zip(&site.groups) {
                plan.groups.insert(number * CLASSES + class, self.group(site.id, group));
            }
            let room = (PREFIXES as usize).saturating_sub(plan.prefixes.len());
            plan.prefixes.extend(site.prefixes.iter().filter_map(v4).take(room).map(|prefix| (prefix, number)));
        }
        plan
    }

    fn group(&self, site: SiteId, wanted: &router::Group) -> Group {
        let mut group = Group {
            spread: wanted.spread,
            mode: match wanted.mode {
                Mode::FlowHash => mode::FLOW_HASH,
                Mode::RoundRobin => mode::ROUND_ROBIN,
                Mode::Weighted => mode::WEIGHTED,
                Mode::LeastConnections => mode::LEAST_CONNECTIONS,
                Mode::Duplicate => mode::DUPLICATE,
            },
            flags: [(wanted.is_sticky, STICKY), (wanted.is_strict, STRICT), (wanted.is_insured, INSURED)]
                .iter()
                .fold(0, |flags, (is_set, flag)| if *is_set { flags | flag } else { flags }),
            ..Group::default()
        };
        let known = wanted.ways.iter().filter_map(|way| {
            let path = PathId { site, local: way.local, remote: way.remote };
            Some((u16::try_from(*self.paths.given.get(&path)?).ok()?, way.weight))
        });
        for ((place, weight), (path, share)) in group.paths.iter_mut().zip(&mut group.weights).zip(known) {
            (*place, *weight) = (path, share);
            group.count += 1;
        }
        group.spread = group.spread.min(group.count).min(GROUP_PATHS as u8);
        group
    }
}

fn ways(site: &router::Site) -> impl Iterator<Item = (PathId, u8)> {
    let path = |way: &router::Way| (PathId { site: site.id, local: way.local, remote: way.remote }, way.epoch);
    site.groups.iter().flat_map(move |group| group.ways.iter().map(path))
}

fn v4(prefix: &IpNet) -> Option<(u32, [u8; 4])> {
    match prefix {
        IpNet::V4(net) => Some((net.prefix_len().into(), net.network().octets())),
        IpNet::V6(_) => None,
    }
}

/// Numbers that were given, and those that are free again.
#[derive(Debug)]
struct Given<T> {
    given: BTreeMap<T, u32>,
    free: Vec<u32>,
}

impl<T> Default for Given<T> {
    fn default() -> Self {
        Self { given: BTreeMap::new(), free: Vec::new() }
    }
}

impl<T: Ord + Copy> Given<T> {
    /// What is not among these has no number any more.
    fn keep(&mut self, wanted: &BTreeSet<T>) {
        let free = &mut self.free;
        self.given.retain(|one, number| {
            let is_wanted = wanted.contains(one);
            if !is_wanted {
                free.push(*number);
            }
            is_wanted
        });
    }

    fn number(&mut self, one: T, limit: u32) -> Option<u32> {
        if let Some(number) = self.given.get(&one) {
            return Some(*number);
        }
        let next = u32::try_from(self.given.len()).unwrap_or(u32::MAX);
        let number = self.free.pop().or_else(|| (next < limit).then_some(next))?;
        self.given.insert(one, number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_are_used_again_and_end_at_the_limit() {
        let mut given = Given::default();
        assert_eq!([given.number('a', 2), given.number('b', 2), given.number('c', 2)], [Some(0), Some(1), None]);
        given.keep(&['b'].into());
        assert_eq!([given.number('b', 2), given.number('c', 2), given.number('d', 2)], [Some(1), Some(0), None]);
    }
}
