//! Slow inputs, made once and kept outside the tree under the hash of what they are made from.
//!
//! *Does*: finds an entry or makes it whole: built beside its final name, then renamed.
//! *Never does*: change an entry, or delete one of another key.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use patronus_image::sums;

/// The directory `<cache>/<kind>/<key>`, made by `make` in a directory of its own when it is not there.
///
/// # Errors
/// When `make` fails (nothing stays behind) or the cache cannot be written.
pub(super) fn entry(cache: &Path, kind: &str, key: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let place = cache.join(kind).join(key);
    if place.is_dir() {
        return Ok(place);
    }
    let parent = cache.join(kind);
    std::fs::create_dir_all(&parent).with_context(|| format!("create {}", parent.display()))?;
    let making = tempfile::Builder::new().prefix(".making-").tempdir_in(&parent)?;
    make(making.path())?;
    std::fs::rename(making.keep(), &place).with_context(|| format!("put {} in place", place.display()))?;
    Ok(place)
}

/// The key of an entry: each input's name and contents, in the given order.
pub(super) fn key(inputs: &[(&str, &[u8])]) -> String {
    let mut text = String::new();
    for (name, contents) in inputs {
        text.push_str(&format!("{name} {}\n", sums::of_bytes(contents)));
    }
    let mut hash = sums::of_bytes(text.as_bytes());
    hash.truncate(32);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_call_finds_what_the_first_made() {
        let cache = tempfile::tempdir().unwrap();
        let first = entry(cache.path(), "kernel", "k", |place| Ok(std::fs::write(place.join("x"), "1")?)).unwrap();
        let second = entry(cache.path(), "kernel", "k", |_| anyhow::bail!("made twice")).unwrap();
        assert_eq!(first, second);
    }

    #[test]
    fn a_failed_making_leaves_nothing_behind() {
        let cache = tempfile::tempdir().unwrap();
        assert!(entry(cache.path(), "kernel", "k", |_| anyhow::bail!("no")).is_err());
        assert_eq!(std::fs::read_dir(cache.path().join("kernel")).unwrap().count(), 0);
    }

    #[test]
    fn the_key_changes_with_every_input() {
        let key_of = |pin: &[u8], fragment: &[u8]| key(&[("pin", pin), ("fragment", fragment)]);
        assert_ne!(key_of(b"1", b"2"), key_of(b"1", b"3"));
        assert_ne!(key_of(b"1", b"2"), key_of(b"0", b"2"));
    }
}
