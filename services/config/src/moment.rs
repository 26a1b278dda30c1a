//! The shell's clocks and randomness, as the core wants them.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use patronus_config::Moment;
use rustix::time::{ClockId, clock_gettime};

use crate::{keeper, store::StoreError};

/// What the core may know of this moment.
pub(crate) fn now(boot_id: &str) -> Moment {
    let unix_s =
        SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    Moment {
        uptime_ms: uptime_ms(),
        unix_s: unix_s.unwrap_or_default(),
        boot_id: boot_id.to_owned(),
        entropy: entropy(),
    }
}

/// `CLOCK_BOOTTIME` in milliseconds.
pub(crate) fn uptime_ms() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let ms = time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000);
    u64::try_from(ms).unwrap_or_default()
}

/// The kernel's id of this boot. Where it cannot be read, a random one: then a restart of the service ends a trial as a reboot
/// does, which is the safe side.
pub(crate) fn boot_id() -> String {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => id.trim().to_owned(),
        Err(error) => {
            tracing::warn!(%error, "boot id unknown: a restart of this service will end a trial");
            entropy().iter().map(|byte| format!("{byte:02x}")).collect()
        }
    }
}

/// Fresh bytes from the kernel.
fn entropy() -> [u8; 32] {
    let mut bytes = [0; 32];
    match getrandom::fill(&mut bytes) {
        Ok(()) => bytes,
        Err(error) => keeper::end(&StoreError::Failed(format!("no randomness: {error}"))),
    }
}
