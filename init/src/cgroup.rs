//! One control group per service: its limits, its memory, its end.
//!
//! *Does*: make the group with the limits of the manifest; kill everything in it; read its memory.
//! *Never does*: move a process: services are born in their group.
//! *Spec*: Linux `Documentation/admin-guide/cgroup-v2.rst`.
#![forbid(unsafe_code)]

use std::{fs, io, os::fd::OwnedFd, path::PathBuf};

use rustix::fs::{Mode, OFlags, open};

use crate::manifest::Service;

const ROOT: &str = "/sys/fs/cgroup";

/// A service's group.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    directory: OwnedFd,
}

/// Lets groups below the root have limits. Once, before the first [`Cgroup::make`].
///
/// # Errors
/// If there is no cgroup2 file system, or it lacks a controller.
pub fn enable_controllers() -> io::Result<()> {
    fs::write(format!("{ROOT}/cgroup.subtree_control"), "+memory +pids +cpu")
}

impl Cgroup {
    /// Makes the service's group, or takes the one that is there, and sets its limits.
    ///
    /// # Errors
    /// If the kernel refuses the group or one of the limits.
    pub fn make(service: &Service) -> io::Result<Self> {
        let path = PathBuf::from(ROOT).join(&service.name);
        if let Err(error) = fs::create_dir(&path)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        if !service.unconfined {
            fs::write(path.join("memory.max"), service.memory_max_bytes.to_string())?;
            fs::write(path.join("memory.oom.group"), "1")?;
            fs::write(path.join("pids.max"), service.pids_max.to_string())?;
            fs::write(path.join("cpu.weight"), service.cpu_weight.to_string())?;
        }
        let directory = open(&path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { path, directory })
    }

    /// For `CLONE_INTO_CGROUP`.
    #[must_use]
    pub fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// SIGKILL to every process in it, however many, all at once.
    ///
    /// # Errors
    /// If the kernel refuses, which only a missing file explains.
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// Memory in use by all its processes and their files, in bytes. 0 if unknown.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let text = fs::read_to_string(self.path.join("memory.current")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }
}
