//! Random moments within a span, from a seed that is shown, so that a failure can be tried again.

use std::{
    env, fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Sets the seed to that of a failure.
const SEED: &str = "PATRONUS_SEED";

pub struct Moments {
    seed: u64,
    state: u64,
    span: Duration,
}

impl Moments {
    pub fn within(span: Duration) -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_secs());
        let seed = env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
        Self { seed, state: seed, span }
    }

    /// The next one, evenly spread (splitmix64).
    pub fn next(&mut self) -> Duration {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.span.mul_f64((mixed ^ mixed >> 31) as f64 / u64::MAX as f64)
    }
}

impl fmt::Display for Moments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SEED}={} within {} ms", self.seed, self.span.as_millis())
    }
}
