//! The partition as bytes: its beginning, and its tail that no file system uses.
//!
//! *Does*: say where things lie, read and write them through to the medium.
//! *Never does*: decide.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Data partition".

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rustix::{fs::FallocateFlags, io::Errno};

/// What is read to judge a partition.
pub(super) const HEAD_BYTES: usize = 1 << 20;
/// Zeroed at once where the medium does not zero by itself.
const CHUNK_BYTES: usize = 256 << 10;
/// The tail that takes what was set aside.
pub(super) const ASIDE_BYTES: u64 = 64 << 20;
/// Smaller partitions have no such tail.
const ASIDE_FROM_BYTES: u64 = 256 << 20;

/// The open data partition.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    file: File,
}

impl Partition {
    /// Opens the device, or in tests a file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { path: path.to_owned(), bytes, file })
    }

    /// The first bytes; what lies behind a short partition's end counts as zero.
    pub(super) fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; HEAD_BYTES];
        let length = HEAD_BYTES.min(usize::try_from(self.bytes).unwrap_or(HEAD_BYTES));
        self.read(head.get_mut(..length).unwrap_or_default(), 0)?;
        Ok(head)
    }

    /// Bytes that the file system may use.
    pub(super) fn file_system_bytes(&self) -> u64 {
        self.aside_at().unwrap_or(self.bytes)
    }

    /// Where the tail begins, if there is one; a multiple of 4096.
    pub(super) fn aside_at(&self) -> Option<u64> {
        (self.bytes >= ASIDE_FROM_BYTES).then(|| (self.bytes - ASIDE_BYTES) & !4095)
    }

    pub(super) fn read(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }

    /// Opens the device for this write only: the kernel mounts nothing that somebody may write to.
    pub(super) fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(&self.path)?.write_all_at(bytes, at)
    }

    /// Zeroes `length` bytes without carrying them there where the medium knows how; multiples of 4096.
    pub(super) fn zero(&self, at: u64, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::ZERO_RANGE, at, length) {
            Err(Errno::OPNOTSUPP | Errno::INVAL) => {
                let zeros = vec![0; CHUNK_BYTES];
                for start in (at..at + length).step_by(CHUNK_BYTES) {
                    let count = usize::try_from(at + length - start).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
                    file.write_all_at(zeros.get(..count).unwrap_or_default(), start)?;
                }
                Ok(())
            }
            done => Ok(done?),
        }
    }

    /// Everything written before is on the medium when this returns.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(bytes: u64) -> Partition {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes).unwrap();
        Partition::open(file.path()).unwrap()
    }

    #[test]
    fn a_tail_begins_at_the_limit_and_not_one_byte_below() {
        assert_eq!(partition(ASIDE_FROM_BYTES).aside_at(), Some(ASIDE_FROM_BYTES - ASIDE_BYTES));
        assert_eq!(partition(ASIDE_FROM_BYTES - 1).aside_at(), None);
    }

    #[test]
    fn a_short_partition_reads_as_zeros_behind_its_end() {
        assert_eq!(partition(100).head().unwrap(), vec![0; HEAD_BYTES]);
    }
}
