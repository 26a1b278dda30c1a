//! Sites become one network, as persons set them up: by their pages and the API, over two providers.

mod computer;
mod witness;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use patronus_qemu::{Image, Internet, Page, Place, SecondLan, Segment, Wan, person::Wishes};
use serde_json::{Value, json};

use crate::story::{Api, BOOT, FirstBoot, Router};
use computer::Computer;
use witness::Witness;

/// The machine's second WAN port.
const SECOND_UPLINK: &str = "wan1";
/// Three machines on a busy computer: from a set-up to its last tunnel.
const PATIENCE: Duration = Duration::from_secs(300);
/// For a packet there and back, with all that is asked again on the way.
const ANSWER: Duration = Duration::from_secs(60);
/// How long it is listened for an answer that must not come.
const SILENCE: Duration = Duration::from_secs(10);
/// Two uplinks here times two there, for each other site.
const PATHS_TO_A_SITE: usize = 4;
/// What LANs say to each other; nobody else may read it.
const MARK: &[u8] = b"what one LAN says to another is for nobody else's eyes";

#[test]
fn three_sites_join_by_their_pages_and_their_lans_reach_each_other_over_two_providers() -> Result<()> {
    let internet = Internet::new(2)?;
    let witness = Witness::of(internet.segments(), &[MARK, b"head-office", b"branch-"]);
    let switch_on = |number, name| Site::switch_on(number, name, &internet);
    let mut sites = [switch_on(1, "head-office")?, switch_on(2, "branch-lyon")?, switch_on(3, "branch-porto")?];

    let [first, others @ ..] = &mut sites;
    first.set_up(None)?;
    first.api()?.post("/api/sdwan/network", &json!({}))?;
    for other in others {
        let token = first.make_token(&other.lan())?;
        other.set_up(Some(&token))?;
    }
    for site in &sites {
        site.wait_for_paths(2 * PATHS_TO_A_SITE)?;
    }
    println!("all tunnels are up");
    for site in &sites {
        site.wait_for_measurements()?;
    }
    println!("all paths are measured");

    for (from, to) in sites.iter().flat_map(|from| sites.iter().map(move |to| (from, to))) {
        if from.number != to.number {
            from.hears(to)?;
        }
    }
    println!("every LAN reaches every other");

    let [first, second, third] = &sites;
    first.drain(0)?;
    second.drain(1)?;
    first.hears(second)?;
    second.hears(first)?;
    println!("also where the way there and the way back share no uplink");

    first.revoke(third)?;
    for site in [first, second] {
        site.wait_for_paths(PATHS_TO_A_SITE)?;
    }
    for (from, to) in [(first, third), (third, first), (second, third)] {
        ensure!(from.computer.ping(&to.computer, MARK, SILENCE).is_none(), "a revoked site is still reached");
    }
    first.hears(second)?;

    let seen = witness.end();
    println!("between the sites: {:?}", seen.kinds);
    ensure!(seen.foreign.is_empty(), "neither WireGuard nor discovery nor the ports' own: {:#?}", seen.foreign);
    ensure!(seen.readable == 0, "{} frames tell strangers what they should not know", seen.readable);
    for kind in ["WireGuard", "discovery"] {
        ensure!(seen.kinds.get(kind).is_some_and(|count| *count >= 20), "hardly any {kind}: this shows nothing");
    }
    ensure!(seen.lost == 0, "{} frames were not looked at", seen.lost);
    Ok(())
}

/// A router with two uplinks, and a computer on its LAN.
struct Site {
    number: u8,
    name: &'static str,
    router: Router,
    computer: Computer,
    _lan: Segment,
}

impl Site {
    fn switch_on(number: u8, name: &'static str, internet: &Internet) -> Result<Self> {
        let (scratch, lan) = (Place::from_env().scratch(name)?, Segment::new()?);
        let [one, two] = internet.segments() else { anyhow::bail!("two providers") };
        let machine = Image::shipped()?.direct_machine_with(name, &scratch, Wan::Segment(one.path().to_owned()))?;
        let machine = machine.wan(Wan::Segment(two.path().to_owned())).number(number).lan_segment(lan.path());
        let machine = if number == 1 { machine } else { machine.second_lan(SecondLan(network_of(number)), 0) };
        let computer = Computer::on(&lan, number, network_of(number));
        let mut router = Router::switch_on(scratch, machine)?;
        // Until a person says what it is for, every port but the first is the LAN.
        router.guest.set_cable(SECOND_UPLINK, false)?;
        Ok(Self { number, name, router, computer, _lan: lan })
    }

    /// First boot by the form. A person gives each site a LAN of its own.
    fn set_up(&mut self, token: Option<&str>) -> Result<()> {
        let page = self.router.page()?;
        let lan = format!("192.168.{}.1/24", network_of(self.number));
        let wishes = Wishes { site: self.name, lan: &lan, wan: &["eth0", "eth1"], lan_ports: self.lan_ports(), token };
        FirstBoot { page: &page, code: &self.router.claim_code()? }.claim_as(&wishes)?;
        // The page answers at the new address: the ports have their roles.
        self.page()?.wait_until_it_answers(BOOT)?;
        self.router.guest.set_cable(SECOND_UPLINK, true)
    }

    fn lan(&self) -> String {
        format!("192.168.{}.0/24", network_of(self.number))
    }

    /// Sites that move have a port for the computer that waits for them there.
    const fn lan_ports(&self) -> &'static [&'static str] {
        if self.number == 1 { &["eth2"] } else { &["eth2", "eth3"] }
    }

    /// The page where it is after set-up.
    fn page(&self) -> Result<Page> {
        let guest = &self.router.guest;
        if self.number == 1 { guest.page() } else { guest.page_in(SecondLan(network_of(self.number))) }
    }

    fn api(&self) -> Result<Api> {
        Api::sign_in(&self.page()?)
    }

    /// Tokens have an end, so the router must know the time first.
    fn make_token(&self, lan: &str) -> Result<String> {
        let (api, deadline) = (self.api()?, Instant::now() + PATIENCE);
        loop {
            match api.post("/api/sdwan/tokens", &json!({ "prefixes": [lan] })) {
                Ok(made) => return Ok(made.get("token").and_then(Value::as_str).context("no token")?.to_owned()),
                Err(error) if error.to_string().contains("clock-unknown") && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_secs(1));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Until there are so many paths, and all are up.
    fn wait_for_paths(&self, count: usize) -> Result<()> {
        let (api, deadline) = (self.api()?, Instant::now() + PATIENCE);
        loop {
            let state: Value = serde_json::from_str(&api.get("/api/sdwan/paths")?)?;
            let paths = state.get("paths").and_then(Value::as_array).context("no paths")?;
            let up = paths.iter().filter(|path| path.get("status").is_some_and(|status| status == "up")).count();
            if (up, paths.len()) == (count, count) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "site {}: {up} of {count} paths are up: {state:#}", self.number);
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Until every path was measured. Emulated, a path may well look dead for a while.
    fn wait_for_measurements(&self) -> Result<()> {
        let (api, deadline) = (self.api()?, Instant::now() + PATIENCE);
        let is_measured = |path: &Value| path.pointer("/quality/rtt_us").is_some_and(Value::is_u64);
        loop {
            let state: Value = serde_json::from_str(&api.get("/api/sdwan/paths")?)?;
            if state.get("paths").and_then(Value::as_array).is_some_and(|paths| paths.iter().all(is_measured)) {
                break;
            }
            ensure!(Instant::now() < deadline, "site {}: not all paths are measured: {state:#}", self.number);
            std::thread::sleep(Duration::from_secs(1));
        }
        let metrics = api.get("/metrics")?;
        let lines = metrics.lines().filter(|line| line.starts_with("patronus_path_rtt_seconds{")).count();
        ensure!(lines == 2 * PATHS_TO_A_SITE, "site {}: {metrics}", self.number);
        Ok(())
    }

    /// A ping goes there and comes back.
    fn hears(&self, other: &Self) -> Result<()> {
        match self.computer.ping(&other.computer, MARK, ANSWER) {
            Some(heard) if heard == MARK => Ok(()),
            _ => bail!("{} hears nothing from {}\n{}\n{}", self.name, other.name, self.tell()?, other.tell()?),
        }
    }

    /// Traffic leaves by another uplink from now on.
    fn drain(&self, slot: u8) -> Result<()> {
        let (api, deadline) = (self.api()?, Instant::now() + PATIENCE);
        api.post("/api/sdwan/drain", &json!({ "local": slot, "within_s": 0 }))?;
        let uses_it = |class: &Value| class.pointer("/paths/0/local").is_some_and(|local| *local == slot);
        loop {
            let state: Value = serde_json::from_str(&api.get("/api/sdwan/policies")?)?;
            let sites = state.get("sites").and_then(Value::as_array).context("no sites")?;
            let mut classes = sites.iter().filter_map(|site| site.get("classes")?.as_array()).flatten().peekable();
            ensure!(classes.peek().is_some(), "nothing is steered");
            if !classes.any(uses_it) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "site {} does not leave uplink {slot}: {state:#}", self.number);
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// What a router knows of how packets go, for him who looks for one that did not arrive.
    fn tell(&self) -> Result<String> {
        let api = self.api()?;
        let mut told = format!("{}:", self.name);
        for path in ["/api/status", "/api/flows", "/api/sdwan/policies", "/api/sdwan/paths"] {
            told += &format!("\n{path} {}", api.get(path)?);
        }
        Ok(told)
    }

    fn revoke(&self, other: &Self) -> Result<()> {
        let api = self.api()?;
        let state: Value = serde_json::from_str(&api.get("/api/sdwan/sites")?)?;
        let sites = state.get("sites").and_then(Value::as_array).context("no sites")?;
        let found = sites.iter().find(|site| site.get("name").is_some_and(|name| name == other.name));
        let id = found.and_then(|site| site.get("id")).context("it is not in the list")?;
        api.post("/api/sdwan/sites/revoke", &json!({ "site": id })).map(drop)
    }
}

/// The third byte of a site's LAN: the first keeps that of first boot.
const fn network_of(number: u8) -> u8 {
    41 + number
}
