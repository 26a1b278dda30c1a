//! Power cuts at random moments: the box always boots, is claimed or is not, and loses nothing that it acknowledged.
//!
//! QEMU is killed. What the guest had handed to its disk stays, whether it asked for a flush or not; everything in the guest's
//! memory is lost.

mod moments;

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use hyper::{Method, StatusCode};
use patronus_qemu::{Console, Facts, Machine, Page};
use tempfile::TempDir;

use crate::story::{Api, BOOT, FirstBoot, PASSWORD, Router, sign_in};
use moments::Moments;

/// Cuts of each kind.
const CUTS: u32 = 30;
/// Commits are sent for this long at most before the power is cut.
const COMMITTING: Duration = Duration::from_millis(1500);
/// The site's name is this and the number of the commit.
const SITE: &str = "commit-";

#[test]
fn power_cut_at_30_random_moments_of_first_boot_leaves_the_unclaimed_or_the_claimed_box() -> Result<()> {
    // One first boot without a cut shows how long it takes on this computer now.
    let started = Instant::now();
    let whole = Router::direct("first-boot-whole")?;
    FirstBoot { page: &whole.page()?, code: &whole.claim_code()? }.claim("whole")?;
    let mut moments = Moments::within(started.elapsed());
    drop(whole);

    let mut claimed = 0;
    for cut in 1..=CUTS {
        let moment = moments.next();
        let told = || format!("cut {cut} after {moment:?}, {moments}");
        let router = Router::direct("first-boot-cut")?;
        let (console, page) = (router.guest.console().clone(), router.guest.page()?);
        let person = thread::spawn(move || claim_until_cut(&console, &page));
        let (scratch, machine) = cut_after(router, moment).with_context(told)?;
        let acknowledged = person.join().is_ok_and(|claimed| claimed.is_ok());
        claimed += u32::from(is_claimed_or_claimable(scratch, machine, acknowledged).with_context(told)?);
    }
    println!("{CUTS} cuts within a first boot: {claimed} boxes were claimed, {} not; {moments}", CUTS - claimed);
    Ok(())
}

#[test]
fn power_cut_at_30_random_moments_of_a_config_commit_loses_nothing_acknowledged() -> Result<()> {
    let mut router = Router::direct("commit-cut")?;
    FirstBoot { page: &router.page()?, code: &router.claim_code()? }.claim(&format!("{SITE}0"))?;
    let mut moments = Moments::within(COMMITTING);
    let (mut running, mut boot_id) = (0, String::new());
    for cut in 1..=CUTS {
        let api = Api::sign_in(&router.page()?)?;
        let this_boot = api.boot_id()?;
        ensure!(this_boot != boot_id, "cut {cut} was none: the same boot goes on");
        boot_id = this_boot;

        let moment = moments.next();
        let engineer = thread::spawn(move || commit_until_cut(&api, running));
        let (scratch, machine) = cut_after(router, moment)?;
        let (acknowledged, tried) = engineer.join().ok().context("the engineer panicked")?;

        router = Router::switch_on(scratch, machine)?;
        running = number(&Api::sign_in(&router.page()?)?.configuration()?)?;
        ensure!(
            (acknowledged..=tried).contains(&running),
            "cut {cut} after {moment:?}, {moments}: {running} runs, {acknowledged} was acknowledged, {tried} sent"
        );
    }
    ensure!(running > CUTS / 3, "only {running} commits in {CUTS} rounds: the cuts hit nothing");
    println!("{CUTS} cuts within {running} commits; {moments}");
    Ok(())
}

/// Cuts the power at the moment, and makes sure that it was a cut: the machine ran, and had not begun to stop.
fn cut_after(router: Router, moment: Duration) -> Result<(TempDir, Machine)> {
    thread::sleep(moment);
    let Router { guest, scratch, .. } = router;
    let console = guest.console().clone();
    let machine = guest.cut_power()?;
    ensure!(!console.text().contains("data unmounted"), "the machine was stopping by itself");
    Ok((scratch, machine))
}

/// A person who claims the box as soon as that can be done. `Ok` if the box said that it is done.
fn claim_until_cut(console: &Console, page: &Page) -> Result<()> {
    console.wait_for("claim code", BOOT)?;
    let code = loop {
        match Facts::on(console, 0).claim_code {
            Some(code) => break code,
            None if console.is_closed() => bail!("cut before the claim code was whole"),
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    while page.get("/").is_err() {
        ensure!(!console.is_closed(), "cut before the page answered");
        thread::sleep(Duration::from_millis(10));
    }
    FirstBoot { page, code: &code }.claim("cut")
}

/// Whether the box is claimed: then wholly, with the password that was given. If not, it can be claimed as on its first day.
fn is_claimed_or_claimable(scratch: TempDir, machine: Machine, acknowledged: bool) -> Result<bool> {
    let router = Router::switch_on(scratch, machine)?;
    let page = router.page()?;
    let way = page.get("/")?.headers.get("location").context("the page leads nowhere")?.to_str()?.to_owned();
    match way.as_str() {
        "/login" => {
            let configuration = Api::sign_in(&page)?.configuration()?;
            ensure!(configuration.contains("\"cut\""), "claimed with another document:\n{configuration}");
            ensure!(page.get("/setup/code")?.status == StatusCode::NOT_FOUND, "set-up is still open");
            Ok(true)
        }
        "/setup/code" => {
            ensure!(!acknowledged, "the claim was acknowledged and is lost");
            ensure!(sign_in(&page, PASSWORD)?.status == StatusCode::FORBIDDEN, "half claimed: it knows the password");
            let api = page.request(&Method::GET, "/api/config", &[], "")?;
            ensure!(!api.status.is_success(), "half claimed: it has a document");
            FirstBoot { page: &page, code: &router.claim_code()? }.claim("later")?;
            Ok(false)
        }
        other => bail!("the page leads to {other}"),
    }
}

/// Commits one document after the other; gives the last number that was acknowledged and the last that was sent.
fn commit_until_cut(api: &Api, running: u32) -> (u32, u32) {
    let (mut acknowledged, mut tried) = (running, running);
    let Ok(document) = api.configuration() else { return (acknowledged, tried) };
    loop {
        tried += 1;
        let next = document.replace(&format!("\"{SITE}{running}\""), &format!("\"{SITE}{tried}\""));
        match api.apply(&next) {
            Ok(answer) if answer.status.is_success() => acknowledged = tried,
            _ => return (acknowledged, tried),
        }
    }
}

/// The number in the site's name.
fn number(configuration: &str) -> Result<u32> {
    let (_, rest) = configuration.split_once(&format!("\"{SITE}")).with_context(|| configuration.to_owned())?;
    Ok(rest.split('"').next().unwrap_or_default().parse()?)
}
