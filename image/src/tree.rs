//! The contents of a file system before it is made: paths, modes, bytes, in one order.
//!
//! *Does*: collects entries, refuses twins and orphans, lays them out in a directory for a mkfs.
//! *Never does*: take owner, time or mode from the build machine.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// A tree of directories and files, all owned by root.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An empty directory; what it holds are entries of their own.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// The contents.
        bytes: Vec<u8>,
    },
}

/// Permission bits that no entry may have: setuid, setgid, sticky on a file, or writable by others.
const FORBIDDEN_MODE: u32 = 0o7022;

impl Tree {
    /// Adds a directory (`a/b`, no leading slash).
    ///
    /// # Errors
    /// A path that is taken, whose parent is missing, or that leaves the tree.
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<()> {
        self.insert(path, Entry::Directory { mode })
    }

    /// Adds a file that nobody runs.
    ///
    /// # Errors
    /// As [`Tree::directory`].
    pub fn data(&mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.insert(path, Entry::File { mode: 0o444, bytes: bytes.into() })
    }

    /// Adds a program.
    ///
    /// # Errors
    /// As [`Tree::directory`].
    pub fn program(&mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.insert(path, Entry::File { mode: 0o555, bytes: bytes.into() })
    }

    /// Adds everything below a directory of the source tree, files as data. `.gitkeep` marks an empty directory and is left out.
    ///
    /// # Errors
    /// Links and special files, and as [`Tree::directory`].
    pub fn skeleton(&mut self, from: &Path) -> Result<()> {
        self.skeleton_below(from, "")
    }

    fn skeleton_below(&mut self, from: &Path, prefix: &str) -> Result<()> {
        let mut children: Vec<_> =
            std::fs::read_dir(from).with_context(|| format!("read {}", from.display()))?.collect::<Result<_, _>>()?;
        children.sort_by_key(std::fs::DirEntry::file_name);
        for child in children {
            let name = child.file_name().into_string().ok().context("a file name in the skeleton is not UTF-8")?;
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let kind = child.file_type()?;
            if kind.is_dir() {
                self.directory(&path, 0o755)?;
                self.skeleton_below(&child.path(), &path)?;
            } else if name != ".gitkeep" {
                ensure!(kind.is_file(), "{path} in the skeleton is neither file nor directory");
                self.data(&path, std::fs::read(child.path())?)?;
            }
        }
        Ok(())
    }

    /// Every entry, parents before children, in byte order of the path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Writes the tree below an empty directory. Files of the same bytes and mode become names of one file: it is stored once, and lies in memory once.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write_below(&self, directory: &Path) -> Result<()> {
        let mut written: BTreeMap<(u32, &[u8]), PathBuf> = BTreeMap::new();
        for (path, entry) in &self.entries {
            let place = directory.join(path);
            let mode = match entry {
                Entry::Directory { mode } => {
                    std::fs::create_dir(&place).with_context(|| format!("create {}", place.display()))?;
                    *mode
                }
                Entry::File { mode, bytes } => {
                    if let Some(first) = written.get(&(*mode, bytes.as_slice())) {
                        std::fs::hard_link(first, &place).with_context(|| format!("link {}", place.display()))?;
                        continue;
                    }
                    written.insert((*mode, bytes), place.clone());
                    std::fs::write(&place, bytes).with_context(|| format!("write {}", place.display()))?;
                    *mode
                }
            };
            std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    fn insert(&mut self, path: &str, entry: Entry) -> Result<()> {
        let (Entry::Directory { mode } | Entry::File { mode, .. }) = entry;
        ensure!(mode & FORBIDDEN_MODE == 0, "{path}: mode {mode:o} is not for a read-only root");
        ensure!(
            !path.is_empty() && !path.split('/').any(|part| matches!(part, "" | "." | "..")),
            "{path}: not a plain path"
        );
        if let Some((parent, _)) = path.rsplit_once('/') {
            ensure!(
                matches!(self.entries.get(parent), Some(Entry::Directory { .. })),
                "{path}: its directory is missing"
            );
        }
        ensure!(self.entries.insert(path.to_owned(), entry).is_none(), "{path}: occurs twice");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn twins_orphans_and_paths_that_leave_the_tree_are_refused() {
        let mut tree = Tree::default();
        tree.directory("bin", 0o755).unwrap();
        tree.program("bin/web", *b"x").unwrap();
        assert!(tree.program("bin/web", *b"y").is_err());
        assert!(tree.data("etc/version", *b"y").is_err());
        assert!(tree.data("bin/../x", *b"y").is_err());
        assert!(tree.data("/x", *b"y").is_err());
    }

    #[test]
    fn setuid_and_world_writable_entries_are_refused() {
        let mut tree = Tree::default();
        assert!(tree.directory("a", 0o4755).is_err());
        assert!(tree.directory("b", 0o777).is_err());
    }

    #[test]
    fn equal_programs_are_names_of_one_file_and_an_equal_file_of_another_mode_is_not() {
        let mut tree = Tree::default();
        tree.program("link", *b"x").unwrap();
        tree.program("web", *b"x").unwrap();
        tree.data("note", *b"x").unwrap();
        let place = tempfile::tempdir().unwrap();
        tree.write_below(place.path()).unwrap();
        let number = |name| std::fs::metadata(place.path().join(name)).unwrap().ino();
        assert_eq!(number("link"), number("web"));
        assert_ne!(number("link"), number("note"));
    }

    #[test]
    fn order_is_that_of_the_paths_whatever_the_order_of_insertion() {
        let (mut one, mut two) = (Tree::default(), Tree::default());
        for path in ["a", "b", "a/c"] {
            one.directory(path, 0o755).unwrap();
        }
        for path in ["b", "a", "a/c"] {
            two.directory(path, 0o755).unwrap();
        }
        assert_eq!(one.iter().collect::<Vec<_>>(), two.iter().collect::<Vec<_>>());
    }
}
