//! What a bad line does to frames, one direction of it.
//!
//! *Does*: decide of each frame whether and when it comes out: delay, jitter, loss, reordering, rate, silence.
//! *Never does*: read a clock or a source of randomness; hold more than [`QUEUE_MS`] of a slow line's frames.

use std::time::Duration;

/// Before each frame of a packet socket stand notes of the kernel (`struct virtio_net_hdr`), then the Ethernet header.
const VNET: usize = 10;
const ETHERNET: usize = 14;
/// A slow line holds frames for this long at most, then drops, in milliseconds.
pub const QUEUE_MS: u64 = 200;

/// How a direction of a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What each frame takes, in microseconds.
    pub delay_us: u64,
    /// What it may take longer, in microseconds, without overtaking another.
    pub jitter_us: u64,
    /// Frames of a thousand that are lost.
    pub lost: u32,
    /// Frames of a thousand that do not wait: they overtake others.
    pub reordered: u32,
    /// Kilobits in a second; 0 is as fast as the machine.
    pub rate_kbit: u64,
    /// Nothing comes out, and nobody is told.
    pub silent: bool,
    /// Longer IP packets do not come out, parts of packets neither, and nobody is told; 0 is whatever fits the devices.
    pub longest: usize,
}

impl Settings {
    /// Whether a frame, as a packet socket has it behind a virtio-net header, is too long or a part of something longer.
    #[must_use]
    pub fn is_too_narrow_for(&self, frame: &[u8]) -> bool {
        if self.longest == 0 {
            return false;
        }
        let half = |at: usize| frame.get(at..at + 2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        let is_v4 = half(VNET + 12) == 0x0800;
        let is_part = is_v4 && half(VNET + ETHERNET + 6) & 0x3fff != 0;
        let headers = if is_v4 { 20 } else { 40 } + 8;
        // Of datagrams that are cut later each is as long as the header says (in the machine's order).
        let whole = frame.len().saturating_sub(VNET + ETHERNET);
        let bytes = if frame.get(1).is_some_and(|kind| *kind != 0) {
            headers + usize::from(half(4).swap_bytes())
        } else {
            whole
        };
        is_part || bytes > self.longest
    }
}

/// One direction of a line.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// When the last bit of what was sent last is on the line, in microseconds.
    busy_until_us: u64,
    /// When the last frame comes out that did not overtake.
    last_us: u64,
}

impl Line {
    /// When a frame of so many bytes comes out; `None` if it never does. `random` decides what is chance.
    pub fn handle_frame(&mut self, settings: &Settings, bytes: usize, now_us: u64, random: u64) -> Option<u64> {
        let [dice, overtaking, jitter] = [random & 0xffff, random >> 16 & 0xffff, random >> 32];
        if settings.silent || dice % 1_000 < u64::from(settings.lost) {
            return None;
        }
        let sent_us = self.transmit(settings.rate_kbit, bytes, now_us)?;
        if overtaking % 1_000 < u64::from(settings.reordered) {
            return Some(sent_us);
        }
        let out_us = sent_us + settings.delay_us + jitter % (settings.jitter_us + 1);
        self.last_us = self.last_us.max(out_us);
        Some(self.last_us)
    }

    fn transmit(&mut self, rate_kbit: u64, bytes: usize, now_us: u64) -> Option<u64> {
        if rate_kbit == 0 {
            return Some(now_us);
        }
        let begins_us = self.busy_until_us.max(now_us);
        if begins_us - now_us > Duration::from_millis(QUEUE_MS).as_micros() as u64 {
            return None;
        }
        self.busy_until_us = begins_us + bytes as u64 * 8 * 1_000 / rate_kbit;
        Some(self.busy_until_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Settings =
        Settings { delay_us: 40_000, jitter_us: 0, lost: 0, reordered: 0, rate_kbit: 0, silent: false, longest: 0 };

    /// SplitMix64.
    fn random(n: u64) -> u64 {
        let z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    }

    #[test]
    fn a_good_line_takes_its_time_and_a_silent_one_for_ever() {
        let mut line = Line::default();
        assert_eq!(line.handle_frame(&DELAY, 1_500, 5, 0), Some(40_005));
        assert_eq!(line.handle_frame(&Settings { silent: true, ..DELAY }, 1_500, 6, 0), None);
    }

    #[test]
    fn jitter_is_within_its_bounds_and_nothing_overtakes() {
        let settings = Settings { jitter_us: 10_000, ..DELAY };
        let mut line = Line::default();
        let out: Vec<u64> =
            (0..10_000).map(|n| line.handle_frame(&settings, 100, n * 1_000, random(n)).unwrap() - n * 1_000).collect();
        assert!(out.iter().all(|took| (40_000..=50_000).contains(took)));
        assert!(out.iter().any(|took| *took < 42_000) && out.iter().any(|took| *took > 48_000));
    }

    #[test]
    fn a_narrow_line_takes_short_packets_and_no_parts() {
        let narrow = Settings { longest: 1280, ..Settings::default() };
        let frame = |bytes: usize, segment: u16, flags: u8| {
            let mut frame = vec![0; VNET + ETHERNET + bytes];
            (frame[1], frame[VNET + 12], frame[VNET + ETHERNET + 6]) = (u8::from(segment > 0), 8, flags);
            frame[4..6].copy_from_slice(&segment.to_le_bytes());
            frame
        };
        assert!(!narrow.is_too_narrow_for(&frame(1280, 0, 0x40)) && narrow.is_too_narrow_for(&frame(1281, 0, 0x40)));
        assert!(!narrow.is_too_narrow_for(&frame(9000, 1252, 0)) && narrow.is_too_narrow_for(&frame(9000, 1253, 0)));
        assert!(
            narrow.is_too_narrow_for(&frame(600, 0, 0x20))
                && !Settings::default().is_too_narrow_for(&frame(9000, 0, 0x20))
        );
    }

    #[test]
    fn loss_and_overtaking_are_as_often_as_asked() {
        let settings = Settings { lost: 100, reordered: 50, ..DELAY };
        let mut line = Line::default();
        let out: Vec<_> = (0..100_000).map(|n| line.handle_frame(&settings, 100, n, random(n))).collect();
        let lost = out.iter().filter(|out| out.is_none()).count();
        let early = (0..).zip(&out).filter(|(n, out)| **out == Some(*n)).count();
        assert!((9_000..11_000).contains(&lost), "{lost}");
        assert!((4_000..5_000).contains(&early), "{early}");
    }

    #[test]
    fn a_slow_line_takes_as_much_as_it_can_and_holds_no_more_than_its_queue() {
        let settings = Settings { rate_kbit: 10_000, ..Settings::default() };
        let mut line = Line::default();
        // 10 Mbit/s are 1,250 bytes in a millisecond; 20 are offered in each for a second.
        let out: Vec<u64> = (0..20_000).filter_map(|n| line.handle_frame(&settings, 1_250, n * 50, 0)).collect();
        assert!((1_190..=1_210).contains(&out.len()), "{}", out.len());
        assert!(*out.last().unwrap() <= 1_000_000 + QUEUE_MS * 1_000 + 1_000);
    }
}
