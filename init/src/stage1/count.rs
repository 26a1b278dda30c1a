//! Counting the starts of a blessed entry, which the boot loader does not count.
//!
//! *Does*: one more failure before hand-over, which PID 1 takes back once it is healthy; after three, make the boot loader
//! take another entry.
//! *Never does*: touch an entry that the boot loader counts.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use super::Failure;
use crate::{bless, console::Console, disk::BootDisk, meta::Meta, uki::Name};

/// Starts in a row that may fail.
const FAILURES_MAX: u8 = 3;

/// Counts this start of `entry`.
///
/// # Errors
/// [`Failure::WornOut`] once the entry has lost its place.
pub(super) fn start(console: &mut Console, disk: &BootDisk, meta: &mut Meta, entry: Name) -> Result<(), Failure> {
    if entry.tries.is_some() {
        return Ok(());
    }
    let failures = meta.record().failures.of(entry.slot);
    if failures >= FAILURES_MAX {
        match bless::rename(disk, entry, entry.exhausted()) {
            Ok(()) => {
                let _ = meta.update(|record| record.failures.clear(entry.slot));
                return Err(Failure::WornOut(failures));
            }
            // A boot partition that takes no change leaves only this entry to try.
            Err(error) => console.line(&format!("{entry} failed {failures} times and cannot be renamed: {error}")),
        }
    }
    if let Err(error) = meta.update(|record| record.failures.add(entry.slot)) {
        console.line(&format!("counting this start: {error}"));
    }
    Ok(())
}
