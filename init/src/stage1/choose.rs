//! Which slot holds the root that was asked for.
//!
//! *Does*: check the preferred slot, then the other one.
//! *Never does*: take a slot whose tree does not match.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use std::{fs::File, path::PathBuf};

use patronus_ipc::init::Slot;

use super::{CommandLine, search::Found};
use crate::{
    disk::{BootDisk, layout::Role},
    uki::slot_letter,
    verity::{Mismatch, Salt, Tree},
};

/// The partition of a slot's root.
pub(super) fn role(slot: Slot) -> Role {
    match slot {
        Slot::A => Role::RootA,
        Slot::B => Role::RootB,
    }
}

/// The order in which slots are tried.
fn order(preferred: Option<Slot>) -> [Slot; 2] {
    match preferred {
        Some(Slot::B) => [Slot::B, Slot::A],
        Some(Slot::A) | None => [Slot::A, Slot::B],
    }
}

/// The first slot of `disk` that matches; else why each of them does not.
pub(super) fn slot(disk: &BootDisk, line: &CommandLine, preferred: Option<Slot>) -> Result<Found, String> {
    let mut reasons = Vec::new();
    for slot in order(preferred) {
        match check(disk, line, slot) {
            Ok((partition, salt)) => return Ok(Found { disk: disk.clone(), slot, partition, salt }),
            Err(mismatch) => reasons.push(format!("{} slot {}: {mismatch}", disk.name, slot_letter(slot))),
        }
    }
    Err(reasons.join("; "))
}

/// Whether every block of the slot matches; takes seconds.
#[must_use]
pub fn is_intact(disk: &BootDisk, line: &CommandLine, slot: Slot) -> bool {
    line.recovery && check(disk, line, slot).is_ok()
}

/// Checks superblock and top of the tree; for the recovery entry, which shall find an intact root, every block.
fn check(disk: &BootDisk, line: &CommandLine, slot: Slot) -> Result<(PathBuf, Salt), Mismatch> {
    let partition = disk.partition(role(slot)).ok_or(std::io::Error::from(std::io::ErrorKind::NotFound))?;
    let file = File::open(&partition)?;
    let tree = Tree::open(&file, &line.root)?;
    if line.recovery {
        tree.check_all()?;
    }
    Ok((partition, tree.salt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_slot_comes_first_and_the_other_follows() {
        assert_eq!(order(Some(Slot::B)), [Slot::B, Slot::A]);
        assert_eq!(order(Some(Slot::A)), [Slot::A, Slot::B]);
        assert_eq!(order(None), [Slot::A, Slot::B]);
    }
}
