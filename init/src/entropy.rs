//! The seed that carries randomness from one boot to the next.
//!
//! *Does*: use a seed once: its successor is on the medium before it is credited.
//! *Never does*: credit a seed that could come back after a power cut.
//! *Spec*: Linux `drivers/char/random.c`; systemd's `random-seed` takes the same care.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::sys;

const SEED_BYTES: usize = 32;

/// Uses the seed in `directory`, if there is one, and leaves the next one there.
///
/// # Errors
/// The medium does not take the next seed; the old one was mixed in without credit then.
pub fn carry_over(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let path = directory.join("seed");
    let old = read(&path);
    let mut random = OpenOptions::new().read(true).write(true).open("/dev/urandom")?;
    if let Some(old) = &old {
        // Mixes without credit, so that the next seed depends on this one.
        random.write_all(old)?;
    }
    let mut fresh = [0; SEED_BYTES];
    random.read_exact(&mut fresh)?;
    replace(directory, &path, &next(old.as_ref(), &fresh))?;
    match old {
        Some(old) => sys::boot::credit_entropy(&random, &Sha256::digest(old).into()),
        None => Ok(()),
    }
}

fn read(path: &Path) -> Option<[u8; SEED_BYTES]> {
    fs::read(path).ok()?.try_into().ok()
}

/// Not weaker than either source, even if the kernel's pool is still empty.
fn next(old: Option<&[u8; SEED_BYTES]>, fresh: &[u8; SEED_BYTES]) -> [u8; SEED_BYTES] {
    Sha256::new()
        .chain_update(b"patronus seed")
        .chain_update(old.unwrap_or(&[0; SEED_BYTES]))
        .chain_update(fresh)
        .finalize()
        .into()
}

fn replace(directory: &Path, path: &Path, seed: &[u8]) -> io::Result<()> {
    let draft: PathBuf = directory.join("seed.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(seed)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_seed_depends_on_the_old_one_and_on_fresh_bytes() {
        let (old, fresh) = ([1; SEED_BYTES], [2; SEED_BYTES]);
        assert_ne!(next(Some(&old), &fresh), next(None, &fresh));
        assert_ne!(next(Some(&old), &fresh), next(Some(&old), &old));
    }

    #[test]
    fn a_seed_of_another_length_is_no_seed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seed");
        fs::write(&path, [0; SEED_BYTES + 1]).unwrap();
        assert_eq!(read(&path), None);
        replace(directory.path(), &path, &[3; SEED_BYTES]).unwrap();
        assert_eq!(read(&path), Some([3; SEED_BYTES]));
    }
}
