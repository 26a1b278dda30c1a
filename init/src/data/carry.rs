//! Carrying files out of a damaged file system and into a new one.
//!
//! *Does*: read what can be read, small files first; write it back with owner and mode.
//! *Never does*: follow links, or stop at a file that cannot be read.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Data partition".

use std::{
    fs::{self, DirBuilder, Metadata, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown},
    path::{Path, PathBuf},
};

use super::archive::{Archive, ENTRIES_MAX};

/// The kernel's own directory for pieces without a name.
const LOST_AND_FOUND: &str = "lost+found";
const MODE_BITS: u32 = 0o777;

/// Everything readable below `root`, and how many entries are not in it.
pub(super) fn collect(root: &Path) -> (Archive, usize) {
    let mut found = Vec::new();
    let mut left_out = walk(root, &mut found);
    // Directories first, each before what is in it; then small files, which matter most.
    found.sort_by_key(|(path, about)| (about.is_file(), if about.is_file() { about.len() } else { 0 }, path.clone()));
    let mut archive = Archive::default();
    for (path, about) in found {
        left_out += usize::from(add(&mut archive, root, &path, &about).is_none());
    }
    (archive, left_out)
}

fn walk(root: &Path, found: &mut Vec<(PathBuf, Metadata)>) -> usize {
    let mut left_out = 0;
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(children) = fs::read_dir(&directory) else {
            left_out += 1;
            continue;
        };
        for child in children {
            let Some((path, about)) = child.ok().and_then(|child| Some((child.path(), child.metadata().ok()?))) else {
                left_out += 1;
                // A directory that cannot be read on may answer with errors for ever.
                break;
            };
            if path.ends_with(LOST_AND_FOUND) || found.len() >= ENTRIES_MAX {
                left_out += usize::from(!path.ends_with(LOST_AND_FOUND));
            } else {
                directories.extend(about.is_dir().then(|| path.clone()));
                found.push((path, about));
            }
        }
    }
    left_out
}

fn add(archive: &mut Archive, root: &Path, path: &Path, about: &Metadata) -> Option<()> {
    let name = path.strip_prefix(root).ok()?.to_str()?;
    let mode = about.mode() & MODE_BITS;
    if about.is_dir() {
        archive.add_directory(name, mode, about.uid()).ok()
    } else if about.is_file() && about.len() <= super::aside::CONTENTS_BYTES_MAX {
        archive.add_file(name, mode, about.uid(), &fs::read(path).ok()?).ok()
    } else {
        None
    }
}

/// Writes everything back below `root`, and has it on the medium when it returns.
pub(super) fn restore(archive: &Archive, root: &Path) -> io::Result<()> {
    for entry in archive.entries() {
        let path = root.join(entry.path);
        match entry.contents {
            Some(contents) => {
                let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
                file.write_all(contents)?;
            }
            None => DirBuilder::new().recursive(true).mode(0o700).create(&path)?,
        }
        lchown(&path, Some(entry.user), Some(entry.user))?;
        fs::set_permissions(&path, Permissions::from_mode(entry.mode))?;
    }
    rustix::fs::syncfs(fs::File::open(root)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_directories_come_over_and_links_do_not() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(old.path().join("config/deep")).unwrap();
        fs::create_dir(old.path().join(LOST_AND_FOUND)).unwrap();
        fs::write(old.path().join("config/deep/state"), b"document").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", old.path().join("link")).unwrap();
        fs::set_permissions(old.path().join("config"), Permissions::from_mode(0o700)).unwrap();
        let (archive, left_out) = collect(old.path());
        restore(&archive, new.path()).unwrap();
        assert_eq!(left_out, 1);
        assert_eq!(fs::read(new.path().join("config/deep/state")).unwrap(), b"document");
        assert_eq!(fs::metadata(new.path().join("config")).unwrap().mode() & MODE_BITS, 0o700);
        assert!(!new.path().join("link").exists() && !new.path().join(LOST_AND_FOUND).exists());
    }
}
