//! The empty file system that lies in the root: no `mkfs` on the box.
//!
//! *Does*: write it so that a cut leaves it recognisably unfinished; erase what was there before in an order that a cut does not betray.
//! *Never does*: write the first block before everything else is on the medium.
//! *Spec*: the file is a list of blocks, each a block number (4 bytes, little-endian, rising) and its 4096 bytes; what is not listed is zero.

use std::{fs, io, path::Path};

use super::{
    judge::{FIRST_BLOCK_BYTES, TEMPLATE_BYTES},
    partition::{HEAD_BYTES, Partition},
};

const PATH: &str = "/usr/share/patronus/data.template";
const BLOCK_BYTES: usize = 4096;
const NUMBER_BYTES: usize = 4;

/// The template: its blocks that are not all zero.
#[derive(Debug)]
pub(super) struct Template(Vec<u8>);

impl Template {
    /// Reads it from the verified root.
    pub(super) fn load() -> io::Result<Self> {
        Self::read(PATH.as_ref())
    }

    fn read(path: &Path) -> io::Result<Self> {
        let template = Self(fs::read(path)?);
        let begins = template.blocks().next().is_some_and(|(at, _)| at == 0);
        let fits = template.blocks().all(|(at, block)| at + block.len() as u64 <= TEMPLATE_BYTES);
        let whole = template.0.len().is_multiple_of(NUMBER_BYTES + BLOCK_BYTES);
        if begins && fits && whole { Ok(template) } else { Err(io::Error::other("the template is not one")) }
    }

    /// Where each block lies, in bytes, and its contents.
    fn blocks(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.0.chunks_exact(NUMBER_BYTES + BLOCK_BYTES).filter_map(|entry| {
            let (number, block) = entry.split_first_chunk::<NUMBER_BYTES>()?;
            Some((u64::from(u32::from_le_bytes(*number)) * BLOCK_BYTES as u64, block))
        })
    }

    /// The file system's first mebibyte.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut head = vec![0; HEAD_BYTES];
        for (at, block) in self.blocks() {
            let place = usize::try_from(at).ok().and_then(|at| head.get_mut(at..at + block.len()));
            if let Some(place) = place {
                place.copy_from_slice(block);
            }
        }
        head
    }

    /// Writes all of it, the first block last.
    pub(super) fn write(&self, partition: &Partition) -> io::Result<()> {
        let first_block = FIRST_BLOCK_BYTES as u64;
        partition.zero(first_block, TEMPLATE_BYTES - first_block)?;
        for (at, block) in self.blocks().filter(|(at, _)| *at >= first_block) {
            partition.write(block, at)?;
        }
        partition.flush()?;
        if let Some((at, block)) = self.blocks().next() {
            partition.write(block, at)?;
        }
        partition.flush()
    }
}

/// Zeroes the first mebibyte, the first block last: until then, the same damage is found again.
pub(super) fn erase(partition: &Partition) -> io::Result<()> {
    partition.zero(FIRST_BLOCK_BYTES as u64, (HEAD_BYTES - FIRST_BLOCK_BYTES) as u64)?;
    partition.flush()?;
    partition.zero(0, FIRST_BLOCK_BYTES as u64)?;
    partition.flush()
}

#[cfg(test)]
mod tests {
    use super::super::judge::{Finding, judge};
    use super::*;

    /// Three blocks: the first, one in the head, the last.
    fn packed() -> Vec<u8> {
        let numbers = [0, 7, (TEMPLATE_BYTES / BLOCK_BYTES as u64) as u32 - 1];
        numbers.into_iter().flat_map(|number| block(number, 0xa5)).collect()
    }

    fn block(number: u32, byte: u8) -> Vec<u8> {
        [&number.to_le_bytes()[..], &[byte; BLOCK_BYTES]].concat()
    }

    fn template(bytes: &[u8]) -> io::Result<Template> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        Template::read(file.path())
    }

    #[test]
    fn what_was_there_becomes_blank_and_then_the_template() {
        let template = template(&packed()).unwrap();
        let target = tempfile::NamedTempFile::new().unwrap();
        fs::write(target.path(), vec![7; TEMPLATE_BYTES as usize]).unwrap();
        let partition = Partition::open(target.path()).unwrap();
        erase(&partition).unwrap();
        assert_eq!(judge(&partition.head().unwrap(), &template.head(), partition.bytes), Finding::Blank);
        template.write(&partition).unwrap();
        let mut wanted = vec![0; TEMPLATE_BYTES as usize];
        for at in [0, 7 * BLOCK_BYTES, TEMPLATE_BYTES as usize - BLOCK_BYTES] {
            wanted[at..at + BLOCK_BYTES].fill(0xa5);
        }
        let written = fs::read(target.path()).unwrap();
        assert!(written == wanted);
        assert!(template.head() == wanted[..HEAD_BYTES]);
    }

    #[test]
    fn a_template_that_is_cut_off_or_lacks_its_first_block_or_ends_behind_its_end_is_none() {
        assert!(template(&packed()[..packed().len() - 1]).is_err());
        assert!(template(&block(1, 1)).is_err());
        let last = (TEMPLATE_BYTES / BLOCK_BYTES as u64) as u32;
        assert!(template(&[block(0, 1), block(last, 1)].concat()).is_err());
        assert!(template(&[block(0, 1), block(last - 1, 1)].concat()).is_ok());
    }
}
