//! PID 1 keeps the services running, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use patronus_qemu::Agent;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::story::{Api, BOOT, FirstBoot, Router};

/// A killed service is back within this time: back-off begins at 100 ms, the machine is emulated.
const BACK_LIMIT: Duration = Duration::from_secs(60);
/// The services that ship, by the manifest.
const SERVICES: [&str; 9] = ["config", "link", "clock", "web", "tunnel", "datapath", "mesh", "prober", "router"];

/// A process as the agent shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub name: String,
    pub uid: u32,
    pub capabilities: String,
    pub bounding: String,
    pub no_new_privileges: bool,
    pub seccomp: u32,
    pub cgroup: String,
    pub state: String,
    pub is_kernel: bool,
}

/// Every process of user space.
pub fn processes(agent: &mut Agent) -> Result<Vec<Process>> {
    let all: Vec<Process> = agent.ask("processes", &json!({}))?;
    Ok(all.into_iter().filter(|process| !process.is_kernel).collect())
}

#[test]
fn kill_9_of_every_service_restarts_it_and_leaves_the_others_alone() -> Result<()> {
    let router = Router::with_agent("kill-9")?;
    let page = router.page()?;
    FirstBoot { page: &page, code: &router.claim_code()? }.claim("kill")?;
    let configuration = Api::sign_in(&page)?.configuration()?;
    all_running(&router)?;
    let mut agent = router.guest.agent(BOOT)?;
    for victim in SERVICES {
        let before = pids(&mut agent)?;
        agent.ask::<()>("kill", &json!({ "pid": before.get(victim).context(victim)? }))?;
        let after = wait_for_another(&mut agent, victim, &before)?;
        for other in SERVICES.iter().filter(|other| **other != victim) {
            ensure!(before.get(*other) == after.get(*other), "{other} was touched when {victim} was killed");
        }
        page.wait_until_it_answers(BACK_LIMIT)?;
    }
    // The administrator's document is untouched, and the box still knows its administrator.
    assert_eq!(Api::sign_in(&page)?.configuration()?, configuration);
    Ok(())
}

#[test]
fn what_a_service_said_outlives_it() -> Result<()> {
    let router = Router::with_agent("logs")?;
    let page = router.page()?;
    FirstBoot { page: &page, code: &router.claim_code()? }.claim("logs")?;
    let said = |api: &Api| -> Result<Vec<String>> {
        let log: Value = serde_json::from_str(&api.get("/api/logs?source=web")?)?;
        let lines = log.get("lines").and_then(Value::as_array).context("no lines")?;
        Ok(lines.iter().filter_map(|line| line.get("text")?.as_str().map(str::to_owned)).collect())
    };
    let before = said(&Api::sign_in(&page)?)?;
    ensure!(before.iter().any(|line| line.contains("claimed")), "{before:#?}");
    let mut agent = router.guest.agent(BOOT)?;
    let pids = pids(&mut agent)?;
    agent.ask::<()>("kill", &json!({ "pid": pids.get("web").context("no web")? }))?;
    wait_for_another(&mut agent, "web", &pids)?;
    page.wait_until_it_answers(BACK_LIMIT)?;
    let after = said(&Api::sign_in(&page)?)?;
    ensure!(after.starts_with(&before) && after.len() > before.len(), "before {before:#?}, after {after:#?}");
    Ok(())
}

#[test]
fn a_service_that_is_killed_again_and_again_is_never_given_up() -> Result<()> {
    let router = Router::with_agent("killed-again")?;
    let page = router.page()?;
    let mut agent = router.guest.agent(BOOT)?;
    for _ in 0..6 {
        let before = pids(&mut agent)?;
        agent.ask::<()>("kill", &json!({ "pid": before.get("web").context("no web")? }))?;
        wait_for_another(&mut agent, "web", &before)?;
    }
    page.wait_until_it_answers(BACK_LIMIT)?;
    Ok(())
}

#[test]
fn nothing_runs_that_the_manifest_does_not_name() -> Result<()> {
    let router = Router::with_agent("manifest-only")?;
    router.page()?;
    let processes = all_running(&router)?;
    let names: BTreeSet<&str> = processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(
        names,
        BTreeSet::from([
            "agent", "clock", "config", "datapath", "init", "link", "mesh", "prober", "router", "tunnel", "web"
        ]),
        "{processes:#?}"
    );
    let strays: Vec<&Process> =
        processes.iter().filter(|process| process.pid != 1 && process.parent != 1 && process.name == "init").collect();
    assert!(strays.is_empty(), "{strays:#?}");
    Ok(())
}

#[test]
fn every_service_runs_with_the_rights_of_the_manifest_and_no_others() -> Result<()> {
    let router = Router::with_agent("rights")?;
    router.page()?;
    let processes = all_running(&router)?;
    // uid and capabilities as in init/services.toml: NET_ADMIN is bit 12, NET_RAW 13, SYS_TIME 25, NET_BIND_SERVICE 10, PERFMON 38, BPF 39.
    let rights = [
        ("config", 10001, 0),
        ("link", 10002, 1 << 12 | 1 << 13),
        ("clock", 10003, 1 << 25),
        ("web", 10004, 1 << 10),
        ("tunnel", 10005, 1 << 12),
        ("mesh", 10006, 0),
        ("datapath", 10007, 1 << 12 | 1 << 38 | 1 << 39),
        ("prober", 10008, 0),
        ("router", 10009, 0),
    ];
    for (service, uid, capabilities) in rights {
        let process = processes.iter().find(|process| process.name == service && process.parent == 1);
        let process = process.or_else(|| processes.iter().rfind(|process| process.name == service)).context(service)?;
        assert_eq!(process.uid, uid, "{service}");
        assert_eq!(u64::from_str_radix(&process.capabilities, 16)?, capabilities, "{service}");
        assert_eq!(u64::from_str_radix(&process.bounding, 16)?, capabilities, "{service} could gain capabilities");
        assert!(process.no_new_privileges, "{service}");
        assert_eq!(process.seccomp, 2, "{service} has no filter");
        assert!(process.cgroup.contains(service), "{service} is in cgroup {}", process.cgroup);
    }
    Ok(())
}

#[test]
fn orphans_are_reaped() -> Result<()> {
    let router = Router::with_agent("orphans")?;
    let mut agent = router.guest.agent(BOOT)?;
    let mut orphans: Vec<i32> = Vec::new();
    for _ in 0..10 {
        orphans.push(agent.ask("orphan", &json!({ "lives_ms": 2000 }))?);
    }
    let seen = processes(&mut agent)?;
    let adopted = seen.iter().filter(|process| orphans.contains(&process.pid) && process.parent == 1).count();
    ensure!(adopted > 0, "PID 1 adopted none of {orphans:?}: this test shows nothing");
    let deadline = Instant::now() + BACK_LIMIT;
    loop {
        let seen = processes(&mut agent)?;
        let left: Vec<&Process> = seen.iter().filter(|process| orphans.contains(&process.pid)).collect();
        if left.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "still there: {left:#?}");
    }
}

/// Every process, once the last service has started: the page answers before that.
fn all_running(router: &Router) -> Result<Vec<Process>> {
    let mut agent = router.guest.agent(BOOT)?;
    let deadline = Instant::now() + BACK_LIMIT;
    loop {
        let processes = processes(&mut agent)?;
        // A process that has not come to its program yet is still called `init`.
        let is_there = |service: &&str| processes.iter().any(|process| process.name == **service);
        if SERVICES.iter().all(is_there) {
            return Ok(processes);
        }
        ensure!(Instant::now() < deadline, "not all services have started: {processes:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The newest process of each service: a sandboxed one may have a helper of the same name as its parent.
fn pids(agent: &mut Agent) -> Result<BTreeMap<String, i32>> {
    let processes = processes(agent)?.into_iter().filter(|process| !process.state.starts_with('Z'));
    Ok(processes.map(|process| (process.name, process.pid)).collect())
}

fn wait_for_another(agent: &mut Agent, service: &str, before: &BTreeMap<String, i32>) -> Result<BTreeMap<String, i32>> {
    let deadline = Instant::now() + BACK_LIMIT;
    loop {
        let now = pids(agent)?;
        if now.get(service).is_some_and(|pid| Some(pid) != before.get(service)) {
            return Ok(now);
        }
        ensure!(Instant::now() < deadline, "{service} was not started again: {now:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
