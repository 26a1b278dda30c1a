//! From a fresh kernel to a machine on which services can run.
//!
//! *Does*: the order of PID 1's first steps, and what later parts need to know of them.
//! *Never does*: give up: whatever fails is said, and the next step follows.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use std::{fs, path::Path};

use patronus_ipc::init::{Boot, Data, Slot};
use rustix::system::{RebootCommand, reboot};

use crate::{
    bless::Trial,
    console::{Console, Identity},
    data,
    disk::BootDisk,
    entropy,
    meta::Meta,
    mounts, network, restore,
    stage1::{self, CommandLine, Facts},
    sysctl,
    watchdog::Watchdog,
};

/// PID 1's own directory on the data partition.
const STATE: &str = "/data/init";

/// What the start of the machine leaves for the loop.
#[derive(Debug)]
pub struct Machine {
    /// How this boot came about.
    pub boot: Boot,
    /// How the data partition was found. Sizes are those at boot; ask `data::usage` for fresh ones.
    pub data: Data,
    /// Version of the image.
    pub version: String,
    /// Kernel release.
    pub kernel: String,
    /// The watchdog, already running, if the machine has one. Feed it at least every `FEED_EVERY`.
    pub watchdog: Option<Watchdog>,
    /// Screen and serial line.
    pub console: Console,
    /// To be told once that all services are ready and stayed so.
    pub trial: Trial,
}

/// Brings the machine up.
#[must_use]
pub fn bring_up() -> Machine {
    let mut watchdog = Watchdog::inherit();
    let mut console = Console::open();
    let version = word("/etc/patronus/version");
    let kernel = word("/proc/sys/kernel/osrelease");
    let facts = Facts::from_env();
    let slot = facts.as_ref().map(|facts| facts.slot);
    console.line(&format!("version {version}, kernel {kernel}"));
    kernel_settings(&mut console);
    let mut disk = facts.as_ref().and_then(|facts| BootDisk::open(&facts.disk));
    let mut meta = disk.as_ref().and_then(stage1::meta_of);
    let boot = boot(&mut console, slot, meta.as_ref());
    console.set_identity(Identity { version: version.clone(), slot });
    feed(&mut watchdog);
    let data = data::start(&mut console, disk.as_mut(), meta.as_mut(), &mut || feed(&mut watchdog));
    console.line(&format!("data {}", data::describe(&data.state)));
    feed(&mut watchdog);
    if let Some(disk) = disk.as_ref().filter(|_| boot.recovery) {
        console.line("started by the recovery entry");
        restore::boot_entries(&mut console, disk);
    }
    feed(&mut watchdog);
    if let Err(error) = entropy::carry_over(Path::new(STATE)) {
        console.line(&format!("seed of randomness: {error}"));
    }
    let trial = Trial::new(disk, meta, facts.and_then(|facts| facts.entry));
    Machine { boot, data, version, kernel, watchdog, console, trial }
}

fn kernel_settings(console: &mut Console) {
    // Ctrl-Alt-Del becomes a signal to PID 1, which stops the machine in order.
    let _ = reboot(RebootCommand::CadOff);
    mounts::late(console);
    sysctl::apply(console);
    if let Err(error) = network::start() {
        console.line(&format!("loopback device: {error}"));
    }
}

fn boot(console: &mut Console, slot: Option<Slot>, meta: Option<&Meta>) -> Boot {
    let line = CommandLine::of_this_boot();
    let last_failure = meta.map(|meta| meta.record().last_failure.clone()).filter(|text| !text.is_empty());
    if let Some(text) = &last_failure {
        console.line(&format!("an earlier boot failed: {text}"));
    }
    Boot {
        boot_id: word("/proc/sys/kernel/random/boot_id"),
        slot: slot.unwrap_or(Slot::A),
        recovery: line.as_ref().is_some_and(|line| line.recovery),
        root_hash: line.map(|line| line.root.hash_text()).unwrap_or_default(),
        last_failure,
    }
}

fn feed(watchdog: &mut Option<Watchdog>) {
    if let Some(watchdog) = watchdog {
        watchdog.feed();
    }
}

/// The text of a small file without its line end; empty if it is not there.
fn word(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
