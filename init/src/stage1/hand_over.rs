//! Changing the root and becoming PID 1 on it.
//!
//! *Does*: mount the verified device, move the kernel's file systems there, empty the initramfs, `exec`.
//! *Never does*: keep anything of the initramfs.
//! *Spec*: Linux `Documentation/filesystems/ramfs-rootfs-initramfs.rst`.

use std::{convert::Infallible, env, fs, os::unix::process::CommandExt, process::Command};

use patronus_ipc::init::Slot;
use rustix::mount::{MountFlags, mount, mount_move};

use super::{Failure, kernel, search::Found};
use crate::{mounts, uki::Name, verity, watchdog::Watchdog};

const NEW_ROOT: &str = "/root";
const SLOT: &str = "PATRONUS_SLOT";
const DISK: &str = "PATRONUS_DISK";
const ENTRY: &str = "PATRONUS_ENTRY";

/// What stage 1 tells PID 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The slot whose root runs.
    pub slot: Slot,
    /// Kernel name of the boot disk.
    pub disk: String,
    /// The slot's boot entry that was started, if it was one.
    pub entry: Option<Name>,
}

impl Facts {
    /// Reads what stage 1 left in the environment; `None` if this is not its child.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let slot = match env::var(SLOT).ok()?.as_str() {
            "a" => Slot::A,
            "b" => Slot::B,
            _ => return None,
        };
        let entry = env::var(ENTRY).ok().and_then(|name| Name::parse(&name));
        Some(Self { slot, disk: env::var(DISK).ok()?, entry })
    }
}

/// Hands over; returns only on failure.
pub(super) fn to_root(found: &Found, entry: Option<Name>, watchdog: Option<Watchdog>) -> Result<Infallible, Failure> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    fs::create_dir_all(NEW_ROOT).map_err(kernel("making the mount point"))?;
    mount(verity::DEVICE, NEW_ROOT, "erofs", flags, None).map_err(kernel("mounting the root"))?;
    for place in mounts::MOVED {
        mount_move(place, format!("{NEW_ROOT}{place}")).map_err(kernel("moving mounts"))?;
    }
    // The running program keeps its pages until exec.
    let _ = fs::remove_file("/init");
    env::set_current_dir(NEW_ROOT).map_err(kernel("entering the root"))?;
    mount_move(".", "/").map_err(kernel("moving the root"))?;
    rustix::process::chroot(".").map_err(kernel("changing the root"))?;
    env::set_current_dir("/").map_err(kernel("entering the root"))?;
    let mut init = Command::new("/init");
    init.env_clear().env(SLOT, found.slot_letter().to_string()).env(DISK, &found.disk.name);
    if let Some(entry) = entry {
        init.env(ENTRY, entry.to_string());
    }
    if let Some((name, value)) = watchdog.and_then(Watchdog::hand_over) {
        init.env(name, value);
    }
    Err(kernel("starting /init")(init.exec()))
}
