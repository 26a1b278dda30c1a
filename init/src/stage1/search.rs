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
    disk::{self, BootDisk},
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
pub(super) fn find(line: &CommandLine, preferred: Option<Slot>, meta: &mut Option<Meta>) -> Result<Found, Failure> {
    let loader = efi::loader_partition();
    let start = Instant::now();
    // Checking a slot completely takes seconds, so each disk is judged once.
    let mut judged: Vec<(String, Result<Found, String>)> = Vec::new();
    let mut first_seen = None;
    loop {
        for disk in disk::find(loader) {
            if judged.iter().all(|(name, _)| *name != disk.name) && complete(&disk) {
                let verdict = choose::slot(&disk, line, preferred);
                *meta = meta.take().or_else(|| meta_of(&disk));
                judged.push((disk.name.clone(), verdict));
                first_seen.get_or_insert_with(Instant::now);
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

/// Whether the kernel has made the devices that a choice needs.
fn complete(disk: &BootDisk) -> bool {
    use crate::disk::layout::Role::{Data, Meta, RootA, RootB};
    [RootA, RootB, Meta, Data].into_iter().all(|role| disk.partition(role).is_some_and(|path| path.exists()))
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
