//! Waiting for the disk, with a limit: USB, SCSI and NVMe disks appear when they are ready.
//!
//! *Does*: look again and again until a slot matches or the time is over.
//! *Never does*: wait longer than `DISK_WAIT`.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use patronus_ipc::init::Slot;

use super::{CommandLine, Failure, choose, meta_of};
use crate::{
    console::Console,
    disk::{self, BootDisk, cut, layout::Role},
    efi,
    meta::Meta,
    uki,
    verity::Salt,
};

/// The slowest disks that were seen took 10 s; the watchdog allows 60 s for everything.
const DISK_WAIT: Duration = Duration::from_secs(30);
/// Once a disk with the layout is there but holds no matching slot, others get this long.
const OTHERS_WAIT: Duration = Duration::from_secs(5);
/// Once a disk matches that is not the one the boot loader names, that one gets this long.
const LOADER_WAIT: Duration = Duration::from_secs(3);
/// Within this time after a disk is there, the kernel has read its partition table.
const KERNEL_WAIT: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The root to run.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) disk: BootDisk,
    pub(super) slot: Slot,
    /// Device of the slot's root.
    pub(super) partition: PathBuf,
    pub(super) salt: Salt,
}

impl Found {
    pub(super) fn slot_letter(&self) -> char {
        uki::slot_letter(self.slot)
    }
}

/// Finds the disk and the slot; `meta` becomes the meta partition of the first disk that was seen.
pub(super) fn find(
    console: &mut Console,
    line: &CommandLine,
    preferred: Option<Slot>,
    meta: &mut Option<Meta>,
) -> Result<Found, Failure> {
    let loader = efi::loader_partition();
    let start = Instant::now();
    // Checking a slot completely takes seconds, so each disk is judged once.
    let mut judged: Vec<(String, Result<Found, String>)> = Vec::new();
    let mut cut_disks = CutDisks::default();
    let mut first_seen = None;
    loop {
        for disk in disk::find(loader) {
            if judged.iter().any(|(name, _)| *name == disk.name) {
                continue;
            }
            if complete(&disk) {
                let verdict = choose::slot(&disk, line, preferred);
                *meta = meta.take().or_else(|| meta_of(&disk));
                judged.push((disk.name.clone(), verdict));
                first_seen.get_or_insert_with(Instant::now);
            } else if disk.is_cut() {
                cut_disks.handle(console, &disk);
            }
        }
        let by_loader = |found: &Found| loader.is_none_or(|id| found.disk.has_partition(id));
        let patience = if judged.iter().any(|(_, verdict)| verdict.is_ok()) { LOADER_WAIT } else { OTHERS_WAIT };
        let named = judged.iter().any(|(_, verdict)| verdict.as_ref().is_ok_and(by_loader));
        let over = first_seen.is_some_and(|seen| seen.elapsed() > patience) || start.elapsed() > DISK_WAIT;
        if named || over {
            return conclude(judged, line, by_loader);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Whether there are devices of all that a choice needs, as far as it lies on the disk. Data is the last partition that the
/// kernel makes; a cut disk has to do without, or with what is left of it.
fn complete(disk: &BootDisk) -> bool {
    let needed = |role: &Role| !disk.is_cut() || *role != Role::Data;
    let there = |role: Role| disk.partition(role).is_some_and(|path| path.exists());
    let roles = [Role::RootA, Role::RootB, Role::Meta, Role::Data].into_iter();
    roles.filter(needed).all(|role| disk.on_disk(role).is_none() || there(role))
}

/// Disks that end before their table says, each with the time since when it is known to have no partitions.
#[derive(Default)]
struct CutDisks(Vec<(String, Instant)>);

impl CutDisks {
    /// Makes the disk's partitions once it is certain that the kernel does not; then again, should they vanish.
    fn handle(&mut self, console: &mut Console, disk: &BootDisk) {
        let Some((_, since)) = self.0.iter_mut().find(|(name, _)| *name == disk.name) else {
            return self.0.push((disk.name.clone(), Instant::now()));
        };
        if since.elapsed() < KERNEL_WAIT {
            return;
        }
        *since = Instant::now();
        console.line(&format!("{} ends before its partition table says: going on with what is there", disk.name));
        if let Err(error) = cut::add_partitions(disk) {
            console.line(&format!("making the partitions of {}: {error}", disk.name));
        }
    }
}

fn conclude(
    judged: Vec<(String, Result<Found, String>)>,
    line: &CommandLine,
    by_loader: impl Fn(&Found) -> bool,
) -> Result<Found, Failure> {
    if judged.is_empty() {
        return Err(Failure::NoDisk(DISK_WAIT.as_secs()));
    }
    let (mut good, mut reasons) = (Vec::new(), Vec::new());
    for (_, verdict) in judged {
        match verdict {
            Ok(found) => good.push(found),
            Err(reason) => reasons.push(reason),
        }
    }
    // Stable: among equals, the order of names decides.
    good.sort_by_key(|found| !by_loader(found));
    let reasons = reasons.join("; ");
    good.into_iter().next().ok_or(if line.recovery {
        Failure::NothingIntact(reasons)
    } else {
        Failure::NoSlot(reasons)
    })
}
