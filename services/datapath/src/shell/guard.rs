//! The maps of the guard, from this side.
//!
//! *Does*: bring about that they say what was decided, prefix by prefix, under traffic.

use std::collections::BTreeMap;

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, LpmTrie, MapData, PerCpuArray, PerCpuValues, lpm_trie::Key},
};
use patronus_datapath::guard::{Desired, Prefixes};
use patronus_ebpf_abi::guard::{Guard, LISTS};
use patronus_types::RuleName;

use super::{Fatal, sys::Raw, tables::named};

pub(crate) struct GuardTables {
    told: Array<MapData, Raw<Guard>>,
    bogons: HashMap<MapData, u32, u32>,
    four: LpmTrie<MapData, u32, u32>,
    six: LpmTrie<MapData, [u32; 4], u32>,
    hits: PerCpuArray<MapData, u64>,
    in_force: Option<Desired>,
}

impl GuardTables {
    /// Those of a loaded object.
    pub(crate) fn of(object: &mut Ebpf) -> Result<Self, Fatal> {
        let mut take = |name| object.take_map(name).ok_or(Fatal::Missing(name));
        Ok(Self {
            told: named("GUARD", take("GUARD")?)?,
            bogons: named("BOGONS", take("BOGONS")?)?,
            four: named("LISTED", take("LISTED")?)?,
            six: named("LISTED6", take("LISTED6")?)?,
            hits: named("LIST_HITS", take("LIST_HITS")?)?,
            in_force: None,
        })
    }

    /// This is what is not let in from now on. New prefixes first: what is on a list stays out while lists change.
    pub(crate) fn set(&mut self, desired: &Desired) -> Result<(), Fatal> {
        if self.in_force.as_ref() == Some(desired) {
            return Ok(());
        }
        let failed = |error| Fatal::Table("LISTED", error);
        let is_other =
            |before: &Desired| before.lists.iter().map(|(name, _)| name).ne(desired.lists.iter().map(|(name, _)| name));
        if self.in_force.as_ref().is_some_and(is_other) {
            self.count_anew()?;
        }
        replace(&mut self.four, &desired.four, u32::to_be, u32::from_be).map_err(failed)?;
        let (to, from) = (|words: [u32; 4]| words.map(u32::to_be), |words: [u32; 4]| words.map(u32::from_be));
        replace(&mut self.six, &desired.six, to, from).map_err(failed)?;
        self.told.set(0, Raw(desired.told), 0).map_err(|error| Fatal::Table("GUARD", error))?;
        self.in_force = Some(desired.clone());
        Ok(())
    }

    /// The bits of each uplink's device; others have none.
    pub(crate) fn set_bogons(&mut self, devices: &BTreeMap<u32, u32>) -> Result<(), Fatal> {
        let failed = |error| Fatal::Table("BOGONS", error);
        let known: Vec<u32> = self.bogons.keys().filter_map(Result::ok).collect();
        for gone in known.iter().filter(|device| !devices.contains_key(device)) {
            let _ = self.bogons.remove(gone);
        }
        devices.iter().try_for_each(|(device, bits)| self.bogons.insert(device, bits, 0)).map_err(failed)
    }

    /// Each list with its prefixes and the packets that it has kept out since its lists are these.
    pub(crate) fn lists(&self) -> Vec<(RuleName, u32, u64)> {
        let lists = self.in_force.iter().flat_map(|desired| &desired.lists);
        let hits = |number| self.hits.get(&number, 0).map(|each| each.iter().sum()).unwrap_or_default();
        (1..LISTS).zip(lists).map(|(number, (name, prefixes))| (name.clone(), *prefixes, hits(number))).collect()
    }

    /// Numbers are other lists' from now on.
    fn count_anew(&mut self) -> Result<(), Fatal> {
        let processors = aya::util::nr_cpus().map_err(|(_, error)| Fatal::Read("LIST_HITS", error))?;
        for list in 0..LISTS {
            let none = PerCpuValues::try_from(vec![0; processors]).map_err(|error| Fatal::Read("LIST_HITS", error))?;
            self.hits.set(list, none, 0).map_err(|error| Fatal::Table("LIST_HITS", error))?;
        }
        Ok(())
    }
}

/// Prefixes stand in the table in the order of the network.
fn replace<A: Pod + Ord>(
    table: &mut LpmTrie<MapData, A, u32>,
    wanted: &Prefixes<A>,
    to: fn(A) -> A,
    from: fn(A) -> A,
) -> Result<(), aya::maps::MapError> {
    let mut known = BTreeMap::new();
    for entry in table.iter() {
        let (key, list) = entry?;
        known.insert((key.prefix_len(), from(key.data())), list);
    }
    for ((length, address), list) in wanted {
        if known.get(&(*length, *address)) != Some(list) {
            table.insert(&Key::new(*length, to(*address)), list, 0)?;
        }
    }
    for (length, address) in known.into_keys().filter(|prefix| !wanted.contains_key(prefix)) {
        table.remove(&Key::new(length, to(address)))?;
    }
    Ok(())
}
