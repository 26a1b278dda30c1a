//! A boot is a trial until all services have been ready for a while.
//!
//! *Does*: make the booted entry a good one for ever; make it one that the boot loader avoids; tell a stop that somebody wanted
//! from a failure.
//! *Never does*: touch another slot's entry.
//! *Spec*: UAPI.1 Boot Loader Specification, section "Boot counting"; `docs/ARCHITECTURE.md`, section "Boot".

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use crate::{
    console::Console,
    disk::{BootDisk, layout::Role},
    meta::Meta,
    mounts::BootPartition,
    uki::{self, Name},
};

/// A boot that is on trial may take this long until its services are ready; a slow machine needs a tenth of it.
const TRIAL_MS: u64 = 5 * 60 * 1_000;

/// The trial that this boot is.
#[derive(Debug, Default)]
pub struct Trial {
    disk: Option<BootDisk>,
    meta: Option<Meta>,
    entry: Option<Name>,
    passed: bool,
}

impl Trial {
    /// The trial of `entry` on `disk`; without an entry there is nothing to rename, but failures are still cleared.
    #[must_use]
    pub fn new(disk: Option<BootDisk>, meta: Option<Meta>, entry: Option<Name>) -> Self {
        Self { disk, meta, entry, passed: false }
    }

    /// All services are ready and stayed so: this slot is good. Only the first call does anything.
    pub fn pass(&mut self, console: &mut Console) {
        if std::mem::replace(&mut self.passed, true) {
            return;
        }
        match self.bless() {
            Ok(()) => console.line("healthy: this boot entry is good"),
            Err(error) => console.line(&format!("healthy, but this boot entry stays on trial: {error}")),
        }
    }

    /// Whether the boot loader counts this boot, and its time to become healthy is over. A good entry is never given up this way: a
    /// machine in service stays up as it is, and says what is wrong.
    #[must_use]
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        !self.passed && now_ms >= TRIAL_MS && self.entry.is_some_and(|entry| entry.tries.is_some())
    }

    /// This boot did not become healthy in time: the next one shall say why.
    pub fn fail(&mut self, reason: &str) -> io::Result<()> {
        let text = format!("not healthy within {} s: {reason}", TRIAL_MS / 1_000);
        self.meta.as_mut().map_or(Ok(()), |meta| meta.update(|record| record.last_failure = text))
    }

    /// Somebody wants the machine stopped, and it stopped as it should: the start of a blessed entry, which stage 1 counted, was no
    /// failure. A try that the boot loader counted stays one: that entry has yet to show that it is good.
    ///
    /// # Errors
    /// The disk does not take it; the start counts as a failure then.
    pub fn stop_in_order(&mut self) -> io::Result<()> {
        let Some(entry) = self.entry.filter(|entry| entry.tries.is_none() && !self.passed) else { return Ok(()) };
        self.meta.as_mut().map_or(Ok(()), |meta| meta.update(|record| record.failures.take_back(entry.slot)))
    }

    fn bless(&mut self) -> io::Result<()> {
        if let (Some(disk), Some(entry)) = (&self.disk, self.entry.filter(|entry| entry.tries.is_some())) {
            rename(disk, entry, entry.blessed())?;
        }
        let entry = self.entry;
        self.meta.as_mut().map_or(Ok(()), |meta| {
            meta.update(|record| {
                record.last_failure.clear();
                if let Some(entry) = entry {
                    record.failures.clear(entry.slot);
                }
            })
        })
    }
}

/// Renames a boot entry so that the medium holds the old or the new name at every moment.
///
/// # Errors
/// The partition cannot be mounted, or has no such entry.
pub fn rename(disk: &BootDisk, from: Name, to: Name) -> io::Result<()> {
    let partition = disk.partition(Role::Xbootldr).ok_or(io::ErrorKind::NotFound)?;
    let boot = BootPartition::mount(&partition)?;
    let result = rename_in(&boot.path().join(uki::DIRECTORY), from, to);
    boot.unmount()?;
    result
}

fn rename_in(directory: &Path, from: Name, to: Name) -> io::Result<()> {
    let path = directory.join(to.to_string());
    fs::rename(directory.join(from.to_string()), &path)?;
    // FAT writes size and first cluster with the file, so the file comes before its directory.
    File::open(&path)?.sync_all()?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_entry_is_renamed() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["p2a+2-1.efi", "p1b+3.efi"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let entry = Name::parse("p2a+2-1.efi").unwrap();
        rename_in(directory.path(), entry, entry.blessed()).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("p2a.efi")).unwrap(), "p2a+2-1.efi");
        assert!(directory.path().join("p1b+3.efi").exists());
    }

    #[test]
    fn only_a_counted_boot_that_has_not_passed_is_overdue() {
        let trial = |name| Trial::new(None, None, Name::parse(name));
        assert!(!trial("p2a+2-1.efi").is_overdue(TRIAL_MS - 1));
        assert!(trial("p2a+2-1.efi").is_overdue(TRIAL_MS));
        assert!(!trial("p2a.efi").is_overdue(TRIAL_MS));
        assert!(!Trial::default().is_overdue(TRIAL_MS));
        assert!(!Trial { passed: true, ..trial("p2a+2-1.efi") }.is_overdue(TRIAL_MS));
    }

    #[test]
    fn an_entry_that_is_not_there_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let entry = Name::parse("p2a+2-1.efi").unwrap();
        assert_eq!(rename_in(directory.path(), entry, entry.blessed()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
