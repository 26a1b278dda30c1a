//! A machine's own disk: a sparse copy of the built image that a test may look into and damage.
//!
//! *Does*: copy, grow, read, overwrite and truncate, with partitions found in the disk's own GPT by name.
//! *Never does*: touch the built image, or a disk while a guest runs from it.
//! *Spec*: UEFI 2.10 section 5.3 (GPT), primary table only.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

/// Bytes of a sector; the image is made for disks with 512.
const SECTOR_BYTES: u64 = 512;
/// How much is read or written at once.
const CHUNK_BYTES: u64 = 1 << 20;
/// Length of the name of a GPT entry: 36 UTF-16 characters.
const NAME_BYTES: usize = 72;

/// A disk file that belongs to one machine.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
}

/// A partition's place on the disk, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in the GPT.
    pub name: String,
    /// Offset of its first byte.
    pub start_bytes: u64,
    /// Its length.
    pub size_bytes: u64,
}

impl Disk {
    /// Copies `image` to `path`, holes as holes.
    ///
    /// # Errors
    /// If the copy cannot be made.
    pub fn copy_of(image: &Path, path: PathBuf) -> Result<Self> {
        let status = Command::new("cp").args(["--sparse=always", "--reflink=auto"]).arg(image).arg(&path).status()?;
        ensure!(status.success(), "cannot copy {} to {}", image.display(), path.display());
        Ok(Self { path })
    }

    /// A disk file that is already there, such as the one of a box that runs across calls.
    #[must_use]
    pub fn existing(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the disk as large as a real one, so that there is room to grow into.
    ///
    /// # Errors
    /// If the file cannot be resized.
    pub fn resize(&self, size_bytes: u64) -> Result<()> {
        Ok(self.open()?.set_len(size_bytes)?)
    }

    /// Finds a partition by its name.
    ///
    /// # Errors
    /// If the disk has no GPT, or no such partition.
    pub fn partition(&self, name: &str) -> Result<Partition> {
        let found = self.partitions()?.into_iter().find(|partition| partition.name == name);
        found.with_context(|| format!("{} has no partition \"{name}\"", self.path.display()))
    }

    /// All partitions, in the order of the table.
    ///
    /// # Errors
    /// If the disk has no GPT.
    pub fn partitions(&self) -> Result<Vec<Partition>> {
        let header = self.read(SECTOR_BYTES, 92)?;
        ensure!(header.starts_with(b"EFI PART"), "{} has no GPT", self.path.display());
        let table = u64_at(&header, 72)? * SECTOR_BYTES;
        let (count, entry_bytes) = (u64::from(u32_at(&header, 80)?), u64::from(u32_at(&header, 84)?));
        let mut partitions = Vec::new();
        for index in 0..count {
            let entry = self.read(table + index * entry_bytes, usize::try_from(entry_bytes)?)?;
            partitions.extend(Partition::parse(&entry)?);
        }
        Ok(partitions)
    }

    /// Reads from the disk.
    ///
    /// # Errors
    /// If the disk is shorter than that.
    pub fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut file = File::open(&self.path).with_context(|| format!("cannot open {}", self.path.display()))?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Overwrites a part of the disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut file = self.open()?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.write_all(bytes)?)
    }

    /// Inverts one bit.
    ///
    /// # Errors
    /// If the disk is shorter than that.
    pub fn flip_bit(&self, offset: u64) -> Result<()> {
        let byte = self.read(offset, 1)?;
        self.write(offset, &[byte.first().copied().unwrap_or_default() ^ 1])
    }

    /// Overwrites a partition with zeros.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn zero(&self, partition: &Partition) -> Result<()> {
        let mut file = self.open()?;
        file.seek(SeekFrom::Start(partition.start_bytes))?;
        std::io::copy(&mut std::io::repeat(0).take(partition.size_bytes), &mut file)?;
        Ok(())
    }

    /// Makes a partition the same as on another disk; writes only what differs.
    ///
    /// # Errors
    /// If one of the two cannot be read or this one not written.
    pub fn take_over(&self, other: &Self, partition: &Partition) -> Result<()> {
        for index in 0..partition.size_bytes.div_ceil(CHUNK_BYTES) {
            let offset = partition.start_bytes + index * CHUNK_BYTES;
            let length = usize::try_from(CHUNK_BYTES.min(partition.size_bytes - index * CHUNK_BYTES))?;
            let wanted = other.read(offset, length)?;
            if self.read(offset, length)? != wanted {
                self.write(offset, &wanted)?;
            }
        }
        Ok(())
    }

    /// Copies a partition into a file of its own, for tools that want one.
    ///
    /// # Errors
    /// If the copy cannot be made.
    pub fn extract(&self, partition: &Partition, path: &Path) -> Result<()> {
        let mut source = File::open(&self.path)?;
        source.seek(SeekFrom::Start(partition.start_bytes))?;
        std::io::copy(&mut source.take(partition.size_bytes), &mut File::create(path)?)?;
        Ok(())
    }

    fn open(&self) -> Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path);
        file.with_context(|| format!("cannot open {}", self.path.display()))
    }
}

impl Partition {
    /// One entry of the table; `None` if it is unused.
    fn parse(entry: &[u8]) -> Result<Option<Self>> {
        let (first, last) = (u64_at(entry, 32)?, u64_at(entry, 40)?);
        if first == 0 {
            return Ok(None);
        }
        let Some(name) = entry.get(56..56 + NAME_BYTES) else { bail!("GPT entry is too short") };
        let units: Vec<u16> = name
            .chunks_exact(2)
            .map(|pair| pair.iter().rev().fold(0, |unit, byte| unit << 8 | u16::from(*byte)))
            .collect();
        let name = String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned();
        let (start_bytes, size_bytes) = (first * SECTOR_BYTES, (last + 1 - first) * SECTOR_BYTES);
        Ok(Some(Self { name, start_bytes, size_bytes }))
    }
}

fn u64_at(bytes: &[u8], offset: usize) -> Result<u64> {
    let field = bytes.get(offset..offset + 8).context("GPT is too short")?;
    Ok(u64::from_le_bytes(field.try_into()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32> {
    let field = bytes.get(offset..offset + 4).context("GPT is too short")?;
    Ok(u32::from_le_bytes(field.try_into()?))
}
