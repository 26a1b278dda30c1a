//! The kernel's messages.
//!
//! *Spec*: Linux `Documentation/ABI/testing/dev-kmsg`.
#![forbid(unsafe_code)]

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::OpenOptionsExt,
    },
};

use super::journal::Journal;
use crate::logs::KERNEL;

/// Records taken in one round of the loop.
const MAX_READS: usize = 64;
/// Largest record that the kernel gives.
const RECORD_BYTES: usize = 8192;

/// `/dev/kmsg`, if it can be opened. The kernel shows its messages on the console by itself.
pub(super) struct KernelLog(Option<File>);

impl KernelLog {
    pub(super) fn open() -> Self {
        Self(OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg").ok())
    }

    pub(super) fn interest(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn read(&mut self, journal: &mut Journal) {
        let Some(file) = &mut self.0 else { return };
        let mut record = [0; RECORD_BYTES];
        for _ in 0..MAX_READS {
            match file.read(&mut record) {
                Ok(0) => return self.0 = None,
                Ok(count) => {
                    if let Some((uptime_ms, text)) = record.get(..count).and_then(parse) {
                        journal.logs.handle_line(uptime_ms, KERNEL, &text);
                    }
                }
                // Records were overwritten before they were read: the next read goes on behind the gap.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(_) => return,
            }
        }
    }
}

/// `priority,sequence,microseconds,flags;text`, then lines of key and value that begin with a space.
fn parse(record: &[u8]) -> Option<(u64, String)> {
    let record = String::from_utf8_lossy(record);
    let (prefix, text) = record.split_once(';')?;
    let microseconds: u64 = prefix.split(',').nth(2)?.parse().ok()?;
    Some((microseconds / 1_000, text.lines().next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_its_time_and_its_first_line() {
        let record = b"6,339,5140900,-,caller=T1;NET: Registered protocol family 10\n SUBSYSTEM=net\n";
        assert_eq!(parse(record), Some((5_140, "NET: Registered protocol family 10".to_owned())));
        assert_eq!(parse(b"noise"), None);
    }
}
