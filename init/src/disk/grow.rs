//! Giving the last partition the rest of a disk that is larger than the image was.
//!
//! *Does*: rewrite the table, backup copy first, and tell the kernel.
//! *Never does*: move or shrink a partition.
//! *Spec*: UEFI Specification 2.10, section 5.3.2.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
};

use super::{BootDisk, layout::Role};
use crate::sys;

/// Grows the data partition of `disk` to the disk's end; tells whether there was anything to do.
///
/// # Errors
/// The disk does not take the writes; the old table still holds then.
pub fn grow_data(disk: &mut BootDisk) -> io::Result<bool> {
    let Some(grown) = disk.table.grown(disk.index(Role::Data), disk.bytes) else { return Ok(false) };
    let file = OpenOptions::new().read(true).write(true).open(disk.device())?;
    let copies = grown.copies(disk.bytes);
    write(&file, &copies.backup)?;
    write(&file, &copies.primary)?;
    let number = disk.number(Role::Data);
    disk.table = grown;
    let sector_bytes = disk.table.sector_bytes();
    let entry = disk.entry(Role::Data).ok_or(io::ErrorKind::NotFound)?;
    let (start, length) = (entry.first * sector_bytes, (entry.last + 1 - entry.first) * sector_bytes);
    sys::boot::resize_partition(&file, number, start, length)?;
    Ok(true)
}

fn write(file: &File, writes: &[(u64, Vec<u8>)]) -> io::Result<()> {
    for (offset, bytes) in writes {
        file.write_all_at(bytes, *offset)?;
        file.sync_all()?;
    }
    Ok(())
}
