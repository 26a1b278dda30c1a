//! The shell's clocks and randomness, as the core wants them.

use std::io;

use patronus_ipc::{ServiceError, clock};
use patronus_mesh::{Now, Wallclock};
use rustix::time::{ClockId, clock_gettime};

use super::Fatal;

/// This moment. The time of day is known once `clock` says so; until then there is the bound that it never goes below.
pub(crate) fn now(clock: Option<&clock::State>) -> Now {
    let unix_s = u64::try_from(clock_gettime(ClockId::Realtime).tv_sec).unwrap_or_default();
    let clock = match clock {
        Some(state) if state.synchronised => Wallclock::Known(unix_s),
        Some(state) => Wallclock::AtLeast(u64::try_from(state.floor_unix_s).unwrap_or_default()),
        None => Wallclock::AtLeast(0),
    };
    Now { ms: uptime_ms(), clock }
}

/// `CLOCK_BOOTTIME` in milliseconds.
pub(crate) fn uptime_ms() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let ms = time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000);
    u64::try_from(ms).unwrap_or_default()
}

/// Fresh bytes from the kernel.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fatal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ServiceError::Io("randomness", io::Error::other(error)))?;
    Ok(bytes)
}
