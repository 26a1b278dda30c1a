//! The partition table.
//!
//! *Does*: writes protective MBR and both GPT copies with the ids of the layout.
//! *Never does*: invent a GUID.

use std::collections::BTreeMap;
use std::fs::File;

use anyhow::Result;
use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition as Entry;
use gpt::partition_types::{OperatingSystem, Type};

use crate::layout::{Layout, Partition};

/// Writes the table to a disk file that already has its final size.
///
/// # Errors
/// When the file cannot be written or the layout does not fit.
pub fn write(disk: &mut File, layout: &Layout) -> Result<()> {
    let sectors = layout.disk_bytes / layout.sector_bytes;
    ProtectiveMBR::with_lb_size(u32::try_from(sectors - 1).unwrap_or(u32::MAX)).overwrite_lba0(disk)?;
    let config =
        GptConfig::new().writable(true).change_partition_count(true).logical_block_size(LogicalBlockSize::Lb512);
    let mut table = config.create_from_device(disk, Some(layout.disk_uuid))?;
    let entries =
        (1..).zip(&layout.partitions).map(|(number, partition)| (number, entry(partition, layout.sector_bytes)));
    table.update_partitions(entries.collect::<BTreeMap<u32, Entry>>())?;
    table.write()?;
    Ok(())
}

fn entry(partition: &Partition, sector_bytes: u64) -> Entry {
    let first_lba = partition.offset_bytes / sector_bytes;
    Entry {
        part_type_guid: Type { guid: partition.type_uuid, os: OperatingSystem::None },
        part_guid: partition.uuid,
        first_lba,
        last_lba: first_lba + partition.size_bytes / sector_bytes - 1,
        flags: 0,
        name: partition.name.clone(),
    }
}
