//! The files that a service sees: the same list makes its file tree and its Landlock rules.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use crate::manifest::Service;

/// Directory of the sockets of all services.
pub const SOCKETS: &str = "/run/patronus";
/// Facts of the image, such as its version.
pub const FACTS: &str = "/etc/patronus";

/// What every service sees beside its own. Randomness as files is for libraries that do not find the system call in a static program.
const COMMON: [&str; 5] = [SOCKETS, FACTS, "/proc/sys/kernel/random/boot_id", "/dev/random", "/dev/urandom"];

/// What a service may do with a path and all below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Read.
    Read,
    /// Read, write, make and remove files.
    Write,
}

/// Everything a service sees. Paths that a machine does not have are left out.
#[must_use]
pub fn visible(service: &Service) -> Vec<(PathBuf, Right)> {
    let mut paths: Vec<(PathBuf, Right)> = COMMON.map(|path| (PathBuf::from(path), Right::Read)).into();
    if service.state {
        paths.push((state_dir(service), Right::Write));
    }
    paths.extend(service.read.iter().map(|path| (path.clone(), Right::Read)));
    paths.extend(service.write.iter().map(|path| (path.clone(), Right::Write)));
    paths.retain(|(path, _)| path.exists());
    paths
}

/// Whether the path is one of the machine's devices.
#[must_use]
pub fn is_device(path: &Path) -> bool {
    path.starts_with("/dev")
}

/// Where the kernel keeps what is pinned.
const PINS: &str = "/sys/fs/bpf";

/// Whether the path, which is root's, is given to the one service that may write it.
#[must_use]
pub fn is_given(path: &Path) -> bool {
    is_device(path) || path == Path::new(PINS)
}

/// Where a service keeps its state.
#[must_use]
pub fn state_dir(service: &Service) -> PathBuf {
    Path::new("/data").join(&service.name)
}

/// Where a service's socket is.
#[must_use]
pub fn socket(name: &str) -> PathBuf {
    Path::new(SOCKETS).join(format!("{name}.sock"))
}
