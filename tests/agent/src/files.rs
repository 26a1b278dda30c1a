//! Files: what is there, and ways to change what should not change.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Serialize;

/// Entries of one walk; a root has some hundred.
const MOST_ENTRIES: usize = 20_000;
/// What `fill` writes at once; towards the end it goes on in single bytes.
const FILL_BYTES: usize = 64 * 1024;
/// The file that `fill` makes.
const FILL_NAME: &str = "fill";

/// One thing in a directory.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    path: PathBuf,
    /// Type and permission bits (`st_mode`).
    mode: u32,
    uid: u32,
    gid: u32,
    size_bytes: u64,
}

/// Everything below `top`, itself included; symbolic links are not followed.
pub(crate) fn walk(top: &Path, cross: bool) -> Result<Vec<Entry>> {
    let device = fs::symlink_metadata(top)?.dev();
    let mut entries = Vec::new();
    let mut waiting = vec![top.to_owned()];
    while let Some(path) = waiting.pop() {
        anyhow::ensure!(entries.len() < MOST_ENTRIES, "more than {MOST_ENTRIES} entries");
        // Processes come and go while /proc is walked.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() && (cross || metadata.dev() == device) {
            waiting.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
        let (mode, uid, gid, size_bytes) = (metadata.mode(), metadata.uid(), metadata.gid(), metadata.size());
        entries.push(Entry { path, mode, uid, gid, size_bytes });
    }
    Ok(entries)
}

/// Writes into a file that is there.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    let mut file = open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Writes to a block device and waits until it is there.
pub(crate) fn write_device(path: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
    let mut device = open(path)?;
    device.seek(SeekFrom::Start(offset))?;
    device.write_all(bytes)?;
    Ok(device.sync_all()?)
}

/// Writes until not one byte more fits; gives the size of the file that fills the place.
pub(crate) fn fill(directory: &Path) -> Result<u64> {
    let mut file = File::create(directory.join(FILL_NAME))?;
    let chunk = vec![0xa5; FILL_BYTES];
    let mut length = FILL_BYTES;
    while length > 0 {
        match file.write_all(chunk.get(..length).unwrap_or_default()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => length /= 2,
            Err(error) => return Err(error).context("cannot fill"),
        }
    }
    // Delayed allocation may find out only now that there was no room.
    let _ = file.sync_all();
    Ok(file.metadata()?.len())
}

/// Makes room again.
pub(crate) fn empty(directory: &Path) -> Result<()> {
    Ok(fs::remove_file(directory.join(FILL_NAME))?)
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).open(path).with_context(|| format!("cannot open {}", path.display()))
}
