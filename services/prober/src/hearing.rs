//! What one end of a path hears of the other.
//!
//! *Does*: count what came of what was sent, what came late, and how unevenly: of one run of the sender; a new run begins anew.
//! *Spec*: RFC 3550 section 6.4.1 (interarrival jitter); RFC 4737 section 3 (reordering).

use crate::packet::{Heard, Packet};

/// Packets of the other end so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hearing {
    run: u32,
    first: u64,
    highest: u64,
    count: u64,
    /// Difference of the two clocks plus the time on the way, of the last packet.
    transit_us: i128,
    jitter_us: f64,
}

/// What one packet has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Packets that were sent since the highest one before, with this one.
    pub(crate) sent: u64,
    /// Those of them that have not come (yet).
    pub(crate) lost: u64,
    /// It was sent before one that has come.
    pub(crate) reordered: bool,
}

impl Hearing {
    /// The first packet of a run.
    #[must_use]
    pub(crate) fn begin(packet: &Packet, received_us: u64) -> Self {
        Self {
            run: packet.run,
            first: packet.sequence,
            highest: packet.sequence,
            count: 1,
            transit_us: transit(packet, received_us),
            jitter_us: 0.0,
        }
    }

    /// A further packet; `None` if it is of another run.
    pub(crate) fn handle(&mut self, packet: &Packet, received_us: u64) -> Option<Shown> {
        if packet.run != self.run {
            return None;
        }
        let transit_us = transit(packet, received_us);
        let difference = transit_us.abs_diff(self.transit_us) as f64;
        self.jitter_us += (difference - self.jitter_us) / 16.0;
        self.transit_us = transit_us;
        if packet.sequence <= self.highest {
            // One that was counted as lost; or of before the first, of which nothing was counted.
            self.count += u64::from(packet.sequence > self.first);
            return Some(Shown { reordered: true, ..Shown::default() });
        }
        let sent = packet.sequence - self.highest;
        self.highest = packet.sequence;
        self.count += 1;
        Some(Shown { sent, lost: sent - 1, reordered: false })
    }

    /// As it is told to the other end: from the first packet on, as if there had been none before.
    #[must_use]
    pub(crate) fn heard(&self) -> Heard {
        Heard { run: self.run, highest: self.highest, count: self.count.min(self.highest) }
    }

    /// Interarrival jitter.
    #[must_use]
    pub(crate) fn jitter_us(&self) -> u32 {
        self.jitter_us as u32
    }
}

fn transit(packet: &Packet, received_us: u64) -> i128 {
    i128::from(received_us) - i128::from(packet.sent_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(run: u32, sequence: u64, sent_us: u64) -> Packet {
        Packet { run, sequence, sent_us, interval_ms: 0, heard: None, answers: None }
    }

    #[test]
    fn gaps_are_losses_and_what_comes_later_is_reordered() {
        let mut hearing = Hearing::begin(&packet(1, 10, 0), 0);
        assert_eq!(hearing.handle(&packet(1, 11, 0), 0), Some(Shown { sent: 1, lost: 0, reordered: false }));
        assert_eq!(hearing.handle(&packet(1, 15, 0), 0), Some(Shown { sent: 4, lost: 3, reordered: false }));
        assert_eq!(hearing.handle(&packet(1, 13, 0), 0), Some(Shown { sent: 0, lost: 0, reordered: true }));
        assert_eq!(hearing.heard(), Heard { run: 1, highest: 15, count: 4 });
        assert_eq!(hearing.handle(&packet(2, 1, 0), 0), None);
    }

    #[test]
    fn jitter_is_that_of_the_way_and_not_of_the_sender() {
        let mut steady = Hearing::begin(&packet(1, 1, 1_000_000), 0);
        // Sent at odd times, each on the way for as long.
        for (sequence, sent_us) in (2..).zip([1_003_000, 1_040_000, 1_041_000]) {
            steady.handle(&packet(1, sequence, sent_us), sent_us - 1_000_000);
        }
        assert_eq!(steady.jitter_us(), 0);
        let mut uneven = Hearing::begin(&packet(1, 1, 0), 0);
        for sequence in 2..1_000 {
            let sent_us = sequence * 20_000;
            uneven.handle(&packet(1, sequence, sent_us), sent_us + if sequence % 2 == 0 { 5_000 } else { 1_000 });
        }
        assert!((3_990..=4_000).contains(&uneven.jitter_us()), "{}", uneven.jitter_us());
    }
}
