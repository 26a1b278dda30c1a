//! Whatever happens to the data partition, the router boots, says so, and is never open to whoever comes first.

use anyhow::{Context, Result, ensure};
use hyper::{Method, StatusCode};
use patronus_qemu::{Disk, Image, Page, Place};
use serde_json::json;

use crate::story::{Api, BOOT, FirstBoot, PASSWORD, Router, sign_in};

/// A little more than the least that has a tail for what is set aside.
const SMALL_DATA_BYTES: u64 = 300 << 20;

#[test]
fn an_erased_data_partition_is_said_and_leads_to_a_box_that_only_the_console_opens() -> Result<()> {
    let router = claimed_then("erased", |disk| disk.zero(&disk.partition("data")?))?;
    router.guest.console().wait_for("patronus: data set-aside", BOOT)?;
    closed_to_strangers(&router)
}

#[test]
fn a_data_partition_of_noise_is_set_aside_and_said() -> Result<()> {
    let router = claimed_then("noise", |disk| {
        let data = disk.partition("data")?;
        // The same noise each time: a linear congruential generator (Knuth, MMIX).
        let mut state = 42_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_le_bytes()[7]
        };
        disk.write(data.start_bytes, &(0..8 << 20).map(|_| next()).collect::<Vec<u8>>())
    })?;
    router.guest.console().wait_for("patronus: data set-aside", BOOT)?;
    closed_to_strangers(&router)
}

#[test]
fn a_disk_that_was_cut_off_boots_and_says_so() -> Result<()> {
    let router = claimed_then("truncated", |disk| {
        let data = disk.partition("data")?;
        disk.resize(data.start_bytes + data.size_bytes / 4)
    })?;
    let said = router.guest.console().wait_until(0, "the state of data", BOOT, |line| {
        line.text.starts_with("patronus: data ") && !line.text.contains("grown")
    })?;
    ensure!(!said.text.ends_with("clean") && !said.text.ends_with("made"), "nobody noticed: {}", said.text);
    closed_to_strangers(&router)
}

#[test]
fn a_full_data_partition_boots_and_still_lets_its_administrator_in() -> Result<()> {
    // A small disk, which is full soon: gigabytes of writes would keep the guest waiting for its disk, not for space.
    let scratch = Place::from_env().scratch("full")?;
    let machine = Image::variant("agent")?.direct_machine("full", &scratch)?.agent();
    let disk = machine.drive().context("no disk")?;
    disk.resize(disk.partition("data")?.start_bytes + SMALL_DATA_BYTES)?;
    let router = Router::switch_on(scratch, machine)?;
    let page = router.page()?;
    FirstBoot { page: &page, code: &router.claim_code()? }.claim("full")?;
    let configuration = Api::sign_in(&page)?.configuration()?;
    let filled: u64 = router.guest.agent(BOOT)?.ask("fill", &json!({ "path": "/data" }))?;
    ensure!(filled > 0, "nothing was filled");

    let router = router.cut_and_switch_on()?;
    let page = router.page()?;
    let api = Api::sign_in(&page)?;
    assert_eq!(api.configuration()?, configuration);
    // What cannot be stored is not acknowledged.
    let change = api.apply(&configuration.replace("full", "other"))?;
    let running = api.configuration()?;
    assert_eq!(change.status.is_success(), running.contains("\"other\""), "{} {}", change.status, change.body);

    router.guest.agent(BOOT)?.ask::<()>("empty", &json!({ "path": "/data" }))?;
    page.wait_until_it_answers(BOOT)?;
    let change = Api::sign_in(&page)?.apply(&configuration.replace("full", "roomy"))?;
    ensure!(change.status.is_success(), "with room again: {} {}", change.status, change.body);
    Ok(())
}

/// A claimed router, switched off in order, its disk damaged, switched on again.
fn claimed_then(name: &str, damage: impl Fn(&Disk) -> Result<()>) -> Result<Router> {
    let mut router = Router::direct(name)?;
    let page = router.page()?;
    FirstBoot { page: &page, code: &router.claim_code()? }.claim(name)?;
    router.guest.press_power_button()?;
    let Router { guest, scratch, .. } = router;
    let machine = guest.after_power_off(BOOT)?;
    damage(machine.drive().context("no disk")?)?;
    Router::switch_on(scratch, machine)
}

/// Nobody gets in without the claim code, which only the console shows; not even with the old password.
fn closed_to_strangers(router: &Router) -> Result<()> {
    let page = router.page()?;
    router.claim_code()?;
    assert_eq!(sign_in(&page, PASSWORD)?.status, StatusCode::FORBIDDEN);
    nothing_is_open(&page)?;
    let wrong = FirstBoot { page: &page, code: "AAAAA-AAAAA" }.open();
    ensure!(wrong.is_err(), "a wrong claim code was taken");
    Ok(())
}

fn nothing_is_open(page: &Page) -> Result<()> {
    for path in ["/api/status", "/api/config", "/api/logs", "/setup"] {
        let answer = page.request(&Method::GET, path, &[], "")?;
        ensure!(!answer.status.is_success(), "{path} answers {}", answer.status);
    }
    Ok(())
}
