//! The partitions of a disk, from `layout.toml`, with their places computed.
//!
//! *Does*: parses and checks the one layout file. *Never does*: touch a disk.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use uuid::Uuid;

/// The layout file itself, for everyone who links this crate.
pub const LAYOUT_TOML: &str = include_str!("../layout.toml");

/// Sectors of the backup partition table at the end of a disk: 32 of entries, one header (UEFI 2.10, 5.3.1).
const BACKUP_TABLE_SECTORS: u64 = 33;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sector_bytes: u64,
    align_bytes: u64,
    disk_uuid: Uuid,
    partition: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    r#type: Uuid,
    uuid: Uuid,
    size_bytes: u64,
}

/// Where everything lies on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Logical sector size.
    pub sector_bytes: u64,
    /// The GUID of the disk.
    pub disk_uuid: Uuid,
    /// In the order of the disk; the first is partition 1.
    pub partitions: Vec<Partition>,
    /// Size of the disk as shipped.
    pub disk_bytes: u64,
}

/// One partition with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Name in the layout file and in the partition table.
    pub name: String,
    /// GPT type.
    pub type_uuid: Uuid,
    /// The partition's own id.
    pub uuid: Uuid,
    /// First byte on the disk.
    pub offset_bytes: u64,
    /// Length.
    pub size_bytes: u64,
}

impl Layout {
    /// Parses a layout file and places the partitions one after the other.
    ///
    /// # Errors
    /// Unknown fields, sizes that are not whole alignment units, names or ids that occur twice.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        ensure!(file.sector_bytes == 512, "the image is written for 512-byte sectors");
        ensure!(file.align_bytes.is_power_of_two() && file.align_bytes >= 34 * file.sector_bytes, "align_bytes");
        let mut partitions: Vec<Partition> = Vec::new();
        let mut next = file.align_bytes;
        for entry in file.partition {
            let size = entry.size_bytes;
            ensure!(
                size > 0 && size.is_multiple_of(file.align_bytes),
                "{}: size_bytes is not a multiple of align_bytes",
                entry.name
            );
            let twice = partitions.iter().any(|other| other.name == entry.name || other.uuid == entry.uuid);
            ensure!(!twice, "{}: name or uuid occurs twice", entry.name);
            partitions.push(Partition {
                name: entry.name,
                type_uuid: entry.r#type,
                uuid: entry.uuid,
                offset_bytes: next,
                size_bytes: size,
            });
            next += size;
        }
        let end = next + BACKUP_TABLE_SECTORS * file.sector_bytes;
        let disk_bytes = end.next_multiple_of(file.align_bytes);
        Ok(Self { sector_bytes: file.sector_bytes, disk_uuid: file.disk_uuid, partitions, disk_bytes })
    }

    /// The layout of this version.
    ///
    /// # Errors
    /// As [`Layout::parse`]; a test holds that it does not happen.
    pub fn of_this_version() -> Result<Self> {
        Self::parse(LAYOUT_TOML).context("image/layout.toml")
    }

    /// # Errors
    /// When the layout has no partition of that name.
    pub fn partition(&self, name: &str) -> Result<&Partition> {
        self.partitions
            .iter()
            .find(|partition| partition.name == name)
            .with_context(|| format!("no partition {name} in the layout"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_layout_has_the_six_partitions_of_the_design_in_order() {
        let layout = Layout::of_this_version().unwrap();
        let names: Vec<_> = layout.partitions.iter().map(|partition| partition.name.as_str()).collect();
        assert_eq!(names, ["esp", "xbootldr", "root-a", "root-b", "meta", "data"]);
        assert_eq!(layout.partition("esp").unwrap().offset_bytes, 1 << 20);
    }

    #[test]
    fn partitions_neither_overlap_nor_leave_gaps_and_the_backup_table_fits() {
        let layout = Layout::of_this_version().unwrap();
        for pair in layout.partitions.windows(2) {
            assert_eq!(pair[0].offset_bytes + pair[0].size_bytes, pair[1].offset_bytes);
        }
        let last = layout.partitions.last().unwrap();
        assert!(layout.disk_bytes >= last.offset_bytes + last.size_bytes + 33 * 512);
    }

    #[test]
    fn unknown_fields_and_crooked_sizes_and_twins_are_refused() {
        assert!(Layout::parse(&LAYOUT_TOML.replace("align_bytes", "surprise = 1\nalign_bytes")).is_err());
        assert!(Layout::parse(&LAYOUT_TOML.replace("4194304", "4194305")).is_err());
        assert!(Layout::parse(&LAYOUT_TOML.replace("root-b", "root-a")).is_err());
    }
}
