//! Small: memory, processes and files against `image/budgets.toml`.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::story::{Api, BOOT, FirstBoot, Router};

/// After set-up everything that was needed for it alone is given back within this time.
const SETTLE: Duration = Duration::from_secs(5);
/// `S_ISUID | S_ISGID`.
const SET_ID: u32 = 0o6000;
const TYPE: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

#[derive(Deserialize)]
struct Budgets {
    idle_memory_bytes: u64,
    idle_processes: usize,
    setuid_files: usize,
}

#[derive(Debug, Deserialize)]
struct Entry {
    path: String,
    mode: u32,
    size_bytes: u64,
}

#[test]
fn memory_and_processes_at_idle_keep_to_the_budget() -> Result<()> {
    let router = Router::direct("idle")?;
    let page = router.page()?;
    FirstBoot { page: &page, code: &router.claim_code()? }.claim("idle")?;
    std::thread::sleep(SETTLE);
    let status = Api::sign_in(&page)?.status()?;
    let machine = status.get("machine").context("PID 1 does not answer")?;
    let used = machine.pointer("/memory/used_bytes").and_then(Value::as_u64).context("no memory in the status")?;
    let processes = machine.get("processes").and_then(Value::as_array).context("no processes in the status")?;
    let budgets = budgets()?;
    println!("{} KiB used, {} processes", used / 1024, processes.len());
    assert!(used <= budgets.idle_memory_bytes, "{used} bytes are used");
    assert!(processes.len() <= budgets.idle_processes, "{processes:#?}");
    Ok(())
}

#[test]
fn the_root_holds_no_setuid_file_no_shell_and_nothing_that_can_be_written() -> Result<()> {
    let router = Router::with_agent("root-files")?;
    let entries: Vec<Entry> = router.guest.agent(BOOT)?.ask("walk", &json!({ "path": "/", "cross": false }))?;
    let files: Vec<&Entry> = entries.iter().filter(|entry| entry.mode & TYPE == FILE).collect();
    let set_id: Vec<&&Entry> = files.iter().filter(|entry| entry.mode & SET_ID != 0).collect();
    assert_eq!(set_id.len(), budgets()?.setuid_files, "{set_id:?}");
    let programs: Vec<&str> =
        files.iter().filter(|entry| entry.mode & 0o111 != 0).map(|entry| entry.path.as_str()).collect();
    let wanted = ["agent", "clock", "config", "datapath", "link", "mesh", "prober", "router", "tunnel", "web"]
        .map(|name| format!("/bin/{name}"));
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).chain(["/init"]).collect();
    let mut programs = programs;
    programs.sort_unstable();
    assert_eq!(programs, wanted);
    let writable: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.mode & 0o022 != 0 && matches!(entry.mode & TYPE, FILE | DIRECTORY))
        .filter(|entry| !["/tmp", "/run", "/dev/shm"].iter().any(|place| entry.path.starts_with(place)))
        .collect();
    assert!(writable.is_empty(), "{writable:?}");
    assert!(files.iter().all(|entry| entry.size_bytes > 0 || !entry.path.starts_with("/bin")));
    Ok(())
}

fn budgets() -> Result<Budgets> {
    Ok(toml::from_str(include_str!("../../../../image/budgets.toml"))?)
}
