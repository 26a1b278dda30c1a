//! Room for the moment when the disk is full.
//!
//! *Does*: keep a file of zeros; deleting it makes room to open the database and to roll back a trial.
//! *Never does*: serve an ordinary change: that one is answered with `disk-full`.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

const NAME: &str = "reserve";
/// A commit with the largest document takes about 100 KiB of new pages.
const RESERVE_BYTES: usize = 256 * 1024;

/// Makes the reserve if it is not there as a whole. On a full disk there is none, and the next start tries again.
pub(crate) fn fill(state_dir: &Path) {
    let path = state_dir.join(NAME);
    let whole = fs::metadata(&path).is_ok_and(|file| file.len() == RESERVE_BYTES as u64);
    if whole {
        return;
    }
    if let Err(error) = write_zeros(&path) {
        tracing::warn!(%error, "no room for the reserve: the data partition is almost full");
        spend(state_dir);
    }
}

/// Gives the room free. Says whether there was any.
pub(crate) fn spend(state_dir: &Path) -> bool {
    fs::remove_file(state_dir.join(NAME)).is_ok()
}

fn write_zeros(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&vec![0; RESERVE_BYTES])?;
    file.sync_all()
}
