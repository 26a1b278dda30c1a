//! Finding the disk that carries our layout.
//!
//! *Does*: look at every whole disk that the kernel knows, once per call.
//! *Never does*: wait, write, or judge whether a root is good.
//! *Spec*: Linux `Documentation/ABI/stable/sysfs-block`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{
    gpt::{Entry, Table},
    layout::{Places, Role},
};

const BLOCK_DEVICES: &str = "/sys/class/block";
/// More disks than that are not looked at.
const DISKS_MAX: usize = 64;

/// A disk that carries every declared partition.
#[derive(Clone, Debug)]
pub struct BootDisk {
    /// Kernel name, such as `vda`.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Its partition table.
    pub table: Table,
    places: Places,
}

impl BootDisk {
    /// Reads the disk with this kernel name; `None` if it does not carry the layout.
    #[must_use]
    pub fn open(name: &str) -> Option<Self> {
        let bytes = bytes_of(name)?;
        let mut file = File::open(Path::new("/dev").join(name)).ok()?;
        let sector_bytes = rustix::fs::ioctl_blksszget(&file).ok()?;
        let table = Table::read(&mut file, bytes, sector_bytes.into()).ok()?;
        let places = Places::in_table(&table)?;
        Some(Self { name: name.to_owned(), bytes, table, places })
    }

    /// Device of the whole disk.
    #[must_use]
    pub fn device(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Device of the partition with this role; `None` while the kernel has not made it.
    #[must_use]
    pub fn partition(&self, role: Role) -> Option<PathBuf> {
        let number = self.number(role).to_string();
        fs::read_dir(Path::new(BLOCK_DEVICES).join(&self.name)).ok()?.filter_map(Result::ok).find_map(|child| {
            let found = fs::read_to_string(child.path().join("partition")).ok()?;
            (found.trim() == number).then(|| Path::new("/dev").join(child.file_name()))
        })
    }

    /// Number of the partition with this role, from 1.
    #[must_use]
    pub fn number(&self, role: Role) -> u32 {
        u32::try_from(self.places.index(role) + 1).unwrap_or(0)
    }

    /// Index of the role's entry in the table.
    #[must_use]
    pub fn index(&self, role: Role) -> usize {
        self.places.index(role)
    }

    /// The role's entry in the table.
    #[must_use]
    pub fn entry(&self, role: Role) -> Option<&Entry> {
        self.table.entries().get(self.index(role))
    }

    /// Whether the disk ends before its table says.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.table.is_cut(self.bytes)
    }

    /// First and last sector of the role's partition, as far as it lies on the disk. Only data can do with less than all.
    #[must_use]
    pub fn on_disk(&self, role: Role) -> Option<(u64, u64)> {
        let (first, last) = self.table.part_on(self.index(role), self.bytes)?;
        (role == Role::Data || last == self.entry(role)?.last).then_some((first, last))
    }

    /// Whether one of its partitions has this id.
    #[must_use]
    pub fn has_partition(&self, id: Uuid) -> bool {
        self.table.entries().iter().any(|entry| !entry.kind.is_nil() && entry.id == id)
    }
}

/// Every disk that carries the layout now, the one with partition `loader` first, else by name.
#[must_use]
pub fn find(loader: Option<Uuid>) -> Vec<BootDisk> {
    let mut disks: Vec<_> = whole_disks().unwrap_or_default().iter().filter_map(|name| BootDisk::open(name)).collect();
    disks.sort_by_key(|disk| (!loader.is_some_and(|id| disk.has_partition(id)), disk.name.clone()));
    disks
}

/// Names of whole disks that have a size.
fn whole_disks() -> io::Result<Vec<String>> {
    let mut names: Vec<_> = fs::read_dir(BLOCK_DEVICES)?
        .filter_map(Result::ok)
        .filter(|entry| !entry.path().join("partition").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !["loop", "ram", "dm-", "zram"].iter().any(|kind| name.starts_with(kind)))
        .filter(|name| bytes_of(name).is_some_and(|bytes| bytes > 0))
        .collect();
    names.sort();
    names.truncate(DISKS_MAX);
    Ok(names)
}

/// Length of a block device; sysfs counts in 512 bytes whatever the sector is.
fn bytes_of(name: &str) -> Option<u64> {
    let sectors = fs::read_to_string(Path::new(BLOCK_DEVICES).join(name).join("size")).ok()?;
    sectors.trim().parse::<u64>().ok()?.checked_mul(512)
}
