//! The hardware's own timer that restarts a machine whose PID 1 stopped answering.
//!
//! *Does*: open the best watchdog of the machine, keep it alive, carry it from stage 1 to PID 1.
//! *Never does*: stop the timer: only a restart does.
//! *Spec*: Linux `Documentation/watchdog/watchdog-api.rst`.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::Write,
    os::fd::{AsFd, AsRawFd},
    path::Path,
    time::Duration,
};

use rustix::io::FdFlags;

use crate::sys;

/// How often the loop feeds it at the latest; a sixth of the time-out.
pub const FEED_EVERY: Duration = Duration::from_secs(10);
/// Long enough for a slow disk's journal, short enough for a person who waits.
const TIMEOUT_S: u32 = 60;
const CLASS: &str = "/sys/class/watchdog";
/// Name of the kernel's own timer, which a kernel that hangs does not run: used only if there is nothing better.
const SOFTWARE: &str = "Software Watchdog";
/// Tells PID 1 which descriptor stage 1 left open.
const VARIABLE: &str = "PATRONUS_WATCHDOG_FD";

/// An open, running watchdog.
#[derive(Debug)]
pub struct Watchdog {
    /// The device's name.
    pub identity: String,
    file: File,
}

impl Watchdog {
    /// Starts the best watchdog of the machine, hardware before software; `None` if there is none.
    #[must_use]
    pub fn open() -> Option<Self> {
        let mut found: Vec<_> = fs::read_dir(CLASS)
            .ok()?
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let identity = fs::read_to_string(entry.path().join("identity")).ok()?.trim().to_owned();
                Some((identity == SOFTWARE, entry.file_name(), identity))
            })
            .collect();
        found.sort();
        found.into_iter().find_map(|(_, name, identity)| {
            let file = OpenOptions::new().write(true).open(Path::new("/dev").join(name)).ok()?;
            // A driver with a fixed time-out refuses; opening has started it all the same.
            let _ = sys::boot::set_watchdog_timeout(&file, TIMEOUT_S);
            Some(Self { identity, file })
        })
    }

    /// The watchdog that stage 1 left open, else a new one.
    #[must_use]
    pub fn inherit() -> Option<Self> {
        let inherited = env::var(VARIABLE).ok().and_then(|text| {
            let (number, identity) = text.split_once(':')?;
            let file = File::from(sys::boot::adopt(number.parse().ok()?)?);
            rustix::io::fcntl_setfd(&file, FdFlags::CLOEXEC).ok()?;
            Some(Self { identity: identity.to_owned(), file })
        });
        inherited.or_else(Self::open)
    }

    /// Leaves the descriptor open over the next `exec`; gives the variable to set for it.
    #[must_use]
    pub fn hand_over(self) -> Option<(&'static str, String)> {
        rustix::io::fcntl_setfd(self.file.as_fd(), FdFlags::empty()).ok()?;
        let value = format!("{}:{}", self.file.as_raw_fd(), self.identity);
        // Closing it would make the driver complain that nobody feeds it any more.
        std::mem::forget(self);
        Some((VARIABLE, value))
    }

    /// Starts the time-out anew.
    pub fn feed(&mut self) {
        // Any byte but `V` counts as food. If it fails, the hardware does what it is there for.
        let _ = self.file.write(b".");
    }
}
