//! The virtio port on which tests speak.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

/// The name that the test's machine gives to the port.
const NAME: &str = "patronus.agent";
/// Where the kernel lists ports with their names.
const CLASS: &str = "/sys/class/virtio-ports";
/// How often to look whether somebody has connected.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Opens the port for reading and writing.
pub(crate) fn open() -> Result<File> {
    let path = find().with_context(|| format!("no virtio port is called {NAME}"))?;
    OpenOptions::new().read(true).write(true).open(&path).with_context(|| format!("cannot open {}", path.display()))
}

fn find() -> Option<PathBuf> {
    let ports = fs::read_dir(CLASS).ok()?;
    let is_ours =
        |port: &fs::DirEntry| fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim() == NAME);
    let port = ports.flatten().find(is_ours)?;
    Some(Path::new("/dev").join(port.file_name()))
}
