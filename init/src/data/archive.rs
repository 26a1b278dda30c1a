//! Files in a row: what is carried over from a damaged file system into a new one.
//!
//! *Does*: add and list entries within limits; paths are relative and stay inside.
//! *Never does*: I/O, links, devices.
//! *Spec*: each entry is kind (1 directory, 2 file), mode u32, user u32, path length u16, contents length u32, path, contents;
//! numbers little-endian.

use thiserror::Error;

/// Most entries.
pub const ENTRIES_MAX: usize = 4096;
/// Most bytes of everything together; memory and the partition's tail both hold it.
const BYTES_MAX: usize = 48 << 20;
const PATH_BYTES_MAX: usize = 1024;
const DIRECTORY: u8 = 1;
const FILE: u8 = 2;

/// The entries, encoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: usize,
}

/// Why something is not taken, or not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ArchiveError {
    /// A limit is reached.
    #[error("no room for this file")]
    Full,
    /// A path that is absolute, too long, or leaves the directory.
    #[error("a path that leads elsewhere")]
    Path,
    /// Bytes that are no archive.
    #[error("not an archive")]
    Malformed,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path below the directory.
    pub path: &'a str,
    /// Permission bits.
    pub mode: u32,
    /// Owner, also the group.
    pub user: u32,
    /// `None` for a directory.
    pub contents: Option<&'a [u8]>,
}

impl Archive {
    /// Checks every entry.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ArchiveError> {
        let mut archive = Self { bytes, entries: 0 };
        let mut rest = archive.bytes.as_slice();
        let mut entries = 0;
        while !rest.is_empty() {
            let (entry, after) = split(rest).ok_or(ArchiveError::Malformed)?;
            check_path(entry.path)?;
            rest = after;
            entries += 1;
        }
        archive.entries = entries;
        Ok(archive)
    }

    /// The encoded entries.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All entries in their order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (entry, after) = split(rest)?;
            rest = after;
            Some(entry)
        })
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// See [`ArchiveError`]; the archive is as before.
    pub fn add_directory(&mut self, path: &str, mode: u32, user: u32) -> Result<(), ArchiveError> {
        self.add(DIRECTORY, path, mode, user, &[])
    }

    /// Adds a file.
    ///
    /// # Errors
    /// See [`ArchiveError`]; the archive is as before.
    pub fn add_file(&mut self, path: &str, mode: u32, user: u32, contents: &[u8]) -> Result<(), ArchiveError> {
        self.add(FILE, path, mode, user, contents)
    }

    fn add(&mut self, kind: u8, path: &str, mode: u32, user: u32, contents: &[u8]) -> Result<(), ArchiveError> {
        check_path(path)?;
        let (Ok(path_bytes), Ok(length)) = (u16::try_from(path.len()), u32::try_from(contents.len())) else {
            return Err(ArchiveError::Full);
        };
        let grown = self.bytes.len() + 15 + path.len() + contents.len();
        if self.entries >= ENTRIES_MAX || grown > BYTES_MAX {
            return Err(ArchiveError::Full);
        }
        self.bytes.push(kind);
        self.bytes.extend(mode.to_le_bytes());
        self.bytes.extend(user.to_le_bytes());
        self.bytes.extend(path_bytes.to_le_bytes());
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(path.as_bytes());
        self.bytes.extend(contents);
        self.entries += 1;
        Ok(())
    }
}

fn check_path(path: &str) -> Result<(), ArchiveError> {
    let inside = path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains('\0');
    if inside && path.len() <= PATH_BYTES_MAX { Ok(()) } else { Err(ArchiveError::Path) }
}

fn split(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (mode, rest) = rest.split_first_chunk()?;
    let (user, rest) = rest.split_first_chunk()?;
    let (path_bytes, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (path, rest) = rest.split_at_checked(u16::from_le_bytes(*path_bytes).into())?;
    let (contents, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let contents = match *kind {
        DIRECTORY => None,
        FILE => Some(contents),
        _ => return None,
    };
    let path = std::str::from_utf8(path).ok()?;
    Some((Entry { path, mode: u32::from_le_bytes(*mode), user: u32::from_le_bytes(*user), contents }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_stop_at_the_limit() {
        let mut archive = Archive::default();
        for index in 0..ENTRIES_MAX {
            archive.add_directory(&index.to_string(), 0o700, 0).unwrap();
        }
        assert_eq!(archive.add_directory("more", 0o700, 0), Err(ArchiveError::Full));
        assert_eq!(archive.entries().count(), ENTRIES_MAX);
    }

    #[test]
    fn bytes_stop_at_the_limit() {
        let contents = vec![0; BYTES_MAX - 16];
        assert_eq!(Archive::default().add_file("a", 0, 0, &contents), Ok(()));
        assert_eq!(Archive::default().add_file("ab", 0, 0, &contents), Err(ArchiveError::Full));
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        for path in ["", "/etc", "..", "a/../b", "a//b", "./a", "a/", &"x".repeat(PATH_BYTES_MAX + 1)] {
            assert_eq!(Archive::default().add_file(path, 0, 0, b""), Err(ArchiveError::Path), "{path}");
        }
        assert_eq!(Archive::default().add_file(&"x".repeat(PATH_BYTES_MAX), 0, 0, b""), Ok(()));
    }

    proptest! {
        #[test]
        fn what_is_added_is_listed(files in proptest::collection::vec(("[a-z]{1,8}(/[a-z]{1,8})?", any::<u32>(), any::<u32>(), any::<Vec<u8>>()), 0..8)) {
            let mut archive = Archive::default();
            for (path, mode, user, contents) in &files {
                archive.add_file(path, *mode, *user, contents).unwrap();
            }
            let read = Archive::from_bytes(archive.bytes().to_vec()).unwrap();
            prop_assert_eq!(&read, &archive);
            let listed: Vec<_> = read.entries().map(|e| (e.path.to_owned(), e.mode, e.user, e.contents.unwrap().to_vec())).collect();
            prop_assert_eq!(listed, files);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = Archive::from_bytes(bytes);
        }
    }
}
