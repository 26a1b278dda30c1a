//! The pipes of a service's process: what it writes, that it is ready, why it did not start.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::Pid;

use super::journal::Journal;
use crate::{logs::LineCutter, spawn};

const READ_BYTES: usize = 4096;

/// A running service.
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    output: Source,
    ready: Source,
    failure: Source,
    cutter: LineCutter,
}

impl Process {
    pub(super) fn new(child: spawn::Child) -> Self {
        Self {
            pid: child.pid,
            pidfd: child.pidfd,
            output: Source(Some(child.output)),
            ready: Source(Some(child.ready)),
            failure: Source(Some(child.failure)),
            cutter: LineCutter::default(),
        }
    }

    /// What to poll for; its output only if there is room for it.
    pub(super) fn interests(&self, with_output: bool) -> impl Iterator<Item = BorrowedFd<'_>> {
        let output = Some(&self.output).filter(|_| with_output);
        let sources = output.into_iter().chain([&self.ready, &self.failure]);
        sources.filter_map(|source| source.0.as_ref().map(AsFd::as_fd))
    }

    /// Whether it has just said so. It says so once.
    pub(super) fn says_ready(&mut self) -> bool {
        let said = self.ready.read(&mut [0; 1]).is_some();
        if said {
            self.ready = Source(None);
        }
        said
    }

    /// Takes what it wrote, so many reads of it at most.
    pub(super) fn read_output(&mut self, now_ms: u64, name: &str, journal: &mut Journal, reads: usize) {
        let mut bytes = [0; READ_BYTES];
        for _ in 0..reads {
            let Some(read) = self.output.read(&mut bytes) else { return };
            for line in self.cutter.handle_bytes(read) {
                journal.handle_service_line(now_ms, name, &line);
            }
        }
    }

    /// Takes what it wrote last without a line end.
    pub(super) fn end_output(&mut self, now_ms: u64, name: &str, journal: &mut Journal) {
        if let Some(rest) = self.cutter.take_rest() {
            journal.handle_service_line(now_ms, name, &rest);
        }
    }

    /// Takes the word of a child that did not get to its program.
    pub(super) fn read_failure(&mut self, now_ms: u64, name: &str, journal: &mut Journal) {
        let mut bytes = [0; 5];
        let Some(read) = self.failure.read(&mut bytes) else { return };
        if let Some((step, error)) = read.try_into().ok().and_then(spawn::read_failure) {
            journal.say(now_ms, &format!("{name} cannot start: {step}: {error}"));
        }
    }
}

/// The reading end of a pipe, until the other end is closed.
struct Source(Option<OwnedFd>);

impl Source {
    /// What has come, if anything. Never waits.
    fn read<'a>(&mut self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        match rustix::io::read(self.0.as_ref()?, &mut *buffer) {
            Ok(0) => {
                self.0 = None;
                None
            }
            Ok(count) => buffer.get(..count),
            Err(_) => None,
        }
    }
}
