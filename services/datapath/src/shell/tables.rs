//! The maps, from this side.
//!
//! *Does*: tell the programs of LAN, uplinks and port forwards; read flows and counters; take out what is over.
//! *Never does*: write a flow: the programs do. Reading through the kernel's calls does not keep an entry from being replaced.
//! *Spec*: `docs/datapath.md`, section "Tables".

use std::{collections::BTreeMap, os::fd::AsFd};

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, IterableMap, Map, MapData, MapError, PerCpuArray},
};
use patronus_datapath::{forwards, ipfix, limit};
use patronus_ebpf_abi::{
    Flow, FlowKey, Lan, Outside, Reason, Uplink,
    forward::{FORWARDS, Forward},
};
use patronus_ebpf_core::answers;
use patronus_ipc::datapath::Question;

use super::{
    Fatal,
    export::Export,
    sys::{self, Answers, FlowBytes, OwnerBytes, Raw},
};

pub(crate) struct Tables {
    flows: HashMap<MapData, Raw<FlowKey>, FlowBytes>,
    answers: Answers,
    epoch: Array<MapData, u32>,
    owners: HashMap<MapData, Raw<Outside>, OwnerBytes>,
    uplinks: Array<MapData, Raw<Uplink>>,
    lan: Array<MapData, Raw<Lan>>,
    mesh: HashMap<MapData, u32, u32>,
    forwards: Array<MapData, Raw<Forward>>,
    forwarded: Array<MapData, u64>,
    reasons: PerCpuArray<MapData, u64>,
}

impl Tables {
    /// Those of a loaded object, in which each processor has so many answers.
    pub(crate) fn of(object: &mut Ebpf, answers_of_one: u32) -> Result<Self, Fatal> {
        let mut take = |name| object.take_map(name).ok_or(Fatal::Missing(name));
        let Map::Array(answers) = take("ANSWERS")? else { return Err(Fatal::Missing("ANSWERS")) };
        Ok(Self {
            answers: Answers::map(&answers, answers_of_one).map_err(|error| Fatal::Read("ANSWERS", error))?,
            epoch: named("EPOCH", take("EPOCH")?)?,
            flows: named("FLOWS", take("FLOWS")?)?,
            owners: named("OWNERS", take("OWNERS")?)?,
            uplinks: named("UPLINKS", take("UPLINKS")?)?,
            lan: named("LAN", take("LAN")?)?,
            mesh: named("MESH", take("MESH")?)?,
            forwards: named("FORWARDS", take("FORWARDS")?)?,
            forwarded: named("FORWARDED", take("FORWARDED")?)?,
            reasons: named("REASONS", take("REASONS")?)?,
        })
    }

    /// Something else of what the programs are told is not what it was: no answer that follows from it is given any more.
    pub(crate) fn is_changed(&mut self) -> Result<(), Fatal> {
        let failed = |error| Fatal::Table("EPOCH", error);
        let before = self.epoch.get(&0, 0).map_err(failed)?;
        self.epoch.set(0, before.wrapping_add(1), 0).map_err(failed)
    }

    /// The LAN, or none.
    pub(crate) fn set_lan(&mut self, lan: Lan) -> Result<(), Fatal> {
        self.lan.set(0, Raw(lan), 0).map_err(|error| Fatal::Table("LAN", error))
    }

    /// What is in a slot.
    pub(crate) fn set_uplink(&mut self, slot: u32, uplink: Uplink) -> Result<(), Fatal> {
        self.uplinks.set(slot, Raw(uplink), 0).map_err(|error| Fatal::Table("UPLINKS", error))
    }

    /// The devices of tunnels, and no others. More than fit are none of ours.
    pub(crate) fn set_mesh(&mut self, devices: &[u32]) -> Result<(), Fatal> {
        let known: Vec<u32> = self.mesh.keys().filter_map(Result::ok).collect();
        for gone in known.iter().filter(|device| !devices.contains(device)) {
            let _ = self.mesh.remove(gone);
        }
        for device in devices.iter().filter(|device| !known.contains(device)) {
            self.mesh.insert(device, 1, 0).map_err(|error| Fatal::Table("MESH", error))?;
        }
        Ok(())
    }

    /// These are the port forwards.
    pub(crate) fn set_forwards(&mut self, list: &[Forward]) -> Result<(), Fatal> {
        let rest = std::iter::repeat(Forward::default());
        for (index, forward) in (0..FORWARDS).zip(list.iter().copied().chain(rest)) {
            self.forwards.set(index, Raw(forward), 0).map_err(|error| Fatal::Table("FORWARDS", error))?;
        }
        for (index, word) in (0..).zip(forwards::ports(list)) {
            self.forwarded.set(index, word, 0).map_err(|error| Fatal::Table("FORWARDED", error))?;
        }
        Ok(())
    }

    /// Shows all flows that are not over.
    pub(crate) fn each_flow(&self, now_s: u32, mut see: impl FnMut(FlowKey, Flow)) -> Result<(), Fatal> {
        each("FLOWS", &self.flows, |Raw(key), bytes| {
            let flow = sys::flow(bytes);
            if flow.ends_s.get() > now_s {
                answers::count(&key, &flow, |place| self.answers.all_at(place));
                see(key, flow);
            }
        })
    }

    /// Takes out flows that are over, and those that may not go on, with what is known of them; how many are left. `export` sees them all.
    pub(crate) fn sweep(
        &mut self,
        now_s: u32,
        may_go_on: impl Fn(&FlowKey, &Flow) -> bool,
        export: &mut Export,
    ) -> Result<u32, Fatal> {
        let (mut left, mut over, mut was_ended) = (0_u32, Vec::new(), false);
        each("FLOWS", &self.flows, |key, bytes| {
            let flow = sys::flow(bytes);
            let (is_over, may_go_on) = (flow.ends_s.get() <= now_s, may_go_on(&key.0, &flow));
            let mut end = None;
            if !is_over && may_go_on {
                left = left.saturating_add(1);
            } else if over.len() < limit::OVER_AT_ONCE {
                was_ended |= !is_over;
                end = Some(if may_go_on { ipfix::Reason::of_end(flow.ends_s.get()) } else { ipfix::Reason::Forced });
                over.push(key);
            }
            export.four(key.0, flow, end, &self.answers);
        })?;
        for key in over {
            // A flow that goes on at this very moment begins anew with its next packet, with the same port.
            let _ = self.flows.remove(&key);
        }
        if was_ended {
            self.is_changed()?;
        }
        Ok(left)
    }

    /// Flows between the two, with this protocol and port.
    pub(crate) fn count_flows(&self, asked: &Question, now_s: u32) -> Result<u32, Fatal> {
        let (source, destination) = (u32::from(asked.source), u32::from(asked.destination));
        let is_it = |key: &FlowKey| {
            let (here, there) = (key.inside, key.remote);
            let is_out = here.address == source && there.address == destination && there.port == asked.port;
            let is_in = there.address == source && here.address == destination && here.port == asked.port;
            key.protocol == u32::from(asked.protocol) && (is_out || is_in)
        };
        let mut count = 0_u32;
        self.each_flow(now_s, |key, _| count = count.saturating_add(is_it(&key).into()))?;
        Ok(count)
    }

    /// Takes back the ports of those who have no flows any more.
    pub(crate) fn free_ports(&mut self, now_s: u32) -> Result<(), Fatal> {
        let mut over = Vec::new();
        each("OWNERS", &self.owners, |key, bytes| {
            if sys::owner(bytes).ends_s.get() <= now_s && over.len() < limit::OVER_AT_ONCE {
                over.push(key);
            }
        })?;
        for key in over {
            let _ = self.owners.remove(&key);
        }
        Ok(())
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

/// A map as what it is.
pub(super) fn named<T: TryFrom<Map, Error = MapError>>(name: &'static str, map: Map) -> Result<T, Fatal> {
    map.try_into().map_err(|error| Fatal::Table(name, error))
}

/// Shows all entries of a table, some thousand at a time.
pub(super) fn each<K: Pod, V: Pod>(
    name: &'static str,
    table: &HashMap<MapData, K, V>,
    mut see: impl FnMut(K, V),
) -> Result<(), Fatal> {
    let (mut keys, mut values) = (Vec::with_capacity(limit::BATCH), Vec::with_capacity(limit::BATCH));
    let (mut place, mut is_last) = (None, false);
    while !is_last {
        is_last = sys::read_batch(table.map().fd().as_fd(), &mut place, &mut keys, &mut values)
            .map_err(|error| Fatal::Read(name, error))?;
        keys.iter().zip(&values).for_each(|(key, value)| see(*key, *value));
    }
    Ok(())
}
