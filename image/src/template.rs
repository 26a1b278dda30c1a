//! The empty data file system that lies in the root and is written to the data partition at first boot.
//!
//! *Does*: makes a small ext4 that the kernel can grow online to any disk, and leaves its empty blocks out: nearly all of it is zeros, which
//! would only be read, verified and written at first boot. *Never does*: depend on the build machine's mke2fs.conf.
//! *Spec*: the file is a list of blocks, each a block number (4 bytes, little-endian, rising) and its 4096 bytes; what is not listed is zero.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::tool::{run, tool};

/// Size of the template: the least that holds a journal; it grows to the partition when it is first mounted.
pub const TEMPLATE_BYTES: u64 = 16 << 20;
const BLOCK_BYTES: usize = 4096;
const UUID: &str = "5a7e0a6e-7061-5472-8f6e-646174610000";
const HASH_SEED: &str = "5a7e0a6e-7061-5472-8f6e-646174610001";

/// `meta_bg` instead of `resize_inode`: reserved descriptor blocks limit online growth to about 1000 times the first size,
/// block groups with their own descriptors do not. `metadata_csum` finds what a power cut tore.
const FEATURES: &str = "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,meta_bg,sparse_super,large_file,\
    huge_file,dir_nlink,extra_isize,metadata_csum";

/// The template's file, as `init` reads it.
///
/// # Errors
/// When `mkfs.ext4` fails.
pub fn packed(epoch_s: u64) -> Result<Vec<u8>> {
    let bytes = data_file_system(epoch_s)?;
    let blocks = (0_u32..).zip(bytes.chunks(BLOCK_BYTES)).filter(|(_, block)| block.iter().any(|byte| *byte != 0));
    Ok(blocks.flat_map(|(number, block)| number.to_le_bytes().into_iter().chain(block.iter().copied())).collect())
}

fn data_file_system(epoch_s: u64) -> Result<Vec<u8>> {
    let staging = tempfile::tempdir()?;
    let image = staging.path().join("data.ext4");
    std::fs::File::create(&image).and_then(|file| file.set_len(TEMPLATE_BYTES)).context("create the template")?;
    make(&image, epoch_s)?;
    std::fs::read(&image).context("read the template back")
}

fn make(image: &Path, epoch_s: u64) -> Result<()> {
    let mut mkfs = tool("mkfs.ext4", epoch_s);
    mkfs.env("E2FSPROGS_FAKE_TIME", epoch_s.to_string()).env("MKE2FS_CONFIG", "/dev/null");
    mkfs.args([
        "-q",
        "-F",
        "-b",
        &BLOCK_BYTES.to_string(),
        "-I",
        "256",
        "-N",
        "2048",
        "-m",
        "1",
        "-J",
        "size=4",
        "-O",
        FEATURES,
    ]);
    mkfs.args(["-U", UUID, "-L", "patronus-data", "-e", "remount-ro"]);
    mkfs.args([
        "-E",
        &format!("hash_seed={HASH_SEED},lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0"),
    ]);
    run(mkfs.arg(image)).map(drop)
}
