//! The kernel's own file systems, and the boot partitions while they are needed.
//!
//! *Does*: mount each at its place with the fewest rights.
//! *Never does*: mount root or data: those have modules of their own.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use std::{ffi::CStr, fs, io, path::Path};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::console::Console;

/// One file system of the kernel.
struct Kernel {
    kind: &'static str,
    place: &'static str,
    flags: MountFlags,
    options: &'static CStr,
}

const fn kernel(kind: &'static str, place: &'static str, flags: MountFlags, options: &'static CStr) -> Kernel {
    Kernel { kind, place, flags, options }
}

/// Neither setuid files nor device nodes nor programs.
const DATA_ONLY: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// What stage 1 needs; it moves these to the root, where PID 1 finds them.
const EARLY: &[Kernel] = &[
    kernel("devtmpfs", "/dev", MountFlags::NOSUID.union(MountFlags::NOEXEC), c"mode=0755,size=1m"),
    kernel("proc", "/proc", DATA_ONLY, c"hidepid=invisible"),
    kernel("sysfs", "/sys", DATA_ONLY, c""),
    kernel("efivarfs", crate::efi::MOUNT_POINT, DATA_ONLY.union(MountFlags::RDONLY), c""),
];

/// What the services need.
const LATE: &[Kernel] = &[
    kernel("tmpfs", "/run", DATA_ONLY, c"mode=0755,size=16m"),
    kernel("tmpfs", "/tmp", DATA_ONLY, c"mode=1777,size=16m"),
    kernel("cgroup2", "/sys/fs/cgroup", DATA_ONLY, c"nsdelegate"),
    kernel("bpf", "/sys/fs/bpf", DATA_ONLY, c"mode=0700"),
    kernel("securityfs", "/sys/kernel/security", DATA_ONLY, c""),
];

/// Roots of the trees that stage 1 moves.
pub const MOVED: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Mounts what stage 1 needs; what is not there, such as EFI variables, is left out.
pub fn early() {
    for entry in EARLY {
        let _ = one(entry);
    }
}

/// Mounts the rest; whatever fails is said, and left out.
pub fn late(console: &mut Console) {
    for entry in LATE {
        if let Err(error) = one(entry) {
            console.line(&format!("mounting {}: {error}", entry.place));
        }
    }
}

fn one(entry: &Kernel) -> rustix::io::Result<()> {
    // On the initramfs the places may be missing; on the root they are there, and it takes no new ones.
    let _ = fs::create_dir_all(entry.place);
    mount(entry.kind, entry.place, entry.kind, entry.flags, Some(entry.options))
}

/// A FAT partition, mounted for as long as it is needed.
#[derive(Debug)]
pub struct BootPartition(());

impl BootPartition {
    const PLACE: &'static str = "/run/boot";

    /// Mounts `device`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn mount(device: &Path) -> io::Result<Self> {
        fs::create_dir_all(Self::PLACE)?;
        mount(device, Self::PLACE, "vfat", DATA_ONLY, Some(c"umask=0077"))?;
        Ok(Self(()))
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(Self::PLACE)
    }

    /// Unmounts it.
    ///
    /// # Errors
    /// What the kernel says; everything has been flushed all the same if the caller did.
    pub fn unmount(self) -> io::Result<()> {
        Ok(unmount(Self::PLACE, UnmountFlags::empty())?)
    }
}
