//! `bench boot`: how long it takes from power to page, and how much it takes to stay there.
//!
//! *Does*: boot the image that ships, claimed, five times with and five times without firmware; with `--with-debian` boot a
//! Debian router in between.
//! *Never does*: measure a router that is still unclaimed or busy with its first boot.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use patronus_qemu::{
    Boot, Bus, Console, Disk, Facts, Guest, Image, Machine, Place, Wan,
    person::{Api, FirstBoot},
};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    debian,
    report::{Report, Runs},
};
use crate::{build, progress, workspace::Workspace};

/// A boot on a busy computer.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// After the page answers, until memory and processes are looked at.
const SETTLE: Duration = Duration::from_secs(10);
/// PID 1's first line; it tells the version.
const PID_1: &str = "patronus: version";
/// As many as the smallest PC has that people buy; the rival gets the same.
pub(super) const PROCESSORS: u8 = 2;
/// Each figure is the median of as many boots.
const RUNS: u32 = 5;

/// What a person can choose.
#[derive(Debug, Args)]
pub struct BootArgs {
    /// Compare with a router made of Debian packages, built now and booted in the same run.
    #[arg(long)]
    with_debian: bool,
}

/// Runs the benchmark.
pub(super) fn run(workspace: &Workspace, args: &BootArgs) -> Result<()> {
    build::image(workspace, &build::Variant::default())?;
    let image = Image::shipped()?;
    let rival = if args.with_debian { Some(debian::Debian::build(workspace)?) } else { None };
    let scratch = Place::from_env().scratch("bench")?;
    let disk = progress::step("set up the router", || claimed_disk(&image, &scratch))?;
    let (mut ours, mut theirs) = (Runs::default(), Runs::default());
    for run in 1..=RUNS {
        progress::step(&format!("boot {run} of {RUNS} through firmware"), || {
            through_firmware(&disk, &scratch, &mut ours)
        })?;
        progress::step(&format!("boots {run} of {RUNS} of the kernel: first and later"), || {
            from_kernel(&image, &mut ours)
        })?;
        if let Some(rival) = &rival {
            progress::step(&format!("boot {run} of {RUNS} of the Debian router"), || rival.boot(&mut theirs))?;
        }
    }
    ours.note("root_image", "MiB", mib(std::fs::metadata(&image.root)?.len()));
    if let Some(rival) = &rival {
        theirs.note("root_image", "MiB", mib(rival.root_bytes()?));
    }
    let command = if args.with_debian { "./scripts/bench boot --with-debian" } else { "./scripts/bench boot" };
    let report = Report::new(command, &ours, rival.as_ref().map(|_| ("Debian 12 router", &theirs)))?;
    report.show();
    println!("\n{}", report.write(workspace, "boot")?.display());
    Ok(())
}

/// A disk with a claimed router, switched off in order.
fn claimed_disk(image: &Image, scratch: &TempDir) -> Result<PathBuf> {
    let machine = image.direct_machine("bench-set-up", scratch)?;
    let path = machine.drive().context("no disk")?.path().to_owned();
    Timed::boot(image.direct_boot(), &path, scratch, Owner::Nobody)?.stop()?;
    Ok(path)
}

/// Firmware and loader: from power to the kernel's first moment.
fn through_firmware(disk: &Path, scratch: &TempDir, runs: &mut Runs) -> Result<()> {
    let (code, pristine) = Place::from_env().firmware()?;
    let variables = scratch.path().join("variables.fd");
    std::fs::copy(pristine, &variables)?;
    let timed = Timed::boot(Boot::Uefi { code, variables }, disk, scratch, Owner::Bench)?;
    runs.note("firmware", "s", timed.kernel_start_s);
    timed.stop()
}

/// From the kernel's first moment to PID 1 and to the page: on a disk as it was flashed, which has everything to make, and again on
/// the same disk with an owner, then at rest.
fn from_kernel(image: &Image, runs: &mut Runs) -> Result<()> {
    let scratch = Place::from_env().scratch("bench-kernel")?;
    let disk = image.direct_machine("bench-flashed", &scratch)?.drive().context("no disk")?.path().to_owned();
    let first = Timed::boot(image.direct_boot(), &disk, &scratch, Owner::Nobody)?;
    runs.note("kernel_to_page", "s", first.page_s - first.kernel_start_s);
    first.stop()?;
    let timed = Timed::boot(image.direct_boot(), &disk, &scratch, Owner::Bench)?;
    runs.note("kernel_to_init", "s", timed.init_s - timed.kernel_start_s);
    runs.note("kernel_to_page_claimed", "s", timed.page_s - timed.kernel_start_s);
    std::thread::sleep(SETTLE);
    let status = timed.api.status()?;
    let used =
        status.pointer("/machine/memory/used_bytes").and_then(Value::as_u64).context("no memory in the status")?;
    let processes = status.pointer("/machine/processes").and_then(Value::as_array).context("no processes")?;
    runs.note("memory_in_use_idle", "MiB", mib(used));
    runs.note("processes_idle", "processes", f64::from(u32::try_from(processes.len())?));
    timed.stop()
}

/// Whose box it is that boots; one that nobody owns is claimed once its page has answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Nobody,
    Bench,
}

/// One boot with its times, in seconds since QEMU was started.
struct Timed {
    guest: Guest,
    api: Api,
    page_s: f64,
    /// When the kernel's own clock stood at zero.
    kernel_start_s: f64,
    /// When PID 1 on the verified root spoke first.
    init_s: f64,
}

impl Timed {
    fn boot(boot: Boot, disk: &Path, scratch: &TempDir, owner: Owner) -> Result<Self> {
        let disk = Disk::existing(disk.to_owned());
        let machine = Machine::new("bench", boot).processors(PROCESSORS).disk(disk, Bus::Virtio);
        let machine = machine.wan(Wan::Provider).lan();
        let started = Instant::now();
        let guest = machine.start(console_log(scratch)?)?;
        let page = guest.page()?;
        page.wait_until_it_answers(BOOT_LIMIT)?;
        let page_s = started.elapsed().as_secs_f64();
        let init_s = guest.console().wait_for(PID_1, BOOT_LIMIT)?.at.as_secs_f64();
        if owner == Owner::Nobody {
            guest.console().wait_for("claim code", BOOT_LIMIT)?;
            let code = Facts::on(guest.console(), 0).claim_code.context("no claim code")?;
            FirstBoot { page: &page, code: &code }.claim("bench")?;
        }
        let api = Api::sign_in(&page)?;
        let kernel_start_s = kernel_start(guest.console(), &api)?;
        Ok(Self { guest, api, page_s, kernel_start_s, init_s })
    }

    fn stop(mut self) -> Result<()> {
        self.guest.press_power_button()?;
        self.guest.after_power_off(BOOT_LIMIT).map(drop)
    }
}

/// Some line of PID 1 stands both on the console, where its time is ours, and in its log, where its time is the kernel's.
fn kernel_start(console: &Console, api: &Api) -> Result<f64> {
    let logs: Value = serde_json::from_str(&api.get("/api/logs?source=init")?)?;
    let lines = logs.get("lines").and_then(Value::as_array).context("no log")?;
    let shown = console.lines();
    let offset = lines.iter().find_map(|logged| {
        let text = format!("patronus: {}", logged.get("text")?.as_str()?);
        let uptime = Duration::from_millis(logged.get("uptime_ms")?.as_u64()?);
        let line = shown.iter().find(|line| line.text == text)?;
        Some(line.at.as_secs_f64() - uptime.as_secs_f64())
    });
    offset.context("no line of PID 1's log is on the console")
}

fn console_log(scratch: &TempDir) -> Result<File> {
    Ok(File::create(scratch.path().join("console.log"))?)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
