//! How much a path carries: by what comes at the far end of short trains of packets, and in what time.
//!
//! *Does*: begin with two packets, and let trains grow until the path needs about [`limit::TRAIN_US`] for one; take what the far end says.
//! *Never does*: send further load before it has heard what came of the last; go on for ever with who does not say.
//! *Spec*: `docs/prober.md`, section "Test"; RFC 5136 section 2.3 (capacity), by the dispersion of trains.

use crate::{Reject, limit, load::Arrived};

/// What is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// So many packets of load, and at once the question what came.
    Train(u16),
    /// The question again.
    Ask,
    /// Nothing: it is over.
    Over,
}

/// The measurement, while it goes on.
#[derive(Clone, Debug)]
pub(crate) struct Capacity {
    /// Number of the train whose report is awaited, and how many packets it has.
    pub(crate) train: u32,
    packets: u16,
    asks: u32,
    silent: u32,
    /// When it is asked again.
    next_us: u64,
    pause_us: u64,
    until_us: u64,
    /// Packets that came, and bits a second.
    came: Vec<(u16, u64)>,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    trains: usize,
}

impl Capacity {
    /// Its first train has this number. The far end is asked again after `patience_us` and some more.
    pub(crate) fn begin(train: u32, patience_us: u64, until_us: u64, now_us: u64) -> (Self, Wish) {
        let mut new = Self {
            train: train.wrapping_sub(1),
            packets: 0,
            asks: 0,
            silent: 0,
            next_us: 0,
            pause_us: patience_us + limit::ASK_AGAIN_US,
            until_us,
            came: Vec::new(),
            sent_bytes: 0,
            received_bytes: 0,
            trains: 0,
        };
        let wish = new.send(2, now_us);
        (new, wish)
    }

    /// The far end says what came of a train.
    ///
    /// # Errors
    /// It was not asked, or cannot be.
    pub(crate) fn handle_report(&mut self, train: u32, arrived: Arrived, now_us: u64) -> Result<Wish, Reject> {
        if train != self.train {
            return Err(Reject::NotAsked);
        }
        let bytes = u64::from(arrived.bytes) + u64::from(arrived.packets) * limit::LOAD_HEADER_BYTES;
        if arrived.packets > self.packets || bytes > u64::from(arrived.packets) * limit::LOAD_BYTES {
            return Err(Reject::Impossible);
        }
        self.received_bytes += bytes;
        self.silent = 0;
        let Some(rate_bps) = rate_bps(arrived.packets, bytes, arrived.span_us) else {
            return Ok(self.shrink(now_us));
        };
        self.came.push((arrived.packets, rate_bps));
        let fitting = 1 + rate_bps / 8 * limit::TRAIN_US / 1_000_000 / limit::LOAD_BYTES;
        let most = self.packets.saturating_mul(limit::TRAIN_GROWS).min(limit::TRAIN_PACKETS);
        Ok(self.send(u16::try_from(fitting).unwrap_or(u16::MAX).clamp(2, most), now_us))
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub(crate) fn deadline(&self) -> u64 {
        self.next_us.min(self.until_us)
    }

    /// What time demands.
    pub(crate) fn handle_timeout(&mut self, now_us: u64) -> Option<Wish> {
        if now_us >= self.until_us {
            return Some(Wish::Over);
        }
        if now_us < self.next_us {
            return None;
        }
        self.next_us = now_us + self.pause_us;
        self.asks += 1;
        if self.asks < limit::ASKS {
            return Some(Wish::Ask);
        }
        self.silent += 1;
        Some(if self.silent < limit::SILENT_TRAINS { self.shrink(now_us) } else { Wish::Over })
    }

    /// Too little came of the last: the next is smaller.
    fn shrink(&mut self, now_us: u64) -> Wish {
        self.send((self.packets / limit::TRAIN_GROWS).max(2), now_us)
    }

    fn send(&mut self, packets: u16, now_us: u64) -> Wish {
        // What cannot be told in time is not sent.
        if self.trains >= limit::TRAINS || now_us + self.pause_us > self.until_us {
            return Wish::Over;
        }
        self.trains += 1;
        self.train = self.train.wrapping_add(1);
        self.packets = packets;
        self.asks = 0;
        self.next_us = now_us + self.pause_us;
        self.sent_bytes += u64::from(packets) * limit::LOAD_BYTES;
        Wish::Train(packets)
    }

    /// What the longer trains say, the middle of it, in kilobits a second.
    pub(crate) fn kbit(&self) -> Option<u64> {
        let longest = self.came.iter().map(|(packets, _)| *packets).max()?;
        let mut rates: Vec<u64> =
            self.came.iter().filter(|(packets, _)| *packets > longest / 2).map(|(_, rate)| *rate).collect();
        let middle = rates.len() / 2;
        let (_, rate_bps, _) = rates.select_nth_unstable(middle);
        Some(*rate_bps / 1_000)
    }
}

/// The first packet only says when the time begins.
fn rate_bps(packets: u16, bytes: u64, span_us: u64) -> Option<u64> {
    let packets = u64::from(packets);
    let behind_first = bytes.checked_div(packets)? * packets.checked_sub(1).filter(|others| *others > 0)?;
    Some(behind_first * 8 * 1_000_000 / span_us.max(limit::LOAD_SPAN_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE_US: u64 = 20_000;

    /// What comes over a line of so many kilobits a second, of which all is heard.
    fn came(packets: u16, kbit: u64) -> Arrived {
        let bytes = u32::from(packets) * 1_232;
        Arrived { packets, bytes, span_us: u64::from(packets - 1) * limit::LOAD_BYTES * 8 * 1_000 / kbit }
    }

    /// The trains until it is over, each reported at once.
    fn play(kbit: u64) -> (Capacity, Vec<u16>) {
        let (mut capacity, mut wish) = Capacity::begin(7, PATIENCE_US, limit::TEST_US, 0);
        let mut trains = Vec::new();
        while let Wish::Train(packets) = wish {
            trains.push(packets);
            wish = capacity.handle_report(capacity.train, came(packets, kbit), 1).unwrap();
        }
        assert_eq!(wish, Wish::Over);
        (capacity, trains)
    }

    #[test]
    fn trains_grow_to_what_the_path_carries_in_their_time_and_are_no_more_than_the_limit() {
        for (kbit, grown) in [(500, 2), (1_000, 2), (10_000, 10), (100_000, 98), (1_000_000, 128), (9_000_000, 128)] {
            let (capacity, trains) = play(kbit);
            assert_eq!((trains.len(), *trains.last().unwrap()), (limit::TRAINS, grown), "{kbit}: {trains:?}");
            assert!(trains.windows(2).all(|pair| pair[1] <= 4 * pair[0]), "{trains:?}");
            let told = capacity.kbit().unwrap();
            assert!(told.abs_diff(kbit) <= kbit / 50, "{kbit}: {told}");
            assert_eq!(capacity.sent_bytes, capacity.received_bytes);
            assert!(capacity.sent_bytes < 2_000_000, "{}", capacity.sent_bytes);
        }
    }

    #[test]
    fn who_says_nothing_is_asked_as_often_as_the_limit_says() {
        let (mut capacity, first) = Capacity::begin(7, PATIENCE_US, limit::TEST_US, 0);
        let mut wishes = vec![first];
        while wishes.last() != Some(&Wish::Over) {
            wishes.extend(capacity.handle_timeout(capacity.deadline()));
        }
        assert_eq!(wishes, [Wish::Train(2), Wish::Ask, Wish::Ask, Wish::Train(2), Wish::Ask, Wish::Ask, Wish::Over]);
        assert_eq!(capacity.kbit(), None);
    }

    #[test]
    fn it_ends_with_its_time() {
        let until_us = PATIENCE_US + limit::ASK_AGAIN_US;
        assert_eq!(Capacity::begin(7, PATIENCE_US, until_us - 1, 0).1, Wish::Over);
        let (mut capacity, first) = Capacity::begin(7, PATIENCE_US, until_us, 0);
        assert_eq!((first, capacity.handle_timeout(until_us - 1)), (Wish::Train(2), None));
        assert_eq!(capacity.handle_timeout(until_us), Some(Wish::Over));
        assert_eq!(capacity.handle_report(7, came(2, 500), until_us), Ok(Wish::Over));
    }

    #[test]
    fn a_report_of_what_was_not_sent_is_none() {
        let (mut capacity, _) = Capacity::begin(7, PATIENCE_US, limit::TEST_US, 0);
        assert_eq!(capacity.handle_report(6, came(2, 500), 1), Err(Reject::NotAsked));
        assert_eq!(capacity.handle_report(7, came(3, 500), 1), Err(Reject::Impossible));
        let longer = Arrived { bytes: 2 * 1_233, ..came(2, 500) };
        assert_eq!(capacity.handle_report(7, longer, 1), Err(Reject::Impossible));
        assert_eq!(capacity.handle_report(7, came(2, 500), 1), Ok(Wish::Train(2)));
        assert_eq!(capacity.handle_report(7, came(2, 500), 1), Err(Reject::NotAsked), "it was said");
        // Nothing or one packet says nothing of the rate.
        assert_eq!(capacity.handle_report(8, Arrived::default(), 1), Ok(Wish::Train(2)));
        assert_eq!(capacity.kbit(), Some(500));
    }
}
