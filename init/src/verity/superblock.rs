//! The verity superblock: what the tree was built with.
//!
//! *Does*: read the 512 bytes in front of the tree.
//! *Never does*: accept other parameters than SHA-256 over blocks of 4096 bytes.
//! *Spec*: cryptsetup, `lib/verity/verity.c`, superblock version 1.

use thiserror::Error;

/// Bytes of a superblock.
pub(super) const SUPERBLOCK_BYTES: usize = 512;
const SALT_MAX: usize = 256;

/// What every block is hashed behind.
pub type Salt = Vec<u8>;

/// Why bytes are no superblock of ours. The slot is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SuperblockError {
    /// No signature: nothing was written here, or it was overwritten.
    #[error("no verity superblock")]
    Missing,
    /// Made by other means than ours.
    #[error("verity parameters are not sha256 with 4096-byte blocks")]
    Foreign,
    /// Not as many blocks as the command line says.
    #[error("verity covers {found} blocks, the command line says {wanted}")]
    Length {
        /// In the superblock.
        found: u64,
        /// On the command line.
        wanted: u64,
    },
}

/// Reads the salt, once everything else is as it must be.
///
/// # Errors
/// See [`SuperblockError`].
pub(super) fn salt(bytes: &[u8], data_blocks: u64) -> Result<Salt, SuperblockError> {
    use SuperblockError::{Foreign, Missing};
    if bytes.get(..8) != Some(b"verity\0\0") {
        return Err(Missing);
    }
    let u32_at =
        |offset: usize| -> Option<u32> { Some(u32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?)) };
    let algorithm = bytes.get(32..64).ok_or(Foreign)?;
    let ours = u32_at(8) == Some(1)
        && u32_at(12) == Some(1)
        && algorithm.starts_with(b"sha256\0")
        && u32_at(64) == Some(4096)
        && u32_at(68) == Some(4096);
    let found = bytes.get(72..80).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let salt_bytes = bytes.get(80..82).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes);
    let (Some(found), Some(salt_bytes), true) = (found, salt_bytes, ours) else { return Err(Foreign) };
    if found != data_blocks {
        return Err(SuperblockError::Length { found, wanted: data_blocks });
    }
    let length = usize::from(salt_bytes);
    bytes.get(88..88 + length).filter(|_| length <= SALT_MAX).map(<[u8]>::to_vec).ok_or(Foreign)
}
