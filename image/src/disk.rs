//! The disk as it ships.
//!
//! *Does*: puts partition contents in their places in one sparse file and converts that to the formats of hypervisors.
//! *Never does*: write a block of zeros, so that the file stays sparse.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::gpt;
use crate::layout::Layout;
use crate::tool::{run, tool};

const COPY_BYTES: usize = 64 << 10;

/// Writes a raw disk: the partition table and, for each name, the contents of a file.
///
/// # Errors
/// When a content is larger than its partition or something cannot be written.
pub fn write_raw(raw: &Path, layout: &Layout, contents: &[(&str, &Path)]) -> Result<()> {
    let mut disk = File::options().read(true).write(true).create(true).truncate(true).open(raw)?;
    disk.set_len(layout.disk_bytes)?;
    gpt::write(&mut disk, layout).context("partition table")?;
    for (name, path) in contents {
        let partition = layout.partition(name)?;
        let mut from = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let length = from.metadata()?.len();
        ensure!(length <= partition.size_bytes, "{name}: {length} bytes do not fit into {}", partition.size_bytes);
        copy_sparse(&mut from, &mut disk, partition.offset_bytes).with_context(|| format!("write {name}"))?;
    }
    disk.sync_all()?;
    Ok(())
}

/// Compresses a raw disk for download. One thread and a window over both slots: the same bytes every time, and root and UKI only once.
///
/// # Errors
/// When `zstd` fails.
pub fn compress(raw: &Path, compressed: &Path) -> Result<()> {
    run(tool("zstd", 0).args(["-q", "-f", "-6", "--single-thread", "--long=27"]).arg(raw).arg("-o").arg(compressed))
        .map(drop)
}

/// Converts a raw disk for QEMU and Proxmox.
///
/// # Errors
/// When `qemu-img` fails.
pub fn to_qcow2(raw: &Path, qcow2: &Path) -> Result<()> {
    run(tool("qemu-img", 0).args(["convert", "-c", "-f", "raw", "-O", "qcow2"]).arg(raw).arg(qcow2)).map(drop)
}

fn copy_sparse(from: &mut File, to: &mut File, mut offset: u64) -> Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let length = from.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..length).filter(|chunk| !chunk.is_empty()) else { return Ok(()) };
        if chunk.iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(offset))?;
            to.write_all(chunk)?;
        }
        offset += u64::try_from(length)?;
    }
}
