//! The maps, from this side.
//!
//! *Does*: tell the programs of LAN and uplinks; read flows and counters; take out what is over.
//! *Never does*: write a flow: the programs do. Reading through the kernel's calls does not keep an entry from being replaced.
//! *Spec*: `docs/datapath.md`, section "Tables".

use std::collections::BTreeMap;

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray},
};
use patronus_ebpf_abi::{Flow, FlowKey, Lan, Outside, Reason, Uplink};

use super::{
    Fatal,
    sys::{self, FlowBytes, OwnerBytes, Raw},
};

pub(crate) struct Tables {
    flows: HashMap<MapData, Raw<FlowKey>, FlowBytes>,
    owners: HashMap<MapData, Raw<Outside>, OwnerBytes>,
    uplinks: Array<MapData, Raw<Uplink>>,
    lan: Array<MapData, Raw<Lan>>,
    reasons: PerCpuArray<MapData, u64>,
}

impl Tables {
    /// Those of a loaded object.
    pub(crate) fn of(object: &mut Ebpf) -> Result<Self, Fatal> {
        let mut take = |name| object.take_map(name).ok_or(Fatal::Missing(name));
        Ok(Self {
            flows: named("FLOWS", take("FLOWS")?)?,
            owners: named("OWNERS", take("OWNERS")?)?,
            uplinks: named("UPLINKS", take("UPLINKS")?)?,
            lan: named("LAN", take("LAN")?)?,
            reasons: named("REASONS", take("REASONS")?)?,
        })
    }

    /// The LAN, or none.
    pub(crate) fn set_lan(&mut self, lan: Lan) -> Result<(), Fatal> {
        self.lan.set(0, Raw(lan), 0).map_err(|error| Fatal::Table("LAN", error))
    }

    /// What is in a slot.
    pub(crate) fn set_uplink(&mut self, slot: u32, uplink: Uplink) -> Result<(), Fatal> {
        self.uplinks.set(slot, Raw(uplink), 0).map_err(|error| Fatal::Table("UPLINKS", error))
    }

    /// All flows that are not over; those that are, are taken out.
    pub(crate) fn flows(&mut self, now_s: u32) -> Vec<(FlowKey, Flow)> {
        // An entry that vanishes between its key and its value is left out.
        let all = self.flows.iter().filter_map(Result::ok).map(|(Raw(key), bytes)| (key, sys::flow(bytes)));
        let (lasting, over): (Vec<_>, Vec<_>) = all.partition(|(_, flow)| flow.ends_s.get() > now_s);
        for (key, _) in over {
            // A flow that goes on at this very moment begins anew with its next packet, with the same port.
            let _ = self.flows.remove(&Raw(key));
        }
        lasting
    }

    /// Takes back the ports of those who have no flows any more.
    pub(crate) fn free_ports(&mut self, now_s: u32) {
        let all = self.owners.iter().filter_map(Result::ok);
        let over: Vec<Raw<Outside>> =
            all.filter(|(_, bytes)| sys::owner(*bytes).ends_s.get() <= now_s).map(|(key, _)| key).collect();
        for key in over {
            let _ = self.owners.remove(&key);
        }
    }

    /// Packets that were not carried, by reason.
    pub(crate) fn not_carried(&self) -> Result<BTreeMap<String, u64>, Fatal> {
        let count = |reason: &Reason| {
            let each = self.reasons.get(&(*reason as u32), 0).map_err(|error| Fatal::Table("REASONS", error))?;
            Ok((reason.name().to_owned(), each.iter().sum()))
        };
        Reason::ALL.iter().map(count).filter(|counted| !matches!(counted, Ok((_, 0)))).collect()
    }
}

fn named<T: TryFrom<Map, Error = MapError>>(name: &'static str, map: Map) -> Result<T, Fatal> {
    map.try_into().map_err(|error| Fatal::Table(name, error))
}
