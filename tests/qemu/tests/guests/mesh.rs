//! Sites become one network, as persons set them up: by their pages and the API, over two providers.

mod computer;
mod witness;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use patronus_qemu::{Image, Internet, Page, Place, SecondLan, Segment, Wan, person::Wishes};
use serde_json::{Value, json};

use crate::story::{Api, BOOT, FirstBoot, Router};
use computer::Computer;
use witness::Witness;

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
    let sites = [switch_on(1, "head-office")?, switch_on(2, "branch-lyon")?, switch_on(3, "branch-porto")?];

    let [first, others @ ..] = &sites;
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

    for (from, to) in sites.iter().flat_map(|from| sites.iter().map(move |to| (from, to))) {
        if from.number != to.number {
            let heard = from.computer.ping(&to.computer, MARK, ANSWER);
            ensure!(heard.as_deref() == Some(MARK), "{} hears nothing from {}", from.name, to.name);
        }
    }
    println!("every LAN reaches every other");

    let [first, second, third] = &sites;
    first.revoke(third)?;
    for site in [first, second] {
        site.wait_for_paths(PATHS_TO_A_SITE)?;
    }
    for (from, to) in [(first, third), (third, first), (second, third)] {
        ensure!(from.computer.ping(&to.computer, MARK, SILENCE).is_none(), "a revoked site is still reached");
    }
    let heard = first.computer.ping(&second.computer, MARK, ANSWER);
    ensure!(heard.as_deref() == Some(MARK), "the others lost each other");

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
        Ok(Self { number, name, router: Router::switch_on(scratch, machine)?, computer, _lan: lan })
    }

    /// First boot by the form. A person gives each site a LAN of its own.
    fn set_up(&self, token: Option<&str>) -> Result<()> {
        let page = self.router.page()?;
        let lan = format!("192.168.{}.1/24", network_of(self.number));
        let wishes = Wishes { site: self.name, lan: &lan, wan: &["eth0", "eth1"], lan_port: "eth2", token };
        FirstBoot { page: &page, code: &self.router.claim_code()? }.claim_as(&wishes)
    }

    fn lan(&self) -> String {
        format!("192.168.{}.0/24", network_of(self.number))
    }

    /// The page where it is after set-up.
    fn page(&self) -> Result<Page> {
        let guest = &self.router.guest;
        if self.number == 1 { guest.page() } else { guest.page_in(SecondLan(network_of(self.number))) }
    }

    fn api(&self) -> Result<Api> {
        let page = self.page()?;
        page.wait_until_it_answers(BOOT)?;
        Api::sign_in(&page)
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
