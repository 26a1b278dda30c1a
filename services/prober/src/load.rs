//! What two probers say to each other to find out how much a path carries.
//!
//! *Does*: bytes to meaning and back: a packet of a train, the question what came of it, and the answer, which is no longer than the question.
//! *Never does*: look behind the fixed part of load: what follows is padding.
//! *Spec*: `docs/prober.md`, section "Load".

use crate::{
    Reject, limit,
    packet::{MOST_BYTES, VERSION, take},
};

/// The fixed part, and all of question and answer.
pub const BYTES: usize = 24;

const LOAD: u8 = 3;
const ASK: u8 = 4;
const REPORT: u8 = 5;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The run of who tests; never 0.
    pub run: u32,
    /// Which of its trains; each has a number of its own.
    pub train: u32,
    /// What is said of it.
    pub kind: Kind,
}

/// What is said of a train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This is of it.
    Load,
    /// What has come of it?
    Ask,
    /// This.
    Report(Arrived),
}

/// What has come of a train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// How many packets.
    pub packets: u16,
    /// Their bytes, as UDP has them.
    pub bytes: u32,
    /// From the first to the last.
    pub span_us: u64,
}

impl Message {
    /// Whether this claims to be one of these messages.
    #[must_use]
    pub fn is_meant(bytes: &[u8]) -> bool {
        matches!(bytes, [VERSION, LOAD..=REPORT, ..])
    }

    /// As it goes out: load as long as [`limit::LOAD_BYTES`] allows.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let (kind, arrived) = match self.kind {
            Kind::Load => (LOAD, Arrived::default()),
            Kind::Ask => (ASK, Arrived::default()),
            Kind::Report(arrived) => (REPORT, arrived),
        };
        let fields: [&[u8]; 6] = [
            &[VERSION, kind],
            &arrived.packets.to_be_bytes(),
            &self.run.to_be_bytes(),
            &self.train.to_be_bytes(),
            &arrived.bytes.to_be_bytes(),
            &arrived.span_us.to_be_bytes(),
        ];
        let mut bytes = fields.concat();
        if self.kind == Kind::Load {
            bytes.resize(usize::try_from(limit::LOAD_BYTES - limit::LOAD_HEADER_BYTES).unwrap_or(BYTES), 0);
        }
        bytes
    }

    /// Takes what came in.
    ///
    /// # Errors
    /// Why it is no message: it is dropped and counted.
    pub fn parse(bytes: &[u8]) -> Result<Self, Reject> {
        let mut rest = bytes;
        let [version, kind] = take(&mut rest)?;
        let packets = u16::from_be_bytes(take(&mut rest)?);
        let [run, train, came] = [(); 3].map(|()| take(&mut rest).map(u32::from_be_bytes));
        let span_us = u64::from_be_bytes(take(&mut rest)?);
        let arrived = Arrived { packets, bytes: came?, span_us };
        let (kind, most_bytes) = match (version, kind) {
            (VERSION, LOAD) => (Kind::Load, MOST_BYTES),
            (VERSION, ASK) => (Kind::Ask, BYTES),
            (VERSION, REPORT) => (Kind::Report(arrived), BYTES),
            (VERSION, _) => return Err(Reject::UnknownKind),
            _ => return Err(Reject::UnknownVersion),
        };
        let message = Self { run: run?, train: train?, kind };
        if bytes.len() > most_bytes {
            return Err(Reject::TooLong);
        }
        let is_possible = arrived.packets <= limit::TRAIN_PACKETS && span_us <= limit::MOST_LOAD_SPAN_US;
        if message.run == 0 || !is_possible {
            return Err(Reject::Impossible);
        }
        Ok(message)
    }
}

/// What comes of the last train of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Train {
    run: u32,
    number: u32,
    arrived: Arrived,
    first_us: u64,
}

impl Train {
    /// Its first packet.
    pub(crate) fn begin(message: &Message, bytes: usize, received_us: u64) -> Self {
        let arrived = Arrived { packets: 1, bytes: u32::try_from(bytes).unwrap_or(u32::MAX), span_us: 0 };
        Self { run: message.run, number: message.train, arrived, first_us: received_us }
    }

    /// A further packet, if it is one of the same train. There are no more than a train may have.
    pub(crate) fn handle(&mut self, message: &Message, bytes: usize, received_us: u64) -> Result<bool, Reject> {
        if !self.is_it(message) {
            return Ok(false);
        }
        if self.arrived.packets >= limit::TRAIN_PACKETS {
            return Err(Reject::TooMuchLoad);
        }
        self.arrived.packets += 1;
        self.arrived.bytes = self.arrived.bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        let span_us = received_us.saturating_sub(self.first_us).min(limit::MOST_LOAD_SPAN_US);
        self.arrived.span_us = self.arrived.span_us.max(span_us);
        Ok(true)
    }

    fn is_it(&self, message: &Message) -> bool {
        (self.run, self.number) == (message.run, message.train)
    }

    /// What is said of the train that this is about.
    pub(crate) fn arrived(&self, message: &Message) -> Arrived {
        if self.is_it(message) { self.arrived } else { Arrived::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPORTED: Message =
        Message { run: 0x0102_0304, train: 5, kind: Kind::Report(Arrived { packets: 6, bytes: 7, span_us: 8 }) };

    #[test]
    fn the_bytes_are_these() {
        assert_eq!(hex(&REPORTED), "010500060102030400000005000000070000000000000008");
        assert_eq!(hex(&with(Kind::Ask)), "010400000102030400000005000000000000000000000000");
        let load = hex(&with(Kind::Load));
        assert_eq!(load.len(), 2 * 1_232);
        assert_eq!(load.trim_end_matches('0'), "0103000001020304".to_owned() + "00000005");
    }

    fn hex(message: &Message) -> String {
        message.emit().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn with(kind: Kind) -> Message {
        Message { kind, ..REPORTED }
    }

    #[test]
    fn each_way_to_be_no_message_has_its_name() {
        let with = |place: usize, byte: u8| {
            let mut bytes = REPORTED.emit();
            bytes[place] = byte;
            Message::parse(&bytes)
        };
        assert_eq!(Message::parse(&REPORTED.emit()[..BYTES - 1]), Err(Reject::TooShort));
        assert_eq!(Message::parse(&[REPORTED.emit(), vec![0]].concat()), Err(Reject::TooLong));
        assert_eq!(
            Message::parse(&[with_load(), vec![0; MOST_BYTES - 1_232]].concat()).map(|it| it.kind),
            Ok(Kind::Load)
        );
        assert_eq!(Message::parse(&[with_load(), vec![0; MOST_BYTES - 1_231]].concat()), Err(Reject::TooLong));
        assert_eq!(with(0, 2), Err(Reject::UnknownVersion));
        assert_eq!(with(1, 6), Err(Reject::UnknownKind));
        assert_eq!(with(2, 1), Err(Reject::Impossible), "more packets than a train has");
        assert_eq!(with(17, 1), Err(Reject::Impossible), "longer than any train takes");
        assert_eq!(Message::parse(&Message { run: 0, ..REPORTED }.emit()), Err(Reject::Impossible));
    }

    fn with_load() -> Vec<u8> {
        with(Kind::Load).emit()
    }

    #[test]
    fn a_train_has_as_many_packets_as_the_limit_says_and_one_more_is_not_counted() {
        let load = with(Kind::Load);
        let mut train = Train::begin(&load, 1_232, 1_000);
        for n in 1..limit::TRAIN_PACKETS {
            assert_eq!(train.handle(&load, 1_232, 1_000 + u64::from(n)), Ok(true));
        }
        assert_eq!(train.handle(&load, 1_232, 2_000), Err(Reject::TooMuchLoad));
        let all = Arrived { packets: 128, bytes: 128 * 1_232, span_us: 127 };
        assert_eq!(train.arrived(&with(Kind::Ask)), all);
        let other = Message { train: 6, ..load };
        assert_eq!(train.handle(&other, 1_232, 3_000), Ok(false));
        assert_eq!(train.arrived(&other), Arrived::default());
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_in(run in 1..=u32::MAX, train: u32, packets in 0..=limit::TRAIN_PACKETS, came: u32,
                                  span_us in 0..=limit::MOST_LOAD_SPAN_US) {
            let report = Kind::Report(Arrived { packets, bytes: came, span_us });
            for kind in [Kind::Load, Kind::Ask, report] {
                let message = Message { run, train, kind };
                prop_assert_eq!(Message::parse(&message.emit()), Ok(message));
                prop_assert!(Message::is_meant(&message.emit()));
            }
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Message::parse(&bytes);
        }
    }
}
