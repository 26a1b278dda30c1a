//! What was on a damaged partition, kept in its tail.
//!
//! *Does*: save it before anything is overwritten, and remember that the new file system is not finished yet.
//! *Never does*: trust a header whose checksum does not hold.
//! *Spec*: below; numbers little-endian. The header has a block of its own, the contents follow it.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `PATASID1` |
//! | 8 | 1 | 1 pending, 2 done |
//! | 9 | 1 | 1 raw copy of the partition's beginning, 2 archive of files |
//! | 10 | 2 | length of the reason |
//! | 12 | 8 | length of the contents |
//! | 20 | 4 | CRC-32 of the contents |
//! | 24 | 400 | reason, UTF-8 |
//! | 508 | 4 | CRC-32 of all before |

use std::io;

use super::{
    archive::Archive,
    partition::{ASIDE_BYTES, Partition},
};

const MAGIC: &[u8; 8] = b"PATASID1";
const HEADER_BYTES: usize = 512;
const CONTENTS_AT: u64 = 4096;
const CHUNK_BYTES: usize = 1 << 20;
const REASON_BYTES_MAX: usize = 400;
/// Most bytes of contents.
pub(super) const CONTENTS_BYTES_MAX: u64 = ASIDE_BYTES - CONTENTS_AT;

/// What is kept, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Aside {
    pub(super) contents: Contents,
    pub(super) reason: String,
}

/// The two ways of keeping it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// The partition's first bytes, for people who want to look.
    Raw,
    /// Files that go back into the new file system.
    Carried(Archive),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending = 1,
    Done = 2,
}

impl Aside {
    /// Keeps the contents in the partition's tail; a partition without one keeps nothing.
    pub(super) fn save(&self, partition: &Partition) -> io::Result<()> {
        let Some(at) = partition.aside_at() else { return Ok(()) };
        // An older header must not vouch for contents that are being overwritten.
        partition.write(&[0; HEADER_BYTES], at)?;
        partition.flush()?;
        let (length, crc) = match &self.contents {
            Contents::Raw => copy_raw(partition, at + CONTENTS_AT)?,
            Contents::Carried(archive) => {
                partition.write(archive.bytes(), at + CONTENTS_AT)?;
                (archive.bytes().len() as u64, crc32fast::hash(archive.bytes()))
            }
        };
        partition.flush()?;
        partition.write(&self.header(Stage::Pending, length, crc), at)?;
        partition.flush()
    }

    /// What was saved by a boot that did not get to its end.
    pub(super) fn pending(partition: &Partition) -> io::Result<Option<Self>> {
        let Some((_, header)) = read_header(partition)? else { return Ok(None) };
        if header.stage != Stage::Pending as u8 {
            return Ok(None);
        }
        let contents = match header.kind {
            1 => Contents::Raw,
            _ => match read_archive(partition, &header)? {
                Some(archive) => Contents::Carried(archive),
                // The medium lost it; the rest of the partition is as it was.
                None => return Ok(None),
            },
        };
        Ok(Some(Self { contents, reason: header.reason }))
    }

    /// The new file system stands.
    pub(super) fn done(partition: &Partition) -> io::Result<()> {
        let Some((at, mut header)) = read_header(partition)? else { return Ok(()) };
        header.stage = Stage::Done as u8;
        partition.write(&header.bytes(), at)?;
        partition.flush()
    }

    fn header(&self, stage: Stage, length: u64, crc: u32) -> Vec<u8> {
        let kind = if matches!(self.contents, Contents::Raw) { 1 } else { 2 };
        Header { stage: stage as u8, kind, length, crc, reason: self.reason.clone() }.bytes()
    }
}

fn copy_raw(partition: &Partition, to: u64) -> io::Result<(u64, u32)> {
    let mut crc = crc32fast::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = 0;
    while at < CONTENTS_BYTES_MAX {
        let length = CHUNK_BYTES.min(usize::try_from(CONTENTS_BYTES_MAX - at).unwrap_or(CHUNK_BYTES));
        let bytes = chunk.get_mut(..length).unwrap_or_default();
        partition.read(bytes, at)?;
        partition.write(bytes, to + at)?;
        crc.update(bytes);
        at += length as u64;
    }
    Ok((CONTENTS_BYTES_MAX, crc.finalize()))
}

fn read_header(partition: &Partition) -> io::Result<Option<(u64, Header)>> {
    let Some(at) = partition.aside_at() else { return Ok(None) };
    let mut bytes = [0; HEADER_BYTES];
    partition.read(&mut bytes, at)?;
    Ok(Header::parse(&bytes).map(|header| (at, header)))
}

fn read_archive(partition: &Partition, header: &Header) -> io::Result<Option<Archive>> {
    let Some(at) = partition.aside_at() else { return Ok(None) };
    let mut bytes = vec![0; usize::try_from(header.length).unwrap_or(0)];
    partition.read(&mut bytes, at + CONTENTS_AT)?;
    Ok((crc32fast::hash(&bytes) == header.crc).then(|| Archive::from_bytes(bytes).ok()).flatten())
}

struct Header {
    stage: u8,
    kind: u8,
    length: u64,
    crc: u32,
    reason: String,
}

impl Header {
    fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if !body.starts_with(MAGIC) || *crc != crc32fast::hash(body).to_le_bytes() {
            return None;
        }
        let reason_bytes = usize::from(u16::from_le_bytes(body.get(10..12)?.try_into().ok()?));
        let header = Self {
            stage: *body.get(8)?,
            kind: *body.get(9)?,
            length: u64::from_le_bytes(body.get(12..20)?.try_into().ok()?),
            crc: u32::from_le_bytes(body.get(20..24)?.try_into().ok()?),
            reason: String::from_utf8_lossy(body.get(24..24 + reason_bytes)?).into_owned(),
        };
        (header.length <= CONTENTS_BYTES_MAX).then_some(header)
    }

    fn bytes(&self) -> Vec<u8> {
        let reason = self.reason.get(..self.reason.floor_char_boundary(REASON_BYTES_MAX)).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend([self.stage, self.kind]);
        bytes.extend(u16::try_from(reason.len()).unwrap_or(0).to_le_bytes());
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend(reason.as_bytes());
        bytes.resize(HEADER_BYTES - 4, 0);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(bytes: u64) -> (tempfile::NamedTempFile, Partition) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes).unwrap();
        let partition = Partition::open(file.path()).unwrap();
        (file, partition)
    }

    fn raw(reason: &str) -> Aside {
        Aside { contents: Contents::Raw, reason: reason.into() }
    }

    #[test]
    fn what_was_saved_is_pending_until_the_new_file_system_stands() {
        let (_file, partition) = partition(300 << 20);
        partition.write(b"old superblock", 1024).unwrap();
        raw("torn").save(&partition).unwrap();
        assert_eq!(Aside::pending(&partition).unwrap(), Some(raw("torn")));
        let mut kept = [0; 14];
        partition.read(&mut kept, partition.aside_at().unwrap() + CONTENTS_AT + 1024).unwrap();
        assert_eq!(&kept, b"old superblock");
        Aside::done(&partition).unwrap();
        assert_eq!(Aside::pending(&partition).unwrap(), None);
    }

    #[test]
    fn carried_files_come_back_whole() {
        let (_file, partition) = partition(300 << 20);
        let mut archive = Archive::default();
        archive.add_file("config/state", 0o600, 10001, b"document").unwrap();
        let aside = Aside { contents: Contents::Carried(archive), reason: "errors".into() };
        aside.save(&partition).unwrap();
        assert_eq!(Aside::pending(&partition).unwrap(), Some(aside));
    }

    #[test]
    fn a_torn_header_is_no_aside() {
        let (_file, partition) = partition(300 << 20);
        raw("torn").save(&partition).unwrap();
        partition.write(b"x", partition.aside_at().unwrap() + 30).unwrap();
        assert_eq!(Aside::pending(&partition).unwrap(), None);
    }

    #[test]
    fn a_partition_without_a_tail_keeps_nothing() {
        let (_file, partition) = partition(100 << 20);
        raw("torn").save(&partition).unwrap();
        assert_eq!(Aside::pending(&partition).unwrap(), None);
    }
}
