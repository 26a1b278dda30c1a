//! What two probers say to each other.
//!
//! *Does*: bytes to meaning and back: who counts how, what was sent when, what the sender has heard.
//! *Never does*: accept another length, version or kind, or look behind the fixed part: what follows is padding.
//! *Spec*: `docs/prober.md`, section "Packets"; RFC 8762 section 4.

use crate::Reject;

/// The fixed part; probe and answer are of one length.
pub const BYTES: usize = 68;
/// UDP payload of the largest packet that is looked at: what an inner MTU of 9,000 carries.
pub const MOST_BYTES: usize = 8_952;

pub(crate) const VERSION: u8 = 1;
const PROBE: u8 = 1;
const ANSWER: u8 = 2;

/// One packet. Times are microseconds of the sender's own clock, whatever that counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Distinguishes a sender from what it was before it was restarted; never 0.
    pub run: u32,
    /// How many packets the sender has sent on this path in this run, with this one.
    pub sequence: u64,
    /// When it was sent.
    pub sent_us: u64,
    /// The sender asks for no more than one probe in so many milliseconds, suspicion apart.
    pub interval_ms: u16,
    /// What the sender has heard on this path; `None` if nothing yet.
    pub heard: Option<Heard>,
    /// What this answers; `None` for a probe.
    pub answers: Option<Answered>,
}

/// What somebody has heard of the receiver's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Of which of its runs.
    pub run: u32,
    /// The highest sequence.
    pub highest: u64,
    /// How many.
    pub count: u64,
}

/// The probe that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its sequence.
    pub sequence: u64,
    /// When it was sent, by its sender's clock.
    pub sent_us: u64,
    /// When it came, by the clock of who answers.
    pub received_us: u64,
}

impl Packet {
    /// As it goes out.
    #[must_use]
    pub fn emit(&self) -> [u8; BYTES] {
        let heard = self.heard.unwrap_or(Heard { run: 0, highest: 0, count: 0 });
        let answers = self.answers.unwrap_or(Answered { sequence: 0, sent_us: 0, received_us: 0 });
        let mut bytes = [0; BYTES];
        let fields: [&[u8]; 11] = [
            &[VERSION, if self.answers.is_some() { ANSWER } else { PROBE }],
            &self.interval_ms.to_be_bytes(),
            &self.run.to_be_bytes(),
            &self.sequence.to_be_bytes(),
            &self.sent_us.to_be_bytes(),
            &heard.run.to_be_bytes(),
            &heard.highest.to_be_bytes(),
            &heard.count.to_be_bytes(),
            &answers.sequence.to_be_bytes(),
            &answers.sent_us.to_be_bytes(),
            &answers.received_us.to_be_bytes(),
        ];
        bytes.iter_mut().zip(fields.concat()).for_each(|(place, byte)| *place = byte);
        bytes
    }

    /// Takes what came in.
    ///
    /// # Errors
    /// Why it is no packet: it is dropped and counted.
    pub fn parse(bytes: &[u8]) -> Result<Self, Reject> {
        if bytes.len() > MOST_BYTES {
            return Err(Reject::TooLong);
        }
        let mut rest = bytes;
        let [version, kind] = take(&mut rest)?;
        let interval_ms = u16::from_be_bytes(take(&mut rest)?);
        let run = u32::from_be_bytes(take(&mut rest)?);
        let mut numbers = Self { run, sequence: 0, sent_us: 0, interval_ms, heard: None, answers: None };
        numbers.sequence = u64::from_be_bytes(take(&mut rest)?);
        numbers.sent_us = u64::from_be_bytes(take(&mut rest)?);
        let heard_run = u32::from_be_bytes(take(&mut rest)?);
        let [highest, count, answered, sent_us, received_us] =
            [(); 5].map(|()| take(&mut rest).map(u64::from_be_bytes));
        let heard = Heard { run: heard_run, highest: highest?, count: count? };
        let answers = Answered { sequence: answered?, sent_us: sent_us?, received_us: received_us? };
        match (version, kind) {
            (VERSION, PROBE) => {}
            (VERSION, ANSWER) => numbers.answers = Some(answers),
            (VERSION, _) => return Err(Reject::UnknownKind),
            _ => return Err(Reject::UnknownVersion),
        }
        numbers.heard = Some(heard).filter(|heard| heard.run != 0);
        // Numbers that no honest sender reaches would make sums of them overflow.
        if run == 0 || numbers.sequence == 0 || numbers.sequence > u64::MAX / 2 || heard.count > heard.highest {
            return Err(Reject::Impossible);
        }
        Ok(numbers)
    }
}

pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Reject> {
    let (first, behind) = rest.split_first_chunk().ok_or(Reject::TooShort)?;
    *rest = behind;
    Ok(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROBE: Packet = Packet {
        run: 0x0102_0304,
        sequence: 5,
        sent_us: 6,
        interval_ms: 20,
        heard: Some(Heard { run: 7, highest: 9, count: 8 }),
        answers: None,
    };
    const ANSWERS: Answered = Answered { sequence: 10, sent_us: 11, received_us: 12 };

    #[test]
    fn the_bytes_are_these() {
        let numbers = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let common = "0014010203040000000000000005000000000000000600000007000000000000000900000000000000080";
        let probe = numbers(&PROBE.emit());
        assert_eq!(probe.len(), 2 * BYTES);
        assert!(probe.starts_with(&format!("0101{common}")) && probe.ends_with(&"0".repeat(48)), "{probe}");
        let answer = numbers(&Packet { answers: Some(ANSWERS), ..PROBE }.emit());
        assert!(answer.starts_with(&format!("0102{common}")), "{answer}");
        assert!(answer.ends_with("000000000000000a000000000000000b000000000000000c"), "{answer}");
    }

    #[test]
    fn each_way_to_be_no_packet_has_its_name() {
        let with = |place: usize, byte: u8| {
            let mut bytes = PROBE.emit();
            bytes[place] = byte;
            Packet::parse(&bytes)
        };
        assert_eq!(Packet::parse(&PROBE.emit()[..BYTES - 1]), Err(Reject::TooShort));
        assert_eq!(Packet::parse(&[]), Err(Reject::TooShort));
        assert_eq!(with(0, 2), Err(Reject::UnknownVersion));
        assert_eq!(with(1, 3), Err(Reject::UnknownKind));
        assert_eq!(Packet::parse(&Packet { run: 0, ..PROBE }.emit()), Err(Reject::Impossible));
        assert_eq!(Packet::parse(&Packet { sequence: 0, ..PROBE }.emit()), Err(Reject::Impossible));
        let more_than_there_are = Heard { run: 7, highest: 9, count: 10 };
        assert_eq!(
            Packet::parse(&Packet { heard: Some(more_than_there_are), ..PROBE }.emit()),
            Err(Reject::Impossible)
        );
    }

    #[test]
    fn the_longest_padded_packet_is_taken_and_a_longer_one_is_not() {
        let mut bytes = PROBE.emit().to_vec();
        bytes.resize(MOST_BYTES, 0xff);
        assert_eq!(Packet::parse(&bytes), Ok(PROBE));
        bytes.push(0);
        assert_eq!(Packet::parse(&bytes), Err(Reject::TooLong));
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_in(
            run in 1..=u32::MAX, sequence in 1..=u64::MAX / 2, sent_us: u64, interval_ms: u16, highest: u64, count: u64,
            heard_run: u32, answered: Option<(u64, u64, u64)>
        ) {
            let heard = (heard_run != 0).then_some(Heard { run: heard_run, highest, count: count.min(highest) });
            let answers = answered.map(|(sequence, sent_us, received_us)| Answered { sequence, sent_us, received_us });
            let packet = Packet { run, sequence, sent_us, interval_ms, heard, answers };
            prop_assert_eq!(Packet::parse(&packet.emit()), Ok(packet));
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Packet::parse(&bytes);
        }
    }
}
