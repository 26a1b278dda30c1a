//! What lies on the partition, judged by its first mebibyte.
//!
//! *Does*: tell a new partition, a half-made one, a file system and damage apart.
//! *Never does*: I/O.
//! *Spec*: Linux `Documentation/filesystems/ext4/globals.rst`, section "Super Block".

/// Sector of the smallest medium: what a cut leaves whole.
const SECTOR_BYTES: usize = 512;
/// The file system's first block; the template is written with this one last.
pub(super) const FIRST_BLOCK_BYTES: usize = 4096;
const SUPERBLOCK_AT: usize = 1024;
const MAGIC: [u8; 2] = [0x53, 0xef];
/// The file system was found to be inconsistent.
const STATE_ERROR: u16 = 2;
/// The template's size.
pub(super) const TEMPLATE_BYTES: u64 = 16 << 20;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Not even the template fits.
    TooSmall,
    /// Nothing yet, or a template that was not finished.
    Blank,
    /// A superblock that may be mounted.
    FileSystem,
    /// Something else.
    Damaged(&'static str),
}

/// Judges the first mebibyte of a partition of `bytes`, knowing that of the template.
#[must_use]
pub fn judge(head: &[u8], template: &[u8], bytes: u64) -> Finding {
    if bytes < TEMPLATE_BYTES {
        return Finding::TooSmall;
    }
    match Superblock::parse(head) {
        Some(superblock) if superblock.bytes().is_none_or(|length| length > bytes) => {
            Finding::Damaged("the partition is shorter than its file system")
        }
        Some(_) => Finding::FileSystem,
        None if is_blank(head, template) => Finding::Blank,
        None => Finding::Damaged("no file system is recognised"),
    }
}

/// Before the first block is there, each sector is still zero or already the template's.
fn is_blank(head: &[u8], template: &[u8]) -> bool {
    let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let sectors = head.chunks(SECTOR_BYTES).zip(template.chunks(SECTOR_BYTES)).enumerate();
    let mut first_block = sectors.clone().take(FIRST_BLOCK_BYTES / SECTOR_BYTES);
    first_block.all(|(_, (found, _))| zero(found))
        && sectors.into_iter().all(|(_, (found, wanted))| zero(found) || found == wanted)
}

/// The few fields of an ext4 superblock that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    blocks: u64,
    /// Bytes of a block.
    pub(super) block_bytes: u64,
    state: u16,
    error_count: u32,
}

impl Superblock {
    /// Reads it from the partition's first bytes.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let bytes = head.get(SUPERBLOCK_AT..SUPERBLOCK_AT + 1024)?;
        let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if bytes.get(0x38..0x3a)? != MAGIC {
            return None;
        }
        const INCOMPAT_64BIT: u32 = 0x80;
        let high = if u32_at(0x60)? & INCOMPAT_64BIT == 0 { 0 } else { u32_at(0x150)? };
        Some(Self {
            blocks: u64::from(u32_at(4)?) | u64::from(high) << 32,
            block_bytes: 1024u64.checked_shl(u32_at(0x18)?.min(6))?,
            state: u16_at(0x3a)?,
            error_count: u32_at(0x194)?,
        })
    }

    /// Length of the file system; `None` if that is no length.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.blocks.checked_mul(self.block_bytes)
    }

    /// Whether the kernel noted errors.
    pub(super) fn has_errors(&self) -> bool {
        self.state & STATE_ERROR != 0 || self.error_count != 0
    }

    /// How many errors the kernel noted.
    pub(super) fn error_count(&self) -> u32 {
        self.error_count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: usize = 64 << 10;

    /// A head with the superblock of a file system of 4096 blocks of 4096 bytes.
    fn template() -> Vec<u8> {
        let mut head: Vec<u8> = (0..HEAD).map(|at| (at % 251) as u8).collect();
        head[..SUPERBLOCK_AT + 1024].fill(0);
        head[SUPERBLOCK_AT + 4..][..4].copy_from_slice(&4096u32.to_le_bytes());
        head[SUPERBLOCK_AT + 0x18] = 2;
        head[SUPERBLOCK_AT + 0x38..][..2].copy_from_slice(&MAGIC);
        head
    }

    #[test]
    fn a_partition_of_the_templates_size_is_enough_and_one_byte_less_is_not() {
        assert_eq!(judge(&[0; HEAD], &template(), TEMPLATE_BYTES), Finding::Blank);
        assert_eq!(judge(&[0; HEAD], &template(), TEMPLATE_BYTES - 1), Finding::TooSmall);
    }

    #[test]
    fn a_file_system_may_fill_its_partition_but_not_exceed_it() {
        let mut head = template();
        assert_eq!(judge(&head, &template(), TEMPLATE_BYTES), Finding::FileSystem);
        head[SUPERBLOCK_AT + 4..][..4].copy_from_slice(&4097u32.to_le_bytes());
        assert!(matches!(judge(&head, &template(), TEMPLATE_BYTES), Finding::Damaged(_)));
    }

    #[test]
    fn a_file_system_without_its_superblock_is_damaged_not_blank() {
        let mut head = template();
        head[SUPERBLOCK_AT + 0x38] = 0;
        assert!(matches!(judge(&head, &template(), TEMPLATE_BYTES), Finding::Damaged(_)));
        head[..FIRST_BLOCK_BYTES].fill(0);
        head[HEAD - 1] ^= 1;
        assert!(matches!(judge(&head, &template(), TEMPLATE_BYTES), Finding::Damaged(_)));
    }

    #[test]
    fn noted_errors_are_seen_in_state_and_counter() {
        for (at, value) in [(0x3a, 2), (0x194, 1)] {
            let mut head = template();
            head[SUPERBLOCK_AT + at] = value;
            assert!(Superblock::parse(&head).unwrap().has_errors());
        }
        assert!(!Superblock::parse(&template()).unwrap().has_errors());
    }

    proptest! {
        #[test]
        fn a_template_cut_anywhere_before_its_first_block_is_blank(written in proptest::collection::vec(any::<bool>(), HEAD / SECTOR_BYTES)) {
            let template = template();
            let mut head = vec![0; HEAD];
            let first = FIRST_BLOCK_BYTES / SECTOR_BYTES;
            for (index, _) in written.iter().enumerate().skip(first).filter(|(_, written)| **written) {
                let range = index * SECTOR_BYTES..(index + 1) * SECTOR_BYTES;
                head[range.clone()].copy_from_slice(&template[range]);
            }
            prop_assert_eq!(judge(&head, &template, TEMPLATE_BYTES), Finding::Blank);
        }

        #[test]
        fn no_bytes_make_the_judge_panic(noise in proptest::collection::vec(any::<u8>(), 0..4096), bytes: u64) {
            let mut head = noise;
            if let Some(place) = head.get_mut(SUPERBLOCK_AT + 0x38..SUPERBLOCK_AT + 0x3a) {
                place.copy_from_slice(&MAGIC);
            }
            let _ = judge(&head, &template(), bytes);
        }
    }
}
