//! One record of the meta partition, as bytes and as meaning.
//!
//! *Does*: encode, decode, choose the newer of two.
//! *Never does*: I/O.
//! *Spec*: below; all numbers little-endian. A change of the format changes the magic.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `PATMETA1` |
//! | 8 | 8 | sequence; the record of number n lies at place n mod 2 |
//! | 16 | 8 | version floor: no older image is installed |
//! | 24 | 1 + 1 | early failures in a row of slot A, of slot B |
//! | 26 | 1 | flags: bit 0 reserved, written as 0; bit 1 data has been made |
//! | 27 | 1 | length of the last failure's text |
//! | 28 | 200 | last failure, UTF-8 |
//! | 508 | 4 | CRC-32 (IEEE) of all before |

use patronus_ipc::init::Slot;

/// Length of a record: one sector of the smallest size, which a medium writes whole or not at all.
pub const RECORD_BYTES: usize = 512;
/// Most bytes of the last failure's text; the rest is cut.
pub const TEXT_BYTES_MAX: usize = 200;

const MAGIC: &[u8; 8] = b"PATMETA1";
const CRC_AT: usize = RECORD_BYTES - 4;
const DATA_MADE: u8 = 2;

/// What stands in the meta partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Counts writes.
    pub sequence: u64,
    /// No image of an older version is installed.
    pub version_floor: u64,
    /// Starts that ended early, by slot.
    pub failures: Failures,
    /// The data partition has been made; if it is empty, something erased it.
    pub data_made: bool,
    /// Why a boot ended early, for people.
    pub last_failure: String,
}

/// Starts in a row that did not become healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    a: u8,
    b: u8,
}

impl Failures {
    /// Of this slot.
    #[must_use]
    pub fn of(self, slot: Slot) -> u8 {
        match slot {
            Slot::A => self.a,
            Slot::B => self.b,
        }
    }

    /// One more, up to the highest number.
    pub fn add(&mut self, slot: Slot) {
        let next = self.of(slot).saturating_add(1);
        *self.place(slot) = next;
    }

    /// One less: it was no failure.
    pub fn take_back(&mut self, slot: Slot) {
        let next = self.of(slot).saturating_sub(1);
        *self.place(slot) = next;
    }

    /// None any more.
    pub fn clear(&mut self, slot: Slot) {
        *self.place(slot) = 0;
    }

    fn place(&mut self, slot: Slot) -> &mut u8 {
        match slot {
            Slot::A => &mut self.a,
            Slot::B => &mut self.b,
        }
    }
}

impl Record {
    /// The newer one of two copies that holds; the default if none does.
    #[must_use]
    pub fn newest(first: &[u8; RECORD_BYTES], second: &[u8; RECORD_BYTES]) -> Self {
        match (Self::parse(first), Self::parse(second)) {
            // Sequences run on for ever; the difference tells which is ahead even where they wrap.
            (Some(first), Some(second)) if second.sequence.wrapping_sub(first.sequence) < u64::MAX / 2 => second,
            (Some(first), _) => first,
            (None, second) => second.unwrap_or_default(),
        }
    }

    /// Reads a record; `None` if it is torn, foreign or empty.
    #[must_use]
    pub fn parse(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let (body, crc) = bytes.split_at_checked(CRC_AT)?;
        if !body.starts_with(MAGIC) || crc != crc32fast::hash(body).to_le_bytes() {
            return None;
        }
        let u64_at = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
        let (&[a, b, flags, length], text) = body.get(24..)?.split_first_chunk()?;
        let text = text.get(..usize::from(length).min(TEXT_BYTES_MAX))?;
        Some(Self {
            sequence: u64_at(8)?,
            version_floor: u64_at(16)?,
            failures: Failures { a, b },
            data_made: flags & DATA_MADE != 0,
            last_failure: String::from_utf8_lossy(text).into_owned(),
        })
    }

    /// The bytes of the record.
    #[must_use]
    pub fn bytes(&self) -> [u8; RECORD_BYTES] {
        let text = self.last_failure.as_bytes();
        let text = text.get(..self.last_failure.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
        let flags = u8::from(self.data_made) * DATA_MADE;
        let mut body = MAGIC.to_vec();
        body.extend(self.sequence.to_le_bytes());
        body.extend(self.version_floor.to_le_bytes());
        body.extend([self.failures.a, self.failures.b, flags, u8::try_from(text.len()).unwrap_or(0)]);
        body.extend(text);
        body.resize(CRC_AT, 0);
        body.extend(crc32fast::hash(&body).to_le_bytes());
        let mut bytes = [0; RECORD_BYTES];
        for (place, byte) in bytes.iter_mut().zip(body) {
            *place = byte;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> impl Strategy<Value = Record> {
        (any::<[u64; 2]>(), any::<[u8; 2]>(), any::<bool>(), "[ -~]{0,200}").prop_map(
            |([sequence, version_floor], [a, b], data_made, last_failure)| Record {
                sequence,
                version_floor,
                failures: Failures { a, b },
                data_made,
                last_failure,
            },
        )
    }

    #[test]
    fn a_text_of_the_limit_is_kept_and_one_above_is_cut() {
        let text = |length| Record { last_failure: "x".repeat(length), ..Record::default() };
        for (length, kept) in [(TEXT_BYTES_MAX, TEXT_BYTES_MAX), (TEXT_BYTES_MAX + 1, TEXT_BYTES_MAX)] {
            assert_eq!(Record::parse(&text(length).bytes()).unwrap().last_failure.len(), kept);
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let record = Record { last_failure: "é".repeat(150), ..Record::default() };
        assert_eq!(Record::parse(&record.bytes()).unwrap().last_failure, "é".repeat(100));
    }

    #[test]
    fn failures_do_not_wrap() {
        let mut failures = Failures { a: u8::MAX, b: 0 };
        failures.add(Slot::A);
        failures.take_back(Slot::B);
        assert_eq!((failures.of(Slot::A), failures.of(Slot::B)), (u8::MAX, 0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(record in records()) {
            prop_assert_eq!(Record::parse(&record.bytes()), Some(record));
        }

        #[test]
        fn any_prefix_of_a_torn_write_gives_the_old_or_the_new_record(
            old in records(), mut new in records(), before in any::<[u8; 32]>(), cut in 0..=RECORD_BYTES,
        ) {
            new.sequence = old.sequence.wrapping_add(1);
            let mut place = before.repeat(RECORD_BYTES / 32).try_into().unwrap_or([0; RECORD_BYTES]);
            place[..cut].copy_from_slice(&new.bytes()[..cut]);
            let found = Record::newest(&old.bytes(), &place);
            prop_assert!(found == old || (found == new && cut == RECORD_BYTES));
            prop_assert_eq!(Record::newest(&place, &old.bytes()), found);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(noise in proptest::collection::vec(any::<u8>(), RECORD_BYTES)) {
            let mut bytes: [u8; RECORD_BYTES] = noise.try_into().unwrap_or([0; RECORD_BYTES]);
            bytes[..8].copy_from_slice(MAGIC);
            let crc = crc32fast::hash(&bytes[..CRC_AT]);
            bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
            prop_assert!(Record::parse(&bytes).is_some());
        }
    }
}
