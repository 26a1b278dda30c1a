//! However the machine is stopped by a person, it stops in order: services first, data unmounted clean.

use anyhow::{Context, Result, ensure};
use hyper::{Method, StatusCode};
use patronus_qemu::Console;
use serde_json::json;

use crate::story::{Api, BOOT, FirstBoot, Router, STOP};

/// PID 1 says it after `umount` has succeeded.
const UNMOUNTED: &str = "patronus: data unmounted";

#[test]
fn the_power_button_switches_off_with_data_unmounted_clean() -> Result<()> {
    let mut router = Router::direct("power-button")?;
    router.page()?;
    router.guest.press_power_button()?;
    router.guest.wait_for_power_off(STOP)?;
    ensure!(router.guest.console().text().contains(UNMOUNTED), "{}", router.guest.console().text());
    let Router { guest, scratch, .. } = router;
    let machine = guest.after_power_off(STOP)?;
    data_is_clean(machine.drive().context("no disk")?, &scratch)
}

#[test]
fn ctrl_alt_del_restarts_with_data_unmounted_clean() -> Result<()> {
    let mut router = Router::direct("ctrl-alt-del")?;
    router.page()?;
    let mark = router.guest.console().mark();
    router.guest.press_ctrl_alt_del()?;
    restarts(&router, mark)
}

#[test]
fn a_reboot_through_the_api_restarts_with_data_unmounted_clean_and_keeps_the_configuration() -> Result<()> {
    let router = Router::direct("api-reboot")?;
    let page = router.page()?;
    FirstBoot { page: &page, code: &router.claim_code()? }.claim("reboots")?;
    let api = Api::sign_in(&page)?;
    let (before, configuration) = (api.boot_id()?, api.configuration()?);
    let mark = router.guest.console().mark();
    let answer = api.ask(&Method::POST, "/api/system/reboot", "application/json", &json!({}).to_string())?;
    ensure!(answer.status == StatusCode::ACCEPTED, "{} {}", answer.status, answer.body);
    restarts(&router, mark)?;
    let api = Api::sign_in(&router.page_after(mark)?)?;
    assert_ne!(api.boot_id()?, before);
    assert_eq!(api.configuration()?, configuration);
    Ok(())
}

#[test]
fn a_power_off_through_the_api_switches_off_with_data_unmounted_clean() -> Result<()> {
    let mut router = Router::direct("api-power-off")?;
    let page = router.page()?;
    FirstBoot { page: &page, code: &router.claim_code()? }.claim("off")?;
    Api::sign_in(&page)?.ask(&Method::POST, "/api/system/power-off", "application/json", "{}")?;
    router.guest.wait_for_power_off(STOP)?;
    ensure!(router.guest.console().text().contains(UNMOUNTED), "{}", router.guest.console().text());
    Ok(())
}

fn restarts(router: &Router, mark: usize) -> Result<()> {
    let console: &Console = router.guest.console();
    console.wait_after(mark, UNMOUNTED, STOP)?;
    console.wait_after(mark, "patronus: restarting", STOP)?;
    console.wait_after(mark, "patronus: version", BOOT)?;
    console.wait_after(mark, "patronus: data clean", BOOT)?;
    console.wait_after(mark, "fingerprint SHA256", BOOT)?;
    Ok(())
}

/// The file system's own checker finds nothing to do, and no journal to replay.
fn data_is_clean(disk: &patronus_qemu::Disk, scratch: &tempfile::TempDir) -> Result<()> {
    let copy = scratch.path().join("data.ext4");
    disk.extract(&disk.partition("data")?, &copy)?;
    let output = std::process::Command::new("/sbin/e2fsck").args(["-f", "-n"]).arg(&copy).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}");
    let header = std::process::Command::new("/sbin/dumpe2fs").arg("-h").arg(&copy).output()?;
    let header = String::from_utf8_lossy(&header.stdout).into_owned();
    ensure!(!header.contains("needs_recovery"), "the journal was not empty");
    Ok(())
}
