//! The one place that waits for ended processes: services, and orphans, which the kernel gives to PID 1.
#![forbid(unsafe_code)]

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

/// Processes reaped in one round of the loop; the next round follows at once if there were more.
pub(super) const MAX_REAPED: usize = 256;

/// A process that is no more.
pub(super) struct Ended {
    pub(super) pid: Pid,
    /// For people, such as `killed by signal 9`.
    pub(super) how: String,
}

/// The next ended process, if there is one. Never waits.
pub(super) fn next() -> Option<Ended> {
    let (pid, status) = wait(WaitOptions::NOHANG).ok()??;
    Some(Ended { pid, how: describe(status) })
}

fn describe(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
