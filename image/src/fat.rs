//! The two FAT partitions that the firmware and the loader read.
//!
//! *Does*: makes a FAT32 file system with given files, the same bytes every time.
//! *Never does*: leave a file whose name needs more directory slots than the firmware can rename at once (see ADR 0001).

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::tool::{run, tool};

/// What a FAT partition is called and holds.
#[derive(Debug)]
pub struct FatPartition<'a> {
    /// Volume label, up to eleven capitals.
    pub label: &'a str,
    /// Volume serial number, eight hexadecimal digits.
    pub serial: &'a str,
    /// Path (with `/`) and contents, in the order in which they are written.
    pub files: &'a [(&'a str, &'a [u8])],
}

/// Writes the file system to a new sparse file of `size_bytes`.
///
/// # Errors
/// When a tool fails or the files do not fit.
pub fn make(partition: &FatPartition<'_>, image: &Path, size_bytes: u64, epoch_s: u64) -> Result<()> {
    std::fs::File::create(image)
        .and_then(|file| file.set_len(size_bytes))
        .with_context(|| format!("create {}", image.display()))?;
    let mut mkfs = tool("mkfs.fat", epoch_s);
    mkfs.args(["-F", "32", "-S", "512", "-s", "8", "--invariant", "-i", partition.serial, "-n", partition.label]);
    run(mkfs.arg(image))?;
    let mut made: Vec<&str> = Vec::new();
    for (path, contents) in partition.files {
        make_parents(path, &mut made, image, epoch_s)?;
        copy_in(path, contents, image, epoch_s)?;
    }
    run(tool("fsck.fat", epoch_s).arg("-n").arg(image)).map(drop)
}

fn make_parents<'a>(path: &'a str, made: &mut Vec<&'a str>, image: &Path, epoch_s: u64) -> Result<()> {
    for (end, _) in path.match_indices('/') {
        let (directory, _) = path.split_at(end);
        if !made.contains(&directory) {
            run(tool("mmd", epoch_s).arg("-i").arg(image).arg(format!("::{directory}")))?;
            made.push(directory);
        }
    }
    Ok(())
}

fn copy_in(path: &str, contents: &[u8], image: &Path, epoch_s: u64) -> Result<()> {
    ensure!(path.is_ascii() && !path.starts_with('/'), "{path}: not a plain path");
    let staging = tempfile::tempdir()?;
    let file = staging.path().join("file");
    std::fs::write(&file, contents)?;
    run(tool("mcopy", epoch_s).arg("-i").arg(image).arg(&file).arg(format!("::{path}"))).map(drop)
}
