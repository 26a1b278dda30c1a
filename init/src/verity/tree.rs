//! The hash tree of a root: its shape, its top, and all of it.
//!
//! *Does*: check the top block against the root hash, which tells an image from another; check every block, for recovery.
//! *Never does*: hold more than one block of each level.
//! *Spec*: Linux `Documentation/admin-guide/device-mapper/verity.rst`, section "Hash Tree".

use std::{fs::File, io, os::unix::fs::FileExt};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::superblock::{self, SUPERBLOCK_BYTES, Salt, SuperblockError};

/// Bytes of a block, of data and of hashes.
pub const BLOCK_BYTES: u64 = 4096;
/// Hashes in one block.
const FANOUT: u64 = BLOCK_BYTES / HASH_BYTES;
const HASH_BYTES: u64 = 32;
/// Blocks of a whole slot; the command line may not name more.
const DATA_BLOCKS_MAX: u64 = (512 << 20) / BLOCK_BYTES;

type Hash = [u8; 32];

/// The root that the command line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Hash of the tree's top block.
    pub hash: Hash,
    /// Blocks of data in front of the tree.
    pub data_blocks: u64,
}

impl Root {
    /// Parses `HASH:BLOCKS`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hash, blocks) = text.split_once(':')?;
        let mut root = Self { hash: [0; 32], data_blocks: blocks.parse().ok()? };
        hex::decode_to_slice(hash, &mut root.hash).ok()?;
        // One block would have no tree.
        (2..=DATA_BLOCKS_MAX).contains(&root.data_blocks).then_some(root)
    }

    /// The hash in hexadecimal digits.
    #[must_use]
    pub fn hash_text(&self) -> String {
        hex::encode(self.hash)
    }
}

/// Why a slot is not the root that was asked for, or not whole.
#[derive(Debug, Error)]
pub enum Mismatch {
    /// The superblock does not fit.
    #[error(transparent)]
    Superblock(#[from] SuperblockError),
    /// The top of the tree has another hash: another image, or a damaged one.
    #[error("the tree does not match the root hash")]
    Top,
    /// A block inside does not match.
    #[error("block {0} does not match its hash")]
    Block(u64),
    /// The disk does not answer.
    #[error("reading: {0}")]
    Io(#[from] io::Error),
}

/// A tree whose top matches its root hash.
#[derive(Debug)]
pub struct Tree<'a> {
    device: &'a File,
    root: &'a Root,
    /// What the superblock says.
    pub salt: Salt,
    /// First block of each level, the leaves first.
    levels: Vec<Level>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Level {
    first: u64,
    blocks: u64,
}

impl<'a> Tree<'a> {
    /// Opens the tree on `device` and checks superblock and top block against `root`.
    ///
    /// # Errors
    /// See [`Mismatch`].
    pub fn open(device: &'a File, root: &'a Root) -> Result<Self, Mismatch> {
        let mut bytes = [0; SUPERBLOCK_BYTES];
        device.read_exact_at(&mut bytes, root.data_blocks * BLOCK_BYTES)?;
        let salt = superblock::salt(&bytes, root.data_blocks)?;
        let tree = Self { device, root, salt, levels: levels(root.data_blocks) };
        let top = tree.levels.last().map_or(0, |level| level.first);
        if tree.hash(top)? != root.hash {
            return Err(Mismatch::Top);
        }
        Ok(tree)
    }

    /// Checks every block of the tree and of the data below it.
    ///
    /// # Errors
    /// The first block that does not match, see [`Mismatch`].
    pub fn check_all(&self) -> Result<(), Mismatch> {
        let data = Level { first: 0, blocks: self.root.data_blocks };
        let below = std::iter::once(&data).chain(&self.levels);
        for (below, above) in below.zip(&self.levels) {
            self.check_level(below, above)?;
        }
        Ok(())
    }

    fn check_level(&self, below: &Level, above: &Level) -> Result<(), Mismatch> {
        for index in 0..above.blocks {
            let hashes = self.block(above.first + index)?;
            let children = (below.blocks - index * FANOUT).min(FANOUT);
            for (child, wanted) in (0..children).zip(hashes.chunks_exact(HASH_BYTES as usize)) {
                let block = below.first + index * FANOUT + child;
                if self.hash(block)? != wanted {
                    return Err(Mismatch::Block(block));
                }
            }
        }
        Ok(())
    }

    fn hash(&self, block: u64) -> io::Result<Hash> {
        let bytes = self.block(block)?;
        Ok(Sha256::new().chain_update(&self.salt).chain_update(bytes).finalize().into())
    }

    fn block(&self, block: u64) -> io::Result<[u8; BLOCK_BYTES as usize]> {
        let mut bytes = [0; BLOCK_BYTES as usize];
        self.device.read_exact_at(&mut bytes, block * BLOCK_BYTES)?;
        Ok(bytes)
    }
}

/// Where each level lies: behind the superblock's block comes the top, the leaves come last.
fn levels(data_blocks: u64) -> Vec<Level> {
    let mut counts = Vec::new();
    let mut count = data_blocks;
    while count > 1 {
        count = count.div_ceil(FANOUT);
        counts.push(count);
    }
    let mut first = data_blocks + 1;
    let mut levels: Vec<_> = counts
        .iter()
        .rev()
        .map(|&blocks| {
            let level = Level { first, blocks };
            first += blocks;
            level
        })
        .collect();
    levels.reverse();
    levels
}

#[cfg(test)]
mod tests;
