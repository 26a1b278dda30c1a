//! The empty file system that lies in the root: no `mkfs` on the box.
//!
//! *Does*: write it so that a cut leaves it recognisably unfinished; erase what was there before in an order that a cut does not betray.
//! *Never does*: write the first block before everything else is on the medium.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Data partition".

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

use super::{
    judge::{FIRST_BLOCK_BYTES, TEMPLATE_BYTES},
    partition::{HEAD_BYTES, Partition},
};

const PATH: &str = "/usr/share/patronus/data.ext4";
/// Written at once.
const CHUNK_BYTES: usize = 256 << 10;

/// The template's first mebibyte.
pub(super) fn head() -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_BYTES];
    File::open(PATH)?.read_exact(&mut head)?;
    Ok(head)
}

/// Writes the whole template, the first block last.
pub(super) fn write(partition: &Partition) -> io::Result<()> {
    write_from(&File::open(PATH)?, partition)
}

fn write_from(template: &File, partition: &Partition) -> io::Result<()> {
    let first_block = FIRST_BLOCK_BYTES as u64;
    let mut at = first_block;
    let mut chunk = vec![0; CHUNK_BYTES];
    while at < TEMPLATE_BYTES {
        let length = CHUNK_BYTES.min(usize::try_from(TEMPLATE_BYTES - at).unwrap_or(CHUNK_BYTES));
        let bytes = chunk.get_mut(..length).unwrap_or_default();
        template.read_exact_at(bytes, at)?;
        partition.write(bytes, at)?;
        at += length as u64;
    }
    partition.flush()?;
    let mut first = [0; FIRST_BLOCK_BYTES];
    template.read_exact_at(&mut first, 0)?;
    partition.write(&first, 0)?;
    partition.flush()
}

/// Zeroes the first mebibyte, the first block last: until then, the same damage is found again.
pub(super) fn erase(partition: &Partition) -> io::Result<()> {
    partition.write(&[0; HEAD_BYTES - FIRST_BLOCK_BYTES], FIRST_BLOCK_BYTES as u64)?;
    partition.flush()?;
    partition.write(&[0; FIRST_BLOCK_BYTES], 0)?;
    partition.flush()
}

#[cfg(test)]
mod tests {
    use super::super::judge::{Finding, judge};
    use super::*;

    #[test]
    fn what_was_there_becomes_blank_and_then_the_template() {
        let template = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..TEMPLATE_BYTES).map(|at| (at % 253) as u8).collect();
        std::fs::write(template.path(), &bytes).unwrap();
        let target = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(target.path(), vec![7; TEMPLATE_BYTES as usize]).unwrap();
        let partition = Partition::open(target.path()).unwrap();
        erase(&partition).unwrap();
        assert_eq!(judge(&partition.head().unwrap(), &bytes[..HEAD_BYTES], partition.bytes), Finding::Blank);
        write_from(template.as_file(), &partition).unwrap();
        assert!(std::fs::read(target.path()).unwrap() == bytes);
    }
}
