//! The file system at `/data`: mounting, growing, and what the kernel noted about it.
//!
//! *Does*: the system calls, and which of their errors mean damage.
//! *Never does*: write to the partition past the file system.
//! *Spec*: Linux `Documentation/admin-guide/ext4.rst`.

use std::{fs::File, io, os::fd::AsFd};

use rustix::{
    io::Errno,
    mount::{MountFlags, UnmountFlags},
};
use thiserror::Error;

use super::{MOUNT_POINT, judge::Superblock, partition::Partition};
use crate::sys;

const FLAGS: MountFlags =
    MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC).union(MountFlags::NOATIME);

/// Most that one call to the kernel adds: 32 groups of blocks, whose inode tables it zeroes. Seconds on a slow stick.
const STEP_BYTES: u64 = 4 << 30;

/// Why there is no file system.
#[derive(Debug, Error)]
pub(super) enum MountError {
    /// What is on the medium is at fault: it is set aside.
    #[error("{0}")]
    Damaged(Errno),
    /// The machine or the medium is at fault: state is kept in memory.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Mounts the partition; the kernel replays its journal.
pub(super) fn mount(partition: &Partition) -> Result<(), MountError> {
    let options = c"errors=remount-ro";
    match rustix::mount::mount(&partition.path, MOUNT_POINT, "ext4", FLAGS, Some(options)) {
        Ok(()) => Ok(()),
        Err(error @ (Errno::NOMEM | Errno::NODEV | Errno::NOENT | Errno::BUSY | Errno::PERM | Errno::ACCESS)) => {
            Err(MountError::Io(error.into()))
        }
        Err(error) => Err(MountError::Damaged(error)),
    }
}

/// Unmounts it again.
pub(super) fn unmount() -> io::Result<()> {
    Ok(rustix::mount::unmount(MOUNT_POINT, UnmountFlags::empty())?)
}

/// State that ends with this boot.
pub(super) fn mount_memory() -> io::Result<()> {
    Ok(rustix::mount::mount("tmpfs", MOUNT_POINT, "tmpfs", FLAGS, Some(c"mode=0755,size=32m"))?)
}

/// What the mounted file system's superblock says of errors, after its journal was replayed.
pub(super) fn noted_errors(partition: &Partition) -> io::Result<Option<String>> {
    let superblock = Superblock::parse(&partition.head()?).filter(Superblock::has_errors);
    Ok(superblock.map(|superblock| format!("the kernel noted {} errors in the file system", superblock.error_count())))
}

/// Grows the mounted file system to all of the partition but its tail, in steps: the kernel makes groups one after the other, and
/// `between` is called so that a large disk does not look like a machine that hangs.
pub(super) fn fill(partition: &Partition, between: &mut dyn FnMut()) -> io::Result<()> {
    let Some(superblock) = Superblock::parse(&partition.head()?) else { return Ok(()) };
    let blocks = partition.file_system_bytes() / superblock.block_bytes;
    let Some(mut now) = superblock.bytes().map(|bytes| bytes / superblock.block_bytes) else { return Ok(()) };
    let root = File::open(MOUNT_POINT)?;
    while let Some(next) = next_step(now, blocks, superblock.block_bytes) {
        sys::boot::resize_ext4(root.as_fd(), next)?;
        between();
        now = next;
    }
    Ok(())
}

/// The length to grow to next, in blocks.
fn next_step(now: u64, wanted: u64, block_bytes: u64) -> Option<u64> {
    (now < wanted).then(|| now.saturating_add(STEP_BYTES / block_bytes).min(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 4096;

    #[test]
    fn a_file_system_grows_to_its_partition_in_steps_and_never_shrinks() {
        let step = STEP_BYTES / BLOCK;
        assert_eq!(next_step(4096, 4096 + step, BLOCK), Some(4096 + step));
        assert_eq!(next_step(4096, 4097 + step, BLOCK), Some(4096 + step));
        assert_eq!(next_step(4096 + step, 4097 + step, BLOCK), Some(4097 + step));
        assert_eq!(next_step(4096, 4096, BLOCK), None);
        assert_eq!(next_step(4096, 1, BLOCK), None);
    }
}
