//! How long a packet of one path may be without being cut on its way, found by trying.
//!
//! *Does*: say which lengths to try and when, learn from what came, name the longest packet that passes.
//! *Never does*: believe routers, who may say nothing or anything; hold a long packet that was lost by chance against its length: beside
//! each repetition goes a short one, and it counts only if that came.
//! *Spec*: RFC 8899 (datagram packetization layer path MTU discovery), `docs/tunnel.md`, section "Path MTU".

use std::time::Duration;

use crate::limit;

/// The discovery of one path. Lengths are those of inner packets, multiples of [`limit::PADDING_BYTES`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PathMtu {
    /// What the link here carries uncut.
    ceiling: usize,
    /// The longest that came; [`limit::BASE_BYTES`] before one did.
    confirmed: usize,
    /// The shortest that did not.
    refused: Option<usize>,
    /// What packets keep to; without it, to what the link here carries.
    narrow: Option<usize>,
    asked: Option<Asked>,
    /// When the search ended, and whether long packets went since.
    ended_at: Option<Duration>,
    is_used: bool,
    raised_at: Duration,
}

/// A length that is being tried.
#[derive(Clone, Copy, Debug)]
struct Asked {
    bytes: usize,
    at: Duration,
    pause: Duration,
    /// How often it did not come and the short one beside it did.
    in_vain: u32,
    short: Short,
}

/// The short packet beside a long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Short {
    NotSent,
    Sent,
    Came,
}

impl PathMtu {
    /// The longest packet that is to be sent; `None` while nothing is known, not even the link here.
    pub(crate) fn longest(&self) -> Option<usize> {
        self.narrow.or((self.ceiling > 0).then_some(self.ceiling))
    }

    /// A packet of this length was sent: the path is worth a look now and then.
    pub(crate) fn handle_sent(&mut self, bytes: usize) {
        self.is_used |= bytes >= limit::BASE_BYTES;
    }

    /// Lengths to send now, the second one only beside a repetition.
    pub(crate) fn handle_timeout(&mut self, now: Duration, ceiling: usize) -> [Option<usize>; 2] {
        if ceiling != self.ceiling {
            *self = Self { ceiling, confirmed: limit::BASE_BYTES.min(ceiling), raised_at: now, ..Self::default() };
        }
        match self.asked {
            Some(asked) if now.saturating_sub(asked.at) < asked.pause => [None; 2],
            Some(asked) => self.ask_again(now, asked),
            None => [self.begin(now), None],
        }
    }

    /// What a packet of this length came over, says the far end.
    pub(crate) fn handle_answer(&mut self, now: Duration, bytes: usize) {
        let Some(asked) = &mut self.asked else { return };
        if bytes == asked.bytes {
            self.confirmed = bytes;
            self.narrow = self.narrow.filter(|_| bytes < self.ceiling).map(|_| bytes);
            self.end_of(now);
        } else if bytes == limit::BASE_BYTES && asked.short == Short::Sent {
            (asked.short, asked.pause) = (Short::Came, limit::LENGTH_ANSWER);
        }
    }

    fn ask_again(&mut self, now: Duration, asked: Asked) -> [Option<usize>; 2] {
        let in_vain = asked.in_vain + u32::from(asked.short == Short::Came);
        if in_vain >= limit::LENGTH_IN_VAIN {
            if asked.bytes <= self.confirmed {
                // It passed once: the way has changed.
                self.confirmed = limit::BASE_BYTES;
            }
            self.refused = Some(asked.bytes);
            self.narrow = Some(self.confirmed);
            self.end_of(now);
            return [self.begin(now), None];
        }
        // Nothing comes: the path is down, or its far end knows no notes. That is not to cost anything.
        let is_silent = asked.short == Short::Sent;
        let pause = if is_silent { (asked.pause * 2).min(limit::LENGTH_RAISE) } else { limit::LENGTH_ANSWER };
        self.asked = Some(Asked { at: now, pause, in_vain, short: Short::Sent, ..asked });
        [Some(asked.bytes), Some(limit::BASE_BYTES)]
    }

    /// One length is decided; `begin` knows whether there is another.
    fn end_of(&mut self, now: Duration) {
        self.asked = None;
        if self.between().is_none() {
            (self.ended_at, self.is_used) = (Some(now), false);
        } else {
            self.ended_at = None;
        }
    }

    /// The next length: of an open search the middle, of one that ended what is to be looked at again.
    fn begin(&mut self, now: Duration) -> Option<usize> {
        let bytes = match self.ended_at {
            None => self.between()?,
            Some(at) if self.is_used && now.saturating_sub(at) >= limit::LENGTH_EVERY => self.look_again(now),
            Some(_) => return None,
        };
        let (pause, short) = (limit::LENGTH_ANSWER, Short::NotSent);
        self.asked = Some(Asked { bytes, at: now, pause, in_vain: 0, short });
        Some(bytes)
    }

    /// Whether what passed still does; and now and then, whether more does.
    fn look_again(&mut self, now: Duration) -> usize {
        if self.refused.is_some() && now.saturating_sub(self.raised_at) >= limit::LENGTH_RAISE {
            (self.raised_at, self.refused) = (now, None);
            return self.ceiling;
        }
        self.confirmed
    }

    /// A length between what passes and what does not; `None` when there is none.
    fn between(&self) -> Option<usize> {
        let next = match self.refused {
            None => self.ceiling,
            Some(refused) => usize::midpoint(self.confirmed, refused) / limit::PADDING_BYTES * limit::PADDING_BYTES,
        };
        (next > self.confirmed).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CEILING: usize = 1440;

    /// A line, and how it fares with a discovery.
    struct Line {
        mtu: PathMtu,
        now: Duration,
        passes: usize,
        sent: usize,
    }

    impl Line {
        fn new(passes: usize) -> Self {
            Self { mtu: PathMtu::default(), now: Duration::ZERO, passes, sent: 0 }
        }

        /// Ticks for so long; `is_lost` decides of each packet. Answers come with the next tick.
        fn run(&mut self, seconds: u64, mut is_lost: impl FnMut() -> bool) {
            for _ in 0..seconds * 4 {
                let asked = self.mtu.handle_timeout(self.now, CEILING);
                self.now += limit::TICK;
                for bytes in asked.into_iter().flatten() {
                    self.sent += 1;
                    if bytes <= self.passes && !is_lost() {
                        self.mtu.handle_answer(self.now, bytes);
                    }
                }
            }
        }

        /// A bulk transfer while it ticks.
        fn carry(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.mtu.handle_sent(limit::BASE_BYTES);
                self.run(1, || false);
            }
        }
    }

    #[test]
    fn an_ordinary_line_takes_one_packet_and_then_nothing_while_nobody_uses_it() {
        let mut line = Line::new(CEILING);
        line.run(3600, || false);
        assert_eq!((line.mtu.longest(), line.sent), (Some(CEILING), 1));
    }

    #[test]
    fn a_line_that_becomes_narrow_is_found_out_while_it_is_used_and_one_that_becomes_wide_again_too() {
        let mut line = Line::new(CEILING);
        line.carry(60);
        line.passes = 1390;
        line.carry(30);
        assert_eq!(line.mtu.longest(), Some(1376));
        line.passes = 1300;
        line.carry(30);
        assert_eq!(line.mtu.longest(), Some(1296));
        line.passes = CEILING;
        line.carry(limit::LENGTH_RAISE.as_secs() + 60);
        assert_eq!(line.mtu.longest(), Some(CEILING));
    }

    #[test]
    fn a_dead_line_says_nothing_of_lengths_and_is_asked_ever_more_seldom() {
        let mut line = Line::new(0);
        line.run(3600, || false);
        assert_eq!(line.mtu.longest(), Some(CEILING));
        assert!(line.sent < 40, "{}", line.sent);
        line.passes = 1400;
        line.run(660, || false);
        assert_eq!(line.mtu.longest(), Some(1392));
    }

    #[test]
    fn a_link_that_changes_is_looked_at_anew() {
        let mut line = Line::new(1300);
        line.run(30, || false);
        assert_eq!(line.mtu.longest(), Some(1296));
        line.mtu.handle_timeout(line.now, 1408);
        assert_eq!(line.mtu.longest(), Some(1408));
        line.mtu.handle_timeout(line.now, 0);
        assert_eq!(line.mtu.longest(), None);
    }

    #[test]
    fn what_was_not_asked_is_not_believed() {
        let mut line = Line::new(1300);
        line.mtu.handle_timeout(Duration::ZERO, CEILING);
        line.mtu.handle_answer(Duration::ZERO, 9000);
        line.run(30, || false);
        line.mtu.handle_answer(line.now, CEILING);
        assert_eq!(line.mtu.longest(), Some(1296));
    }

    proptest! {
        #[test]
        fn each_line_is_known_after_ten_seconds(passes in limit::BASE_BYTES..=CEILING) {
            let mut line = Line::new(passes);
            line.run(10, || false);
            prop_assert_eq!(line.mtu.longest(), Some(passes / 16 * 16));
            prop_assert!(line.sent < 60);
        }
    }

    /// Chance could have it otherwise about once in a million looks; these are the same in every run.
    #[test]
    fn loss_is_not_length() {
        for seed in 1..=50_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            // One of ten packets or answers is lost.
            let mut lost = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % 10 == 0
            };
            let mut line = Line::new(CEILING);
            for _ in 0..600 {
                line.mtu.handle_sent(limit::BASE_BYTES);
                line.run(1, &mut lost);
                assert_eq!(line.mtu.longest(), Some(CEILING), "seed {seed}");
            }
            assert!(line.sent > 300, "it was looked at again and again");
        }
    }
}
