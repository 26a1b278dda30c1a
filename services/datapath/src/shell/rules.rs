//! The rules in the kernel: what is searched, what was counted, what is to be said in the log.
//!
//! *Does*: write compiled rules before any program looks into them; read hits and noted packets back.
//! *Never does*: change rules that a program uses: other rules are another table, with programs of its own.

use std::collections::BTreeMap;

use aya::{
    Ebpf,
    maps::{Array, MapData, PerCpuArray, RingBuf},
};
use patronus_datapath::{
    limit,
    policy::{Book, Compiled},
};
use patronus_ebpf_abi::policy::Line;

use super::{Fatal, sys, tables::named};

pub(crate) struct Rules {
    hits: PerCpuArray<MapData, u64>,
    logged: RingBuf<MapData>,
}

impl Rules {
    /// Those of a loaded object, with `policy` in them.
    pub(crate) fn of(object: &mut Ebpf, policy: &Compiled) -> Result<Self, Fatal> {
        let mut take = |name| object.take_map(name).ok_or(Fatal::Missing(name));
        let mut lines: Array<MapData, Line> = named("POLICY", take("POLICY")?)?;
        for (at, line) in (0..).zip(policy.lines()) {
            lines.set(at, line, 0).map_err(|error| Fatal::Table("POLICY", error))?;
        }
        Ok(Self { hits: named("HITS", take("HITS")?)?, logged: named("LOGGED", take("LOGGED")?)? })
    }

    /// First packets that each rule has decided about, by name.
    pub(crate) fn hits(&self, book: &Book) -> BTreeMap<String, u64> {
        let compiled = book.0.iter().filter(|entry| entry.rule.is_some());
        let count = |rule: u32| self.hits.get(&rule, 0).map(|each| each.iter().sum()).unwrap_or_default();
        (0..).zip(compiled).map(|(rule, entry)| (entry.name.clone(), count(rule))).collect()
    }

    /// Puts into the log what the rules have noted since the last look.
    pub(crate) fn log(&mut self, policy: &Compiled, book: &Book) {
        let (mut told, mut more) = (0_usize, 0_u64);
        while let Some(bytes) = self.logged.next() {
            let Some(logged) = sys::logged(&bytes) else { continue };
            // What an older policy has noted has its names no more.
            let entry = book.entry(logged.rule).filter(|_| logged.generation == policy.generation());
            match entry {
                Some(entry) if told < limit::LOGGED_AT_ONCE => {
                    tracing::info!("rule {} {}", entry.name, patronus_datapath::policy::said(&logged, entry));
                    told += 1;
                }
                _ => more += 1,
            }
        }
        if more > 0 {
            tracing::info!("rules noted {more} more packets than are shown");
        }
    }
}
