//! What the recovery entry does for the next boot: give intact slots an entry that the boot loader takes.
//!
//! *Does*: copy the recovery entry's own bytes to the boot partition under the name of each intact slot that has no usable entry.
//! *Never does*: touch an entry with tries left or a blessed one, or give an entry to a damaged slot.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use patronus_ipc::init::Slot;

use crate::{
    console::Console,
    disk::{BootDisk, layout::Role},
    efi,
    mounts::BootPartition,
    stage1::{self, CommandLine},
    uki::{self, Name, Tries},
};

/// Tries of a restored entry, as after flashing.
const TRIES: Tries = Tries { left: 3, done: 0 };
const DRAFT: &str = "draft.tmp";

/// Restores the boot entries of `disk`; what cannot be done is said.
pub fn boot_entries(console: &mut Console, disk: &BootDisk) {
    match restore(disk) {
        Ok(names) if names.is_empty() => console.line("recovery: the boot entries are as they should be"),
        Ok(names) => names.iter().for_each(|name| console.line(&format!("recovery: boot entry {name} restored"))),
        Err(error) => console.line(&format!("recovery: restoring boot entries: {error}")),
    }
}

fn restore(disk: &BootDisk) -> io::Result<Vec<Name>> {
    let line = CommandLine::of_this_boot().ok_or(io::ErrorKind::InvalidData)?;
    let intact: Vec<Slot> =
        [Slot::A, Slot::B].into_iter().filter(|slot| stage1::is_intact(disk, &line, *slot)).collect();
    let own = own_bytes(disk)?;
    let partition = disk.partition(Role::Xbootldr).ok_or(io::ErrorKind::NotFound)?;
    let boot = BootPartition::mount(&partition)?;
    let result = write_entries(&boot.path().join(uki::DIRECTORY), &intact, &own);
    boot.unmount()?;
    result
}

/// The recovery entry as it lies on the boot loader's partition.
fn own_bytes(disk: &BootDisk) -> io::Result<Vec<u8>> {
    let path = efi::entry_path().ok_or(io::ErrorKind::NotFound)?;
    let partition = disk.partition(Role::Esp).ok_or(io::ErrorKind::NotFound)?;
    let esp = BootPartition::mount(&partition)?;
    let bytes = fs::read(esp.path().join(path));
    esp.unmount()?;
    bytes
}

fn write_entries(directory: &Path, intact: &[Slot], bytes: &[u8]) -> io::Result<Vec<Name>> {
    fs::create_dir_all(directory)?;
    let files = fs::read_dir(directory)?.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let present: Vec<Name> = files.filter_map(|file| Name::parse(&file)).collect();
    let missing = missing(&present, intact);
    for name in &missing {
        write(directory, *name, bytes)?;
        for worn in present.iter().filter(|worn| worn.slot == name.slot) {
            fs::remove_file(directory.join(worn.to_string()))?;
        }
        File::open(directory)?.sync_all()?;
    }
    Ok(missing)
}

/// The entries that intact slots lack.
fn missing(present: &[Name], intact: &[Slot]) -> Vec<Name> {
    let of = |slot: Slot| present.iter().filter(move |name| name.slot == slot);
    intact
        .iter()
        .filter(|slot| of(**slot).all(|name| name.is_exhausted()))
        .map(|&slot| Name { sequence: of(slot).map(|name| name.sequence).max().unwrap_or(1), slot, tries: Some(TRIES) })
        .collect()
}

/// FAT keeps a new file whole only in this order: contents, name, size behind the name, directory.
fn write(directory: &Path, name: Name, bytes: &[u8]) -> io::Result<()> {
    let (draft, path) = (directory.join(DRAFT), directory.join(name.to_string()));
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<Name> {
        texts.iter().map(|text| Name::parse(text).unwrap()).collect()
    }

    #[test]
    fn only_intact_slots_without_a_usable_entry_get_one() {
        let both = [Slot::A, Slot::B];
        assert_eq!(missing(&names(&["p2a+0-3.efi", "p1b+0-3.efi"]), &both), names(&["p2a+3.efi", "p1b+3.efi"]));
        assert_eq!(missing(&names(&["p2a+0-3.efi", "p1b+0-3.efi"]), &[Slot::B]), names(&["p1b+3.efi"]));
        assert_eq!(missing(&names(&["p2a.efi", "p1b+1-2.efi"]), &both), []);
        assert_eq!(missing(&[], &[Slot::A]), names(&["p1a+3.efi"]));
    }

    #[test]
    fn a_worn_out_entry_is_replaced_by_a_whole_copy() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["p2a+0-3.efi", "p1b.efi"] {
            fs::write(directory.path().join(name), "old").unwrap();
        }
        write_entries(directory.path(), &[Slot::A, Slot::B], b"recovery").unwrap();
        assert_eq!(fs::read(directory.path().join("p2a+3.efi")).unwrap(), b"recovery");
        assert_eq!(fs::read(directory.path().join("p1b.efi")).unwrap(), b"old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
