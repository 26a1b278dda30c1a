//! The read-only root file system.
//!
//! *Does*: turns a [`Tree`] into an EROFS image of whole 4096-byte blocks.
//! *Never does*: let an owner, a time or an id of the build machine into it.

use std::path::Path;

use anyhow::Result;

use crate::tool::{run, tool};
use crate::tree::Tree;

/// Block size of EROFS and of verity.
pub const BLOCK_BYTES: u64 = 4096;
/// The file system id is fixed: what tells one image from another is the verity root hash.
const FILE_SYSTEM_UUID: &str = "5a7e0a6e-7061-5472-8f6e-65726f667300";

/// Writes `tree` to `image` and returns its size in bytes.
///
/// # Errors
/// When the tree cannot be laid out or `mkfs.erofs` fails.
pub fn make(tree: &Tree, image: &Path, epoch_s: u64) -> Result<u64> {
    let staging = tempfile::tempdir()?;
    let root = staging.path().join("root");
    std::fs::create_dir(&root)?;
    std::fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    tree.write_below(&root)?;
    let mut mkfs = tool("mkfs.erofs", epoch_s);
    mkfs.args(["-zlz4hc,12", "--all-root", "-Eforce-inode-compact", "-x-1", "-U", FILE_SYSTEM_UUID]);
    mkfs.arg(format!("-T{epoch_s}")).arg(image).arg(&root);
    run(&mut mkfs)?;
    pad_to_blocks(image)
}

fn pad_to_blocks(image: &Path) -> Result<u64> {
    let file = std::fs::OpenOptions::new().write(true).open(image)?;
    let padded = file.metadata()?.len().next_multiple_of(BLOCK_BYTES);
    file.set_len(padded)?;
    Ok(padded)
}
