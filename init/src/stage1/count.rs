//! Counting the starts of a blessed entry, which the boot loader does not count.
//!
//! *Does*: one more failure before hand-over, which PID 1 takes back when the machine is stopped in order, and forgets with all
//! others once it is healthy; after three, make the boot loader take another entry.
//! *Never does*: touch an entry that the boot loader counts.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use std::io;

use super::Failure;
use crate::{bless, console::Console, disk::BootDisk, meta::Meta, uki::Name};

/// Starts in a row that may fail.
const FAILURES_MAX: u8 = 3;

/// Counts this start of `entry`.
///
/// # Errors
/// [`Failure::WornOut`] once the entry has lost its place.
pub(super) fn start(console: &mut Console, disk: &BootDisk, meta: &mut Meta, entry: Name) -> Result<(), Failure> {
    if let Some(failures) = worn_out(meta, entry) {
        match bless::rename(disk, entry, entry.exhausted()) {
            Ok(()) => {
                let _ = meta.update(|record| record.failures.clear(entry.slot));
                return Err(Failure::WornOut(failures));
            }
            // A boot partition that takes no change leaves only this entry to try.
            Err(error) => console.line(&format!("{entry} failed {failures} times and cannot be renamed: {error}")),
        }
    }
    if let Err(error) = count(meta, entry) {
        console.line(&format!("counting this start: {error}"));
    }
    Ok(())
}

/// How often an entry failed that has had all its starts.
fn worn_out(meta: &Meta, entry: Name) -> Option<u8> {
    let failures = meta.record().failures.of(entry.slot);
    (entry.tries.is_none() && failures >= FAILURES_MAX).then_some(failures)
}

fn count(meta: &mut Meta, entry: Name) -> io::Result<()> {
    match entry.tries {
        Some(_) => Ok(()),
        None => meta.update(|record| record.failures.add(entry.slot)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bless::Trial;

    /// A meta partition that outlives the boots.
    struct Medium(tempfile::NamedTempFile);

    impl Medium {
        fn new() -> Self {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(8192).unwrap();
            Self(file)
        }

        fn meta(&self) -> Meta {
            Meta::open(self.0.path()).unwrap()
        }

        /// A start of `name` up to PID 1; `None` if the entry has lost its place.
        fn boot(&self, name: &str) -> Option<Trial> {
            let (mut meta, entry) = (self.meta(), Name::parse(name).unwrap());
            if worn_out(&meta, entry).is_some() {
                return None;
            }
            count(&mut meta, entry).unwrap();
            Some(Trial::new(None, Some(meta), Some(entry)))
        }

        fn failures(&self) -> u8 {
            self.meta().record().failures.of(patronus_ipc::init::Slot::A)
        }
    }

    #[test]
    fn an_entry_is_worn_out_after_exactly_three_starts_that_failed() {
        let medium = Medium::new();
        for start in 1..=FAILURES_MAX {
            assert!(medium.boot("p2a.efi").is_some(), "start {start}");
        }
        assert!(medium.boot("p2a.efi").is_none());
        assert!(medium.boot("p1b.efi").is_some(), "the other slot has starts of its own");
    }

    #[test]
    fn a_healthy_boot_forgets_all_failures() {
        let medium = Medium::new();
        medium.boot("p2a.efi").unwrap();
        medium.boot("p2a.efi").unwrap();
        medium.boot("p2a.efi").unwrap().pass(&mut Console::default());
        assert_eq!(medium.failures(), 0);
    }

    #[test]
    fn any_number_of_orderly_stops_wears_nothing_out() {
        let medium = Medium::new();
        for _ in 0..=FAILURES_MAX {
            medium.boot("p2a.efi").unwrap().stop_in_order().unwrap();
        }
        assert_eq!(medium.failures(), 0);
    }

    #[test]
    fn an_orderly_stop_takes_back_its_own_start_only() {
        let medium = Medium::new();
        medium.boot("p2a.efi").unwrap();
        medium.boot("p2a.efi").unwrap().stop_in_order().unwrap();
        assert_eq!(medium.failures(), 1);
        let mut healthy = medium.boot("p2a.efi").unwrap();
        healthy.pass(&mut Console::default());
        healthy.stop_in_order().unwrap();
        assert_eq!(medium.failures(), 0);
    }

    #[test]
    fn an_entry_that_the_boot_loader_counts_is_not_counted_here() {
        let medium = Medium::new();
        medium.boot("p2a.efi").unwrap();
        medium.boot("p2a+2-1.efi").unwrap().stop_in_order().unwrap();
        assert_eq!(medium.failures(), 1);
    }
}
