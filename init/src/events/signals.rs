//! Signals to PID 1, as something that can be polled.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};

use crate::shutdown::End;

/// Signals taken in one round of the loop.
const MAX_READS: usize = 16;

/// Blocked signals, waiting to be read. `None` if the kernel has no descriptor left, which it has at this time.
pub(super) struct Signals(Option<SignalFd>);

impl Signals {
    /// Blocks all signals that can be blocked: before the first child is made, so that none is lost.
    pub(super) fn block() -> Self {
        let mask = SigSet::all();
        let _ = mask.thread_block();
        Self(SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).ok())
    }

    pub(super) fn interest(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// Takes what has come. The end of a child needs no mark: the loop looks for ended children in every round.
    pub(super) fn read(&mut self) -> Option<End> {
        let signals = self.0.as_ref()?;
        let mut end = None;
        for _ in 0..MAX_READS {
            let Ok(Some(signal)) = signals.read_signal() else { break };
            end = end.or(meaning(signal.ssi_signo));
        }
        end
    }
}

/// SIGINT is Ctrl-Alt-Del, SIGPWR a power supply that runs out; SIGTERM and SIGUSR2 are what tools of other systems send.
fn meaning(number: u32) -> Option<End> {
    match Signal::try_from(i32::try_from(number).ok()?).ok()? {
        Signal::SIGINT | Signal::SIGTERM => Some(End::Reboot),
        Signal::SIGPWR | Signal::SIGUSR2 => Some(End::PowerOff),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_alt_del_restarts_and_a_failing_power_supply_switches_off() {
        assert_eq!(meaning(libc::SIGINT as u32), Some(End::Reboot));
        assert_eq!(meaning(libc::SIGPWR as u32), Some(End::PowerOff));
        assert_eq!(meaning(libc::SIGCHLD as u32), None);
        assert_eq!(meaning(64), None);
    }
}
