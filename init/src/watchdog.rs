//! The hardware's own timer that restarts a machine whose PID 1 stopped answering.
//!
//! *Does*: open the best watchdog of the machine, keep it alive, carry it from stage 1 to PID 1.
//! *Never does*: stop the timer: only a restart does.
//! *Spec*: Linux `Documentation/watchdog/watchdog-api.rst`.

use std::time::Duration;

/// How often the loop feeds it at the latest; a sixth of the time-out.
pub const FEED_EVERY: Duration = Duration::from_secs(10);

/// An open, running watchdog.
#[derive(Debug)]
pub struct Watchdog {
    /// The device's name.
    pub identity: String,
}

impl Watchdog {
    /// Starts the time-out anew.
    pub fn feed(&mut self) {}
}
