//! The steering tables in the kernel.
//!
//! *Does*: write what has changed, and nothing else; end the lease of a path with one store.
//! *Never does*: steer by tables that are half written: rules have two halves, and after a start nothing is steered until all stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, LpmTrie, Map, MapData, lpm_trie::Key},
};
use patronus_datapath::steering::{Lives, Numbers, Plan, classes};
use patronus_ebpf_abi::{
    FlowKey,
    steer::{
        CLASSES, Group, HALVES, MARKS, PATHS, PORT_ENTRIES, PORTS_OF_ENTRY, RULE_SETS, RULES, RuleSet, SITES,
        STEER_FIRST, STEER_OFF, Stuck, rule_prefix,
    },
};
use patronus_ipc::{
    prober::{self, PathId},
    router,
    tunnel::device_name,
};
use patronus_types::{ClassRule, Ipv4Net, UplinkSlot};
use rtnetlink::Handle;

use super::{
    Fatal, devices,
    sys::{Raw, Words},
    tables::named,
};

/// A flow that sticks to its path and was silent for this long does not count any more.
const SILENT_S: u32 = 60;

pub(crate) struct Steer {
    sites: LpmTrie<MapData, [u8; 4], u32>,
    switch: Array<MapData, u32>,
    prefix_rules: LpmTrie<MapData, [u8; 5], u32>,
    port_rules: Array<MapData, [u16; PORTS_OF_ENTRY as usize]>,
    mark_rules: Array<MapData, u32>,
    rule_sets: Array<MapData, RuleSet>,
    rule_class: Array<MapData, u32>,
    groups: Array<MapData, Raw<Group>>,
    path_flows: Array<MapData, u32>,
    stuck: HashMap<MapData, Raw<FlowKey>, Raw<Stuck>>,
    words: Words,
    handle: Handle,
    numbers: Numbers,
    plan: Plan,
    /// Those of the half in force, once there is one.
    rules: Option<Vec<ClassRule>>,
    half: u32,
    devices: BTreeMap<(UplinkSlot, UplinkSlot), u32>,
    lives: Lives,
}

impl Steer {
    pub(crate) fn of(object: &mut Ebpf, handle: Handle) -> Result<Self, Fatal> {
        let mut take = |name| object.take_map(name).ok_or(Fatal::Missing(name));
        let Map::Array(paths) = take("PATHS")? else { return Err(Fatal::Missing("PATHS")) };
        let words = Words::map(&paths, PATHS).map_err(Fatal::Words)?;
        Ok(Self {
            sites: named("SITES", take("SITES")?)?,
            switch: named("STEERING", take("STEERING")?)?,
            prefix_rules: named("PREFIX_RULES", take("PREFIX_RULES")?)?,
            port_rules: named("PORT_RULES", take("PORT_RULES")?)?,
            mark_rules: named("MARK_RULES", take("MARK_RULES")?)?,
            rule_sets: named("RULE_SETS", take("RULE_SETS")?)?,
            rule_class: named("RULE_CLASS", take("RULE_CLASS")?)?,
            groups: named("GROUPS", take("GROUPS")?)?,
            path_flows: named("PATH_FLOWS", take("PATH_FLOWS")?)?,
            stuck: named("STUCK", take("STUCK")?)?,
            words,
            handle,
            numbers: Numbers::default(),
            plan: Plan::default(),
            rules: None,
            half: 0,
            devices: BTreeMap::new(),
            lives: Lives::default(),
        })
    }

    /// What `prober` says counts at once.
    pub(crate) fn handle_reports(&mut self, now: Duration, state: &prober::State) {
        self.lives.handle_reports(now, state);
        self.renew(now);
    }

    /// And what `link` says of uplinks.
    pub(crate) fn handle_uplinks(&mut self, now: Duration, dead: BTreeSet<UplinkSlot>) {
        self.lives.handle_uplinks(dead);
        self.renew(now);
    }

    /// A word for each path; those that are dead first.
    pub(crate) fn renew(&self, now: Duration) {
        let word = |(path, (number, epoch)): (&PathId, &(u32, u8))| {
            let device = self.devices.get(&(path.local, path.remote)).copied().unwrap_or(0);
            Some((*number, self.lives.word(now, path, device, *epoch)?))
        };
        let (dead, alive): (Vec<_>, Vec<_>) =
            self.plan.paths.iter().filter_map(word).partition(|(_, word)| word.lease_s == 0);
        for (number, word) in dead.into_iter().chain(alive) {
            self.words.store(number, word.pack());
        }
    }

    /// What `router` wants.
    pub(crate) async fn follow(&mut self, now: Duration, state: &router::State) -> Result<(), Fatal> {
        let is_first = self.rules.is_none();
        if is_first {
            self.clear()?;
        }
        let plan = self.numbers.plan(state);
        self.find_devices(&plan).await;
        self.write_paths(&plan);
        self.write_groups(&plan)?;
        self.write_prefixes(&plan)?;
        self.plan = plan;
        self.renew(now);
        if self.rules.as_ref() != Some(&state.rules) {
            self.write_rules(&state.rules)?;
        }
        Ok(())
    }

    /// Devices may have come or be others now.
    pub(crate) async fn look(&mut self, now: Duration) {
        let plan = std::mem::take(&mut self.plan);
        self.find_devices(&plan).await;
        self.plan = plan;
        self.renew(now);
    }

    async fn find_devices(&mut self, plan: &Plan) {
        let wanted: BTreeSet<_> = plan.paths.keys().map(|path| (path.local, path.remote)).collect();
        let mut devices = BTreeMap::new();
        for (local, remote) in wanted {
            // A device that cannot be looked at now is found at the next look; until then the kernel routes.
            if let Ok(Some(devices::Seen { index, .. })) =
                devices::look(&self.handle, &device_name(local, remote)).await
            {
                devices.insert((local, remote), index);
            }
        }
        self.devices = devices;
    }

    /// What another life of this service has left has other numbers: until all stands, the kernel routes.
    fn clear(&mut self) -> Result<(), Fatal> {
        self.set_switch(STEER_OFF)?;
        (0..PATHS).for_each(|path| self.words.store(path, 0));
        for group in 0..SITES * CLASSES {
            self.groups.set(group, Raw(Group::default()), 0).map_err(|error| Fatal::Table("GROUPS", error))?;
        }
        let known: Vec<Key<[u8; 4]>> = self.sites.keys().filter_map(Result::ok).collect();
        known.iter().for_each(|key| _ = self.sites.remove(key));
        let stuck: Vec<Raw<FlowKey>> = self.stuck.keys().filter_map(Result::ok).collect();
        stuck.iter().for_each(|key| _ = self.stuck.remove(key));
        Ok(())
    }

    /// Numbers that are nobody's any more lead nowhere, before another path gets them.
    fn write_paths(&self, plan: &Plan) {
        let gone = self.plan.paths.iter().filter(|(path, _)| !plan.paths.contains_key(path));
        gone.for_each(|(_, (number, _))| self.words.store(*number, 0));
    }

    fn write_groups(&mut self, plan: &Plan) -> Result<(), Fatal> {
        let failed = |error| Fatal::Table("GROUPS", error);
        for number in self.plan.groups.keys().filter(|number| !plan.groups.contains_key(number)) {
            self.groups.set(*number, Raw(Group::default()), 0).map_err(failed)?;
        }
        for (number, group) in plan.groups.iter().filter(|(number, group)| self.plan.groups.get(number) != Some(group))
        {
            self.groups.set(*number, Raw(*group), 0).map_err(failed)?;
        }
        Ok(())
    }

    fn write_prefixes(&mut self, plan: &Plan) -> Result<(), Fatal> {
        for (bits, address) in self.plan.prefixes.keys().filter(|prefix| !plan.prefixes.contains_key(prefix)) {
            let _ = self.sites.remove(&Key::new(*bits, *address));
        }
        let new = plan.prefixes.iter().filter(|(prefix, site)| self.plan.prefixes.get(prefix) != Some(site));
        for ((bits, address), site) in new {
            self.sites.insert(&Key::new(*bits, *address), site, 0).map_err(|error| Fatal::Table("SITES", error))?;
        }
        Ok(())
    }

    /// Into the half that is not in force, which then is.
    fn write_rules(&mut self, rules: &[ClassRule]) -> Result<(), Fatal> {
        let compiled = classes::compile(rules);
        let half = (self.half + 1) % HALVES;
        let place = |number: usize, all: u32| half * all + u32::try_from(number).unwrap_or(all - 1);
        for (number, set) in compiled.sets.iter().enumerate() {
            self.rule_sets.set(place(number, RULE_SETS), *set, 0).map_err(|error| Fatal::Table("RULE_SETS", error))?;
        }
        for (number, class) in compiled.classes.iter().enumerate() {
            self.rule_class.set(place(number, RULES), *class, 0).map_err(|error| Fatal::Table("RULE_CLASS", error))?;
        }
        for (number, set) in compiled.marks.iter().enumerate() {
            let set = u32::from(*set);
            self.mark_rules.set(place(number, MARKS), set, 0).map_err(|error| Fatal::Table("MARK_RULES", error))?;
        }
        let entries = compiled.ports.as_chunks().0;
        for (number, entry) in entries.iter().enumerate() {
            let at = place(number, PORT_ENTRIES);
            self.port_rules.set(at, *entry, 0).map_err(|error| Fatal::Table("PORT_RULES", error))?;
        }
        self.write_rule_prefixes(half, &compiled.prefixes)?;
        self.set_switch(STEER_FIRST + half)?;
        self.half = half;
        self.rules = Some(rules.to_vec());
        Ok(())
    }

    /// Those of this half before go.
    fn write_rule_prefixes(&mut self, half: u32, prefixes: &BTreeMap<Ipv4Net, u16>) -> Result<(), Fatal> {
        let known: Vec<Key<[u8; 5]>> = self.prefix_rules.keys().filter_map(Result::ok).collect();
        let is_of_half = |key: &&Key<[u8; 5]>| u32::from(key.data()[0]) == half;
        known.iter().filter(is_of_half).for_each(|key| _ = self.prefix_rules.remove(key));
        for (prefix, set) in prefixes {
            let key = Key::new(8 + u32::from(prefix.prefix_len()), rule_prefix(half, prefix.network().octets()));
            let failed = |error| Fatal::Table("PREFIX_RULES", error);
            self.prefix_rules.insert(&key, u32::from(*set), 0).map_err(failed)?;
        }
        Ok(())
    }

    fn set_switch(&mut self, to: u32) -> Result<(), Fatal> {
        self.switch.set(0, to, 0).map_err(|error| Fatal::Table("STEERING", error))
    }

    /// Counts the flows that stick to each path anew; those that are silent go.
    pub(crate) fn count_flows(&mut self, now_s: u32) -> Result<(), Fatal> {
        let (lasting, silent): (Vec<_>, Vec<_>) = (self.stuck.iter().filter_map(Result::ok))
            .partition(|(_, Raw(stuck))| now_s.saturating_sub(stuck.seen_s) <= SILENT_S);
        silent.iter().for_each(|(key, _)| _ = self.stuck.remove(key));
        for (number, _) in self.plan.paths.values() {
            let count = lasting.iter().filter(|(_, Raw(stuck))| stuck.path == *number).count();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.path_flows.set(*number, count, 0).map_err(|error| Fatal::Table("PATH_FLOWS", error))?;
        }
        Ok(())
    }
}
