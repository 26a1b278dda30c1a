//! The box's clocks.

use std::io;

use patronus_clock::Correction;
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use super::sys;

/// The clock of people, in microseconds since 1970.
pub(crate) fn now_us() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000)
}

/// The clock that only runs on, in milliseconds.
pub(crate) fn uptime_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)).unwrap_or(0)
}

/// Does what was decided.
pub(crate) fn correct(correction: Correction) -> io::Result<()> {
    match correction {
        Correction::None => Ok(()),
        Correction::Slew(offset_us) => sys::slew(offset_us),
        Correction::Step(offset_us) => {
            let target_us = now_us().saturating_add(offset_us);
            let time = Timespec {
                tv_sec: target_us.div_euclid(1_000_000),
                tv_nsec: target_us.rem_euclid(1_000_000).saturating_mul(1_000),
            };
            Ok(clock_settime(ClockId::Realtime, time)?)
        }
    }
}
