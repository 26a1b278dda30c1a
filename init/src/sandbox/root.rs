//! A file tree that holds only what the service may see.
//!
//! *Does*: make an empty tree in memory, bind the visible paths into it, make it read-only, and take it as `/`.
//! *Never does*: leave a path in it that can be executed: the program itself is executed through a descriptor from outside.
//! *Spec*: `mount_namespaces(7)`, `pivot_root(2)`.
#![forbid(unsafe_code)]

use std::{fs, io, path::Path};

use rustix::{
    fs::CWD,
    mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, mount_remount, unmount},
    process::{chdir, pivot_root},
};

use super::paths::{Right, is_device, visible};
use crate::manifest::Service;

/// Where the new tree grows before it becomes `/`. An empty directory of the root file system.
const SCAFFOLD: &str = "/tmp";
/// A few directories and empty files.
const TREE_SIZE: &core::ffi::CStr = c"size=64k,nr_inodes=128,mode=0755";

/// Replaces the file tree of this process. It must have a mount namespace of its own.
///
/// # Errors
/// The first mount that the kernel refused.
pub fn enter(service: &Service) -> io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    // Before the scaffold hides what may be below it.
    let paths = visible(service);
    let plain = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", SCAFFOLD, "tmpfs", plain, TREE_SIZE)?;
    for (path, right) in paths {
        let target = Path::new(SCAFFOLD).join(path.strip_prefix("/").unwrap_or(&path));
        make_mount_point(&path, &target)?;
        mount_bind(&path, &target)?;
        let access = if right == Right::Read { MountFlags::RDONLY } else { MountFlags::empty() };
        // Devices are seen one by one, by name.
        let device = if is_device(&path) { MountFlags::NODEV } else { MountFlags::empty() };
        mount_remount(&target, MountFlags::BIND | plain.difference(device) | access, c"")?;
    }
    mount_remount(SCAFFOLD, plain | MountFlags::RDONLY, TREE_SIZE)?;
    chdir(SCAFFOLD)?;
    // The old tree comes to lie over the new one and is taken away.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    Ok(())
}

fn make_mount_point(source: &Path, target: &Path) -> io::Result<()> {
    if source.is_dir() {
        return fs::create_dir_all(target);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::File::create(target).map(|_| ())
}

/// The program through a mount of its own: it can be executed there, and nowhere in the new tree.
///
/// # Errors
/// If the program is not there.
pub fn open_program(path: &Path) -> io::Result<rustix::fd::OwnedFd> {
    use rustix::mount::{OpenTreeFlags, open_tree};
    Ok(open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?)
}
