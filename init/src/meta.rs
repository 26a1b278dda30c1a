//! The meta partition: the little that must outlast both roots and the data partition.
//!
//! *Does*: read the newer of two records, write the other one.
//! *Never does*: touch the record that holds while it writes.
//! *Spec*: `meta/record.rs`.

mod record;

pub use record::{Failures, RECORD_BYTES, Record, TEXT_BYTES_MAX};

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// Byte offsets of the two records: a page each, so that no medium's sector holds both.
const OFFSETS: [u64; 2] = [0, 4096];

/// The open meta partition and what stands in it.
#[derive(Debug)]
pub struct Meta {
    file: File,
    record: Record,
}

impl Meta {
    /// Reads the partition; without a record that holds, everything is at its default.
    ///
    /// # Errors
    /// The disk does not answer.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut copies = [[0; RECORD_BYTES]; 2];
        for (copy, offset) in copies.iter_mut().zip(OFFSETS) {
            file.read_exact_at(copy, offset)?;
        }
        let [first, second] = &copies;
        Ok(Self { record: Record::newest(first, second), file })
    }

    /// What stands there.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Changes the record, and has it on the medium when it returns. Writes nothing if nothing changed.
    ///
    /// # Errors
    /// The disk does not take it; the old record still holds.
    pub fn update(&mut self, change: impl FnOnce(&mut Record)) -> io::Result<()> {
        let mut next = self.record.clone();
        change(&mut next);
        if next == self.record {
            return Ok(());
        }
        next.sequence = self.record.sequence.wrapping_add(1);
        let [even, odd] = OFFSETS;
        let offset = if next.sequence.is_multiple_of(2) { even } else { odd };
        self.file.write_all_at(&next.bytes(), offset)?;
        self.file.sync_all()?;
        self.record = next;
        Ok(())
    }
}
