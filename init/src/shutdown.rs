//! The end: unmount, and hand the machine back to its firmware.
//!
//! *Does*: unmount what holds data, flush, restart or switch off; the same after a panic.
//! *Never does*: wait longer than a step's deadline: a disk that does not answer must not keep the machine.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use std::{panic, process::ExitCode, sync::mpsc, thread, time::Duration};

use rustix::{
    io::Errno,
    mount::{UnmountFlags, unmount},
    system::{RebootCommand, reboot},
};

use crate::{console::Console, data};

/// What becomes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Start again through the firmware.
    Reboot,
    /// Switch off.
    PowerOff,
}

/// A journal of the largest size on a slow stick takes a few seconds.
const STEP_DEADLINE: Duration = Duration::from_secs(10);
/// Files of processes that are just ending keep a mount busy for a moment.
const BUSY_WAIT: Duration = Duration::from_millis(50);
/// Times a busy mount is tried again.
const BUSY_TRIES: u32 = 40;
/// Long enough to read a panic on a screen.
const PANIC_SHOWN: Duration = Duration::from_secs(5);

/// Makes every panic a message and a restart, also where a panic aborts.
pub fn restart_on_panic() {
    panic::set_hook(Box::new(|panic| {
        Console::open().line(&format!("init failed: {panic}"));
        within_deadline(rustix::fs::sync);
        thread::sleep(PANIC_SHOWN);
        restart()
    }));
}

/// Unmounts everything, each step with a deadline, and ends the machine. Returns only if the kernel refuses to end.
#[must_use]
pub fn finish(end: End) -> ExitCode {
    let mut console = Console::open();
    match within_deadline(unmount_data) {
        Some(Ok(())) => console.line("data unmounted"),
        Some(Err(error)) => console.line(&format!("data not unmounted: {error}")),
        None => console.line("data not unmounted: the disk does not answer"),
    }
    within_deadline(rustix::fs::sync);
    match end {
        End::Reboot => {
            console.line("restarting");
            restart()
        }
        End::PowerOff => {
            console.line("switching off");
            let _ = reboot(RebootCommand::PowerOff);
            // A machine that cannot switch itself off at least starts again.
            restart()
        }
    }
}

/// Restarts the machine at once.
pub fn restart() -> ! {
    let _ = reboot(RebootCommand::Restart);
    // The kernel refuses PID 1 nothing here; if it did, ending makes it panic, which restarts too.
    std::process::abort()
}

fn unmount_data() -> rustix::io::Result<()> {
    for _ in 0..BUSY_TRIES {
        match unmount(data::MOUNT_POINT, UnmountFlags::empty()) {
            Err(Errno::BUSY) => thread::sleep(BUSY_WAIT),
            Err(Errno::INVAL) => return Ok(()),
            other => return other,
        }
    }
    // Whoever still holds a file keeps the mount, but the medium is left clean.
    rustix::mount::mount_remount(data::MOUNT_POINT, rustix::mount::MountFlags::RDONLY, c"")?;
    unmount(data::MOUNT_POINT, UnmountFlags::DETACH)
}

/// Runs `step` on a thread of its own, and leaves it behind when it takes too long.
fn within_deadline<T: Send + 'static>(step: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(step()));
    wait.recv_timeout(STEP_DEADLINE).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_ends_gives_its_result() {
        assert_eq!(within_deadline(|| 5), Some(5));
    }
}
