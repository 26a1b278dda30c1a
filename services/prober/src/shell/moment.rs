//! The shell's clocks.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// `CLOCK_BOOTTIME` in microseconds.
pub(crate) fn now_us() -> u64 {
    micros(clock_gettime(ClockId::Boottime))
}

/// Seconds since 1970, as far as `clock` knows them.
pub(crate) fn unix_s() -> u64 {
    u64::try_from(clock_gettime(ClockId::Realtime).tv_sec).unwrap_or_default()
}

/// How long ago something was stamped by the kernel with the time of day.
pub(crate) fn ago_us(stamped_us: u64) -> u64 {
    micros(clock_gettime(ClockId::Realtime)).saturating_sub(stamped_us)
}

fn micros(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)).unwrap_or_default()
}
