//! Partition tables, as bytes and as meaning.
//!
//! *Does*: parse a table whose checksums hold, from its primary or its backup copy; write both copies anew.
//! *Never does*: I/O beyond the given reader, believe a table that fails a checksum.
//! *Spec*: UEFI Specification 2.10, section 5.3.

use std::io::{self, Read, Seek, SeekFrom};

use thiserror::Error;
use uuid::Uuid;

/// Length of one entry that we read and write; the specification allows more, nobody uses it.
const ENTRY_BYTES: usize = 128;
/// Most entries that we read.
const ENTRIES_MAX: u32 = 128;
/// Least length of a header.
const HEADER_BYTES: usize = 92;

/// A table whose checksums held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    disk: Uuid,
    sector_bytes: u64,
    first_usable: u64,
    last_usable: u64,
    from_backup: bool,
    entries: Vec<Entry>,
}

/// One entry; unused ones have the nil type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Partition type.
    pub kind: Uuid,
    /// The partition's own id.
    pub id: Uuid,
    /// First sector.
    pub first: u64,
    /// Last sector, included.
    pub last: u64,
    attributes: [u8; 8],
    name: [u8; 72],
}

impl Entry {
    /// The name, as far as it is valid UTF-16.
    #[must_use]
    pub fn name(&self) -> String {
        let units = self.name.chunks_exact(2).filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
        char::decode_utf16(units.take_while(|unit| *unit != 0)).map_while(Result::ok).collect()
    }
}

/// Why there is no table.
#[derive(Debug, Error)]
pub enum TableError {
    /// Neither copy holds; the disk is not ours.
    #[error("no valid partition table")]
    None,
    /// The disk does not answer.
    #[error("reading the partition table: {0}")]
    Io(#[from] io::Error),
}

impl Table {
    /// Reads the table of a disk of `disk_bytes`, the primary copy first.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn read(disk: &mut (impl Read + Seek), disk_bytes: u64, sector_bytes: u64) -> Result<Self, TableError> {
        let sectors = disk_bytes.checked_div(sector_bytes).unwrap_or(0);
        if sectors < 68 {
            return Err(TableError::None);
        }
        if let Some(table) = Self::read_at(disk, 1, sectors, sector_bytes)? {
            return Ok(table);
        }
        let backup = Self::read_at(disk, sectors - 1, sectors, sector_bytes)?.ok_or(TableError::None)?;
        Ok(Self { from_backup: true, ..backup })
    }

    fn read_at(
        disk: &mut (impl Read + Seek),
        lba: u64,
        sectors: u64,
        sector_bytes: u64,
    ) -> Result<Option<Self>, io::Error> {
        let mut sector = vec![0; usize::try_from(sector_bytes).unwrap_or(512)];
        disk.seek(SeekFrom::Start(lba * sector_bytes))?;
        disk.read_exact(&mut sector)?;
        let Some(header) = Header::parse(&sector, lba, sectors) else { return Ok(None) };
        let mut bytes = vec![0; header.count as usize * ENTRY_BYTES];
        disk.seek(SeekFrom::Start(header.entries_lba * sector_bytes))?;
        disk.read_exact(&mut bytes)?;
        if crc32fast::hash(&bytes) != header.entries_crc {
            return Ok(None);
        }
        let entries = bytes.chunks_exact(ENTRY_BYTES).filter_map(Entry::parse).collect();
        Ok(Some(Self {
            disk: header.disk,
            sector_bytes,
            first_usable: header.first_usable,
            last_usable: header.last_usable,
            from_backup: false,
            entries,
        }))
    }

    /// All entries, used or not, in their order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes of one sector.
    #[must_use]
    pub fn sector_bytes(&self) -> u64 {
        self.sector_bytes
    }

    /// Whether the primary copy did not hold.
    #[must_use]
    pub fn is_from_backup(&self) -> bool {
        self.from_backup
    }

    /// The same table with entry `index` ending at the last whole MiB of a disk of `disk_bytes`.
    ///
    /// `None` if that is no growth, or if another partition lies behind.
    #[must_use]
    pub fn grown(&self, index: usize, disk_bytes: u64) -> Option<Self> {
        let align = (1 << 20) / self.sector_bytes;
        let sectors = disk_bytes / self.sector_bytes;
        let last_usable = sectors.checked_sub(self.copy_sectors() + 1)?;
        let last = (last_usable + 1) / align * align - 1;
        let entry = self.entries.get(index)?;
        let is_last = self.entries.iter().all(|other| other.kind.is_nil() || other.first <= entry.first);
        if !is_last || last < entry.last + align {
            return None;
        }
        let mut grown = self.clone();
        grown.last_usable = last_usable;
        grown.entries.get_mut(index)?.last = last;
        Some(grown)
    }

    /// Whether a disk of `disk_bytes` ends before the table says. Of such a table the kernel takes nothing, or leaves entries out.
    #[must_use]
    pub fn is_cut(&self, disk_bytes: u64) -> bool {
        let used = self.entries.iter().filter(|entry| !entry.kind.is_nil()).map(|entry| entry.last);
        used.fold(self.last_usable, u64::max) >= disk_bytes / self.sector_bytes
    }

    /// What of entry `index` a disk of `disk_bytes` holds: its first and last sector, the end of a cut entry at a whole MiB.
    #[must_use]
    pub fn part_on(&self, index: usize, disk_bytes: u64) -> Option<(u64, u64)> {
        let align = (1 << 20) / self.sector_bytes;
        let entry = self.entries.get(index).filter(|entry| !entry.kind.is_nil())?;
        let sectors = disk_bytes / self.sector_bytes;
        let last = if entry.last < sectors { entry.last } else { (sectors / align * align).checked_sub(1)? };
        (entry.first <= last).then_some((entry.first, last))
    }

    /// The bytes of both copies on a disk of `disk_bytes`, and where they go.
    ///
    /// Order of writing: the whole backup, a flush, then the primary. A cut leaves one of the two whole.
    #[must_use]
    pub fn copies(&self, disk_bytes: u64) -> Copies {
        let backup_lba = disk_bytes / self.sector_bytes - 1;
        let entries: Vec<u8> = self.entries.iter().flat_map(Entry::bytes).collect();
        let backup_entries_lba = backup_lba - (self.copy_sectors() - 1);
        let primary = Place { lba: 1, other: backup_lba, entries: 2 };
        let backup = Place { lba: backup_lba, other: 1, entries: backup_entries_lba };
        let at = |lba: u64| lba * self.sector_bytes;
        Copies {
            backup: [(at(backup_entries_lba), entries.clone()), (at(backup_lba), self.header(&backup, &entries))],
            primary: [(at(2), entries.clone()), (at(1), self.header(&primary, &entries))],
        }
    }

    /// Sectors of header and entries together.
    fn copy_sectors(&self) -> u64 {
        1 + ((self.entries.len() * ENTRY_BYTES) as u64).div_ceil(self.sector_bytes)
    }

    fn header(&self, place: &Place, entries: &[u8]) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(b"EFI PART\0\0\x01\0");
        header.extend((HEADER_BYTES as u32).to_le_bytes());
        header.extend([0; 8]);
        for lba in [place.lba, place.other, self.first_usable, self.last_usable] {
            header.extend(lba.to_le_bytes());
        }
        header.extend(self.disk.to_bytes_le());
        header.extend(place.entries.to_le_bytes());
        header.extend((self.entries.len() as u32).to_le_bytes());
        header.extend((ENTRY_BYTES as u32).to_le_bytes());
        header.extend(crc32fast::hash(entries).to_le_bytes());
        let crc = crc32fast::hash(&header).to_le_bytes();
        if let Some(place) = header.get_mut(16..20) {
            place.copy_from_slice(&crc);
        }
        header.resize(usize::try_from(self.sector_bytes).unwrap_or(512), 0);
        header
    }
}

/// Byte offsets and bytes of a new table, each copy's entries before its header.
#[derive(Debug)]
pub struct Copies {
    /// To be written and flushed first.
    pub backup: [(u64, Vec<u8>); 2],
    /// To be written once the backup is on the medium.
    pub primary: [(u64, Vec<u8>); 2],
}

struct Place {
    lba: u64,
    other: u64,
    entries: u64,
}

struct Header {
    first_usable: u64,
    last_usable: u64,
    disk: Uuid,
    entries_lba: u64,
    count: u32,
    entries_crc: u32,
}

impl Header {
    fn parse(sector: &[u8], lba: u64, sectors: u64) -> Option<Self> {
        if sector.get(..8)? != b"EFI PART" {
            return None;
        }
        let length = u32_at(sector, 12)? as usize;
        let mut checked = sector.get(..length).filter(|_| length >= HEADER_BYTES)?.to_vec();
        checked.get_mut(16..20)?.fill(0);
        let header = Self {
            first_usable: u64_at(sector, 40)?,
            last_usable: u64_at(sector, 48)?,
            disk: uuid_at(sector, 56)?,
            entries_lba: u64_at(sector, 72)?,
            count: u32_at(sector, 80)?,
            entries_crc: u32_at(sector, 88)?,
        };
        let holds = crc32fast::hash(&checked) == u32_at(sector, 16)?
            && u64_at(sector, 24)? == lba
            && u32_at(sector, 84)? as usize == ENTRY_BYTES
            && header.count <= ENTRIES_MAX
            && header.entries_end(sector.len()).is_some_and(|end| end <= sectors);
        holds.then_some(header)
    }

    /// The sector behind the last entry.
    fn entries_end(&self, sector_bytes: usize) -> Option<u64> {
        let bytes = self.count as usize * ENTRY_BYTES;
        self.entries_lba.checked_add(bytes.div_ceil(sector_bytes) as u64)
    }
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            kind: uuid_at(bytes, 0)?,
            id: uuid_at(bytes, 16)?,
            first: u64_at(bytes, 32)?,
            last: u64_at(bytes, 40)?,
            attributes: bytes.get(48..56)?.try_into().ok()?,
            name: bytes.get(56..128)?.try_into().ok()?,
        })
    }

    fn bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let parts: [&[u8]; 6] = [
            &self.kind.to_bytes_le(),
            &self.id.to_bytes_le(),
            &self.first.to_le_bytes(),
            &self.last.to_le_bytes(),
            &self.attributes,
            &self.name,
        ];
        for (place, byte) in bytes.iter_mut().zip(parts.concat()) {
            *place = byte;
        }
        bytes
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

fn uuid_at(bytes: &[u8], offset: usize) -> Option<Uuid> {
    Some(Uuid::from_bytes_le(bytes.get(offset..offset + 16)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
