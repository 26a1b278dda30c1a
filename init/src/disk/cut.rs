//! A disk that is shorter than its table says: an image written to a disk that is too small, or cut on its way.
//!
//! *Does*: give the kernel, which takes no such table, the partitions that are there.
//! *Never does*: write to the disk, or touch a disk whose partitions the kernel has made.
//! *Spec*: Linux `Documentation/userspace-api/ioctl/ioctl-number.rst`, `BLKPG`; Linux `block/partitions/efi.c`, `is_gpt_valid`.

use std::{fs::File, io};

use super::{BootDisk, layout::Role};
use crate::sys;

/// Adds each partition that lies wholly on the disk, and of data what is left.
///
/// # Errors
/// What the kernel says.
pub fn add_partitions(disk: &BootDisk) -> io::Result<()> {
    let file = File::open(disk.device())?;
    for role in Role::ALL {
        if let Some((first, last)) = disk.on_disk(role).filter(|_| disk.partition(role).is_none()) {
            let sector_bytes = disk.table.sector_bytes();
            let (start, length) = (first * sector_bytes, (last + 1 - first) * sector_bytes);
            sys::boot::add_partition(&file, disk.number(role), start, length)?;
        }
    }
    Ok(())
}
