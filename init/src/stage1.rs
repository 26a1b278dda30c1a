//! Stage 1: from the initramfs to the verified root.
//!
//! *Does*: start the watchdog first, find our disk, choose the slot whose tree matches the command line, set up verity, hand over.
//! *Never does*: wait without a limit, hand over to anything that verity does not check, return.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

mod choose;
mod cmdline;
mod count;
mod hand_over;
mod search;

pub use choose::is_intact;
pub use cmdline::CommandLine;
pub use hand_over::Facts;

use std::{convert::Infallible, thread, time::Duration};

use thiserror::Error;

use crate::{
    console::Console,
    disk::{BootDisk, layout::Role},
    efi,
    meta::Meta,
    mounts, shutdown, verity,
    watchdog::Watchdog,
};

/// Long enough to read why on a screen.
const FAILURE_SHOWN: Duration = Duration::from_secs(5);
/// The recovery entry found no root: nothing will change soon, so people get longer to read it.
const HOPELESS_SHOWN: Duration = Duration::from_secs(50);

/// Why stage 1 restarts the machine instead of handing over.
#[derive(Debug, Error)]
pub enum Failure {
    /// The command line is not one of ours.
    #[error("the command line names no root (patronus.root=HASH:BLOCKS)")]
    CommandLine,
    /// No disk carries the layout.
    #[error("no disk with the Patronus layout appeared within {0} s")]
    NoDisk(u64),
    /// Disks carry the layout, but no slot is the root that was asked for.
    #[error("no slot holds the root of this boot entry: {0}")]
    NoSlot(String),
    /// As before, asked by the recovery entry: both roots are damaged.
    #[error("neither root is intact, write the image to the disk again: {0}")]
    NothingIntact(String),
    /// This blessed entry failed too often; the boot loader shall take another one.
    #[error("this boot entry failed {0} times in a row: the next boot takes another one")]
    WornOut(u8),
    /// The kernel refuses the verified device, the mount, or the hand-over.
    #[error("{step}: {error}")]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        error: std::io::Error,
    },
}

/// Whether `/` is the initramfs.
#[must_use]
pub fn is_initramfs() -> bool {
    const RAMFS: i64 = 0x8584_58f6;
    const TMPFS: i64 = 0x0102_1994;
    rustix::fs::statfs("/").is_ok_and(|root| [RAMFS, TMPFS].contains(&root.f_type))
}

/// Finds, verifies and mounts the root, and hands over to PID 1 on it. Any failure is shown, and restarts the machine.
pub fn run() -> ! {
    mounts::early();
    let watchdog = Watchdog::open();
    let mut console = Console::open();
    let mut meta = None;
    let Err(failure) = attempt(&mut console, &mut meta, watchdog);
    let text = failure.to_string();
    console.line(&format!("stage 1: {text}"));
    if let Some(meta) = &mut meta {
        // The next boot shows it; if it cannot be written, the console was all there is.
        let _ = meta.update(|record| record.last_failure = format!("stage 1: {text}"));
    }
    let hopeless = matches!(failure, Failure::NothingIntact(_));
    thread::sleep(if hopeless { HOPELESS_SHOWN } else { FAILURE_SHOWN });
    shutdown::restart()
}

fn attempt(console: &mut Console, meta: &mut Option<Meta>, watchdog: Option<Watchdog>) -> Result<Infallible, Failure> {
    let line = CommandLine::of_this_boot().ok_or(Failure::CommandLine)?;
    let entry = efi::entry();
    let found = search::find(console, &line, entry.map(|name| name.slot), meta)?;
    *meta = meta_of(&found.disk);
    console.line(&format!("root {} of {}, slot {}", line.root.hash_text(), found.disk.name, found.slot_letter()));
    if let (Some(meta), Some(entry)) = (meta.as_mut(), entry) {
        count::start(console, &found.disk, meta, entry)?;
    }
    verity::create(&found.partition, &line.root, &found.salt).map_err(kernel("setting up verity"))?;
    hand_over::to_root(&found, entry, watchdog)
}

fn kernel<E: Into<std::io::Error>>(step: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure::Kernel { step, error: error.into() }
}

/// Opens the meta partition of `disk`, if it can be read.
#[must_use]
pub fn meta_of(disk: &BootDisk) -> Option<Meta> {
    Meta::open(&disk.partition(Role::Meta)?).ok()
}
