//! Processes as `/proc` shows them.

use std::{collections::BTreeMap, fs};

use anyhow::Result;
use serde::Serialize;

/// One process.
#[derive(Debug, Serialize)]
pub(crate) struct Process {
    pid: u32,
    parent: u32,
    name: String,
    uid: u32,
    /// Effective capabilities, hexadecimal.
    capabilities: String,
    /// Capability bounding set, hexadecimal.
    bounding: String,
    no_new_privileges: bool,
    /// 2 is a filter.
    seccomp: u32,
    threads: u32,
    resident_kib: u64,
    cgroup: String,
    state: String,
    /// Kernel threads have no program.
    is_kernel: bool,
}

/// All of them; one that ends meanwhile is left out.
pub(crate) fn all() -> Result<Vec<Process>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            processes.extend(one(pid));
        }
    }
    processes.sort_by_key(|process| process.pid);
    Ok(processes)
}

fn one(pid: u32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let status: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(":\t")).collect();
    let word = |key| status.get(key).and_then(|value| value.split_whitespace().next()).unwrap_or_default();
    let number = |key| word(key).parse().unwrap_or_default();
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(Process {
        pid,
        parent: number("PPid"),
        name: word("Name").to_owned(),
        uid: number("Uid"),
        capabilities: word("CapEff").to_owned(),
        bounding: word("CapBnd").to_owned(),
        no_new_privileges: word("NoNewPrivs") == "1",
        seccomp: number("Seccomp"),
        threads: number("Threads"),
        resident_kib: word("VmRSS").parse().unwrap_or_default(),
        cgroup: fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default().trim().to_owned(),
        state: word("State").to_owned(),
        is_kernel: command_line.is_empty() && word("VmRSS").is_empty() && word("State") != "Z",
    })
}
