//! The hash tree behind the root file system.
//!
//! *Does*: appends a dm-verity superblock and tree to an image, and checks one against its root hash.
//! *Never does*: invent a salt: a fixed one, so that equal roots have equal hashes. The salt protects nothing here, since the
//! root hash is signed or measured with the kernel command line, not kept secret.
//! *Spec*: Linux `Documentation/admin-guide/device-mapper/verity.rst`, superblock version 1 of cryptsetup.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::erofs::BLOCK_BYTES;
use crate::tool::{run, tool};

const SALT_HEX: &str = "706174726f6e7573000000000000000000000000000000000000000000000000";
const UUID: &str = "5a7e0a6e-7061-5472-8f6e-766572697479";

/// The two numbers that the kernel command line carries: `<root hash>:<data blocks>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHash {
    /// SHA-256 over the top of the tree, in hexadecimal.
    pub hash_hex: String,
    /// Blocks of 4096 bytes before the superblock.
    pub data_blocks: u64,
}

impl std::fmt::Display for RootHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.hash_hex, self.data_blocks)
    }
}

/// Appends superblock and tree to `image`, whose first `data_bytes` are the file system.
///
/// # Errors
/// When `data_bytes` is not whole blocks or `veritysetup` fails.
pub fn append(image: &Path, data_bytes: u64) -> Result<RootHash> {
    ensure!(data_bytes.is_multiple_of(BLOCK_BYTES), "the file system is not whole blocks");
    let data_blocks = data_bytes / BLOCK_BYTES;
    let mut format = tool("veritysetup", 0);
    format.arg("format").args(["--hash=sha256", "--data-block-size=4096", "--hash-block-size=4096"]);
    format.args([format!("--salt={SALT_HEX}"), format!("--uuid={UUID}")]);
    format.args([format!("--data-blocks={data_blocks}"), format!("--hash-offset={data_bytes}")]);
    let said = run(format.arg(image).arg(image))?;
    let hash_hex = said
        .lines()
        .find_map(|line| line.strip_prefix("Root hash:"))
        .context("veritysetup printed no root hash")?
        .trim()
        .to_owned();
    ensure!(hash_hex.len() == 64, "veritysetup printed a root hash of {} digits", hash_hex.len());
    Ok(RootHash { hash_hex, data_blocks })
}

/// Checks every block of `image` against the root hash.
///
/// # Errors
/// When any block differs.
pub fn verify(image: &Path, root_hash: &RootHash) -> Result<()> {
    let offset = root_hash.data_blocks * BLOCK_BYTES;
    let mut verify = tool("veritysetup", 0);
    verify.arg("verify").arg(format!("--hash-offset={offset}"));
    run(verify.arg(image).arg(image).arg(&root_hash.hash_hex)).map(drop)
}
