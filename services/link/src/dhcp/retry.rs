//! When to ask again, with the randomness that was given at the start.
//!
//! *Spec*: RFC 2131 section 4.1: 4 s, doubled each time up to 64 s, each time plus or minus up to a second.

/// RFC 2131 section 4.1.
const FIRST_MS: u64 = 4_000;
/// RFC 2131 section 4.1.
const LONGEST_MS: u64 = 64_000;
/// From the first to the longest pause.
const DOUBLINGS: u32 = 4;
/// RFC 2131 section 4.1: uniform from -1 s to +1 s.
const JITTER_MS: u64 = 1_000;

/// A stream of numbers from a seed (SplitMix64): enough for jitter and transaction numbers, not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }
}

/// The pause after the attempt with this number, counted from 0.
pub(crate) fn pause_ms(attempt: u32, random: &mut Random) -> u64 {
    let pause = (FIRST_MS << attempt.min(DOUBLINGS)).min(LONGEST_MS);
    pause.saturating_sub(JITTER_MS).saturating_add(random.below(2 * JITTER_MS + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_four_to_sixty_four_seconds_with_a_second_of_jitter() {
        let mut random = Random(1);
        for (attempt, middle_ms) in [(0, 4_000), (1, 8_000), (4, 64_000), (5, 64_000), (63, 64_000), (64, 64_000)] {
            for _ in 0..1_000 {
                let pause = pause_ms(attempt, &mut random);
                assert!(pause.abs_diff(middle_ms) <= 1_000, "attempt {attempt}: {pause}");
            }
        }
    }
}
