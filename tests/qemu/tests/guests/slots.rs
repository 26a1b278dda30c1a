//! A root or a PID 1 that is no good leads to the other slot, never to a machine that waits.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use patronus_qemu::{Bus, Disk, Image, Machine, Place};
use serde_json::Value;
use tempfile::TempDir;

use crate::story::{Api, FirstBoot, Router};

/// Four boots through firmware on a busy machine.
const FALL_BACK: Duration = Duration::from_secs(500);
/// The same when each of three boots ends only by the watchdog, which waits a minute.
const WATCHDOG_FALL_BACK: Duration = Duration::from_secs(900);
/// How stage 1 begins to say why it gives up; it does so once in each such boot.
const GIVES_UP: &str = "patronus: stage 1:";

#[test]
fn one_flipped_bit_in_the_root_is_found_and_the_other_slot_boots() -> Result<()> {
    let scratch = Place::from_env().scratch("flipped-bit")?;
    let image = Image::shipped()?;
    let machine = image.machine("flipped-bit", &scratch, Bus::Virtio)?;
    let disk = machine.drive().context("no disk")?;
    disk.flip_bit(disk.partition("root-a")?.start_bytes + place_of(&image.root, "/init")?)?;
    let router = Router::switch_on(scratch, machine)?;
    boots_from_slot_b(&router, FALL_BACK)?;
    let text = router.guest.console().text();
    ensure!(text.contains("device-mapper: verity") && text.contains("corrupt"), "nobody noticed:\n{text}");
    let before = text.split("slot b").next().unwrap_or_default();
    ensure!(!before.contains("patronus: version"), "PID 1 of the damaged slot ran:\n{before}");
    Ok(())
}

#[test]
fn a_root_that_is_gone_leads_to_the_other_slot() -> Result<()> {
    let scratch = Place::from_env().scratch("root-gone")?;
    let machine = Image::shipped()?.machine("root-gone", &scratch, Bus::Virtio)?;
    let disk = machine.drive().context("no disk")?;
    disk.zero(&disk.partition("root-a")?)?;
    boots_from_slot_b(&Router::switch_on(scratch, machine)?, FALL_BACK)
}

#[test]
fn a_machine_without_any_root_restarts_and_does_not_wait() -> Result<()> {
    let scratch = Place::from_env().scratch("no-root")?;
    let machine = Image::shipped()?.direct_machine("no-root", &scratch)?;
    let disk = machine.drive().context("no disk")?;
    for slot in ["root-a", "root-b"] {
        disk.zero(&disk.partition(slot)?)?;
    }
    let router = Router::switch_on(scratch, machine)?;
    router.guest.console().wait_for("no slot holds the root", FALL_BACK)?;
    let mark = router.guest.console().mark();
    router.guest.console().wait_after(mark, GIVES_UP, FALL_BACK)?;
    Ok(())
}

#[test]
fn a_disk_that_never_appears_leads_to_a_restart() -> Result<()> {
    let scratch = Place::from_env().scratch("no-disk")?;
    let machine = Machine::new("no-disk", Image::shipped()?.direct_boot());
    let router = Router::switch_on(scratch, machine)?;
    router.guest.console().wait_for("no disk with the Patronus layout", FALL_BACK)?;
    let mark = router.guest.console().mark();
    router.guest.console().wait_after(mark, GIVES_UP, FALL_BACK)?;
    Ok(())
}

#[test]
fn a_pid_1_that_ends_gets_three_tries_then_the_other_slot_boots() -> Result<()> {
    let router = with_fault_in_slot_a("exit")?;
    boots_from_slot_b(&router, FALL_BACK)?;
    says_three_times("faulty: ends", &router.guest.console().text())
}

#[test]
fn a_pid_1_that_hangs_gets_three_tries_by_the_watchdog_then_the_other_slot_boots() -> Result<()> {
    let router = with_fault_in_slot_a("hang")?;
    boots_from_slot_b(&router, WATCHDOG_FALL_BACK)?;
    says_three_times("faulty: hangs", &router.guest.console().text())
}

#[test]
fn a_blessed_entry_wears_out_after_three_failures_and_the_other_slot_boots() -> Result<()> {
    let (scratch, machine) = fault_in_slot_a("exit", "worn-out")?;
    rename_entry(machine.drive().context("no disk")?, "p2a+3.efi", "p2a.efi")?;
    let router = Router::switch_on(scratch, machine)?;
    boots_from_slot_b(&router, FALL_BACK)?;
    let text = router.guest.console().text();
    says_three_times("faulty: ends", &text)?;
    ensure!(text.contains("this boot entry failed 3 times in a row"), "nobody said why:\n{text}");
    Ok(())
}

#[test]
fn with_both_slots_out_of_tries_the_recovery_entry_boots() -> Result<()> {
    let scratch = Place::from_env().scratch("recovery")?;
    let machine = Image::shipped()?.machine("recovery", &scratch, Bus::Virtio)?;
    let disk = machine.drive().context("no disk")?;
    rename_entry(disk, "p2a+3.efi", "p2a+0-3.efi")?;
    rename_entry(disk, "p1b+3.efi", "p1b+0-3.efi")?;
    let router = Router::switch_on(scratch, machine)?;
    let page = router.page()?;
    FirstBoot { page: &page, code: &router.claim_code()? }.claim("recovered")?;
    let status = Api::sign_in(&page)?.status()?;
    assert_eq!(status.pointer("/machine/recovery"), Some(&Value::Bool(true)), "{status:#}");

    // The entries that it restored are ones that boot.
    router.guest.console().wait_for("recovery: boot entry p2a+3.efi restored", FALL_BACK)?;
    let mark = router.guest.console().mark();
    let mut router = router;
    router.guest.press_ctrl_alt_del()?;
    router.guest.console().wait_after(mark, "patronus: slot a", FALL_BACK)?;
    let status = Api::sign_in(&router.page_after(mark)?)?.status()?;
    assert_eq!(status.pointer("/machine/recovery"), Some(&Value::Bool(false)), "{status:#}");
    Ok(())
}

fn boots_from_slot_b(router: &Router, limit: Duration) -> Result<()> {
    router.guest.console().wait_for("patronus: slot b", limit)?;
    router.page()?;
    Ok(())
}

/// One line for each try; if there are more or fewer, the whole console says what happened instead.
fn says_three_times(line: &str, console: &str) -> Result<()> {
    let count = console.matches(line).count();
    ensure!(count == 3, "\"{line}\" {count} times:\n{console}");
    Ok(())
}

fn with_fault_in_slot_a(fault: &str) -> Result<Router> {
    let (scratch, machine) = fault_in_slot_a(fault, &format!("pid1-{fault}"))?;
    Router::switch_on(scratch, machine)
}

/// Slot A holds an image whose PID 1 fails; slot B, which the loader likes less, the image that ships.
fn fault_in_slot_a(fault: &str, name: &str) -> Result<(TempDir, Machine)> {
    let scratch = Place::from_env().scratch(name)?;
    let faulty = Image::variant(&format!("pid1-{fault}"))?;
    let machine = Image::shipped()?.machine(name, &scratch, Bus::Virtio)?;
    let disk = machine.drive().context("no disk")?;
    disk.write(disk.partition("root-a")?.start_bytes, &std::fs::read(&faulty.root)?)?;
    replace_entry(disk, "p2a+3.efi", &faulty.uki)?;
    Ok((scratch, machine))
}

fn replace_entry(disk: &Disk, entry: &str, uki: &Path) -> Result<()> {
    mtools(Command::new("mcopy").args(["-o", "-i", &xbootldr(disk)?]).arg(uki).arg(format!("::EFI/Linux/{entry}")))
}

fn rename_entry(disk: &Disk, from: &str, to: &str) -> Result<()> {
    mtools(Command::new("mren").args([
        "-i",
        &xbootldr(disk)?,
        &format!("::EFI/Linux/{from}"),
        &format!("::EFI/Linux/{to}"),
    ]))
}

/// How mtools names a partition inside a disk file.
fn xbootldr(disk: &Disk) -> Result<String> {
    Ok(format!("{}@@{}", disk.path().display(), disk.partition("xbootldr")?.start_bytes))
}

fn mtools(command: &mut Command) -> Result<()> {
    let output = command.env("MTOOLS_SKIP_CHECK", "1").output().context("mtools is not installed")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Where the first bytes of a file lie in the root, in bytes.
fn place_of(root: &Path, file: &str) -> Result<u64> {
    let output = Command::new("dump.erofs").arg(format!("--path={file}")).arg("-e").arg(root).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `   0:        0..   12345 |   12345 :    8192..   12288 |    4096`: file range, then place on the medium.
    let extent = text.lines().find(|line| line.trim_start().starts_with("0:")).with_context(|| text.clone())?;
    let medium = extent.split('|').nth(1).and_then(|part| part.split(':').nth(1)).context("no extent")?;
    Ok(medium.split("..").next().context("no extent")?.trim().parse()?)
}
