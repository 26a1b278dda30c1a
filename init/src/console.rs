//! What people in front of the machine see: screen and serial line.
//!
//! *Does*: write lines of progress and the status block to both devices, as far as they are there.
//! *Never does*: block on a device that nobody reads, read what is typed.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Console".

mod block;

pub use block::Identity;

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    time::Duration,
};

use patronus_ipc::init::ConsoleFacts;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

/// The screen first. `/dev/console` would be only the last one that the command line names.
const DEVICES: [&str; 2] = ["/dev/tty0", "/dev/ttyS0"];
/// How long one write may wait for a slow line; what does not fit is lost.
const WRITE_WAIT: Duration = Duration::from_millis(500);

/// Screen and serial line. The default has neither.
#[derive(Debug, Default)]
pub struct Console {
    devices: Vec<File>,
    identity: Identity,
    shown: Option<ConsoleFacts>,
}

impl Console {
    /// Opens what is there.
    #[must_use]
    pub fn open() -> Self {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let open = |path| OpenOptions::new().write(true).custom_flags(flags.cast_signed()).open(path).ok();
        let devices = DEVICES.into_iter().filter_map(open).collect();
        Self { devices, identity: Identity::default(), shown: None }
    }

    /// What the status block says of the machine itself.
    pub fn set_identity(&mut self, identity: Identity) {
        self.identity = identity;
    }

    /// Writes one line of progress.
    pub fn line(&mut self, text: &str) {
        self.write(&format!("patronus: {}\n", printable(text)));
    }

    /// Shows the status block with these facts of `web`, if they differ from what was shown last.
    pub fn show(&mut self, facts: &ConsoleFacts) {
        if self.shown.as_ref() != Some(facts) {
            self.write(&block::render(&self.identity, facts));
            self.shown = Some(facts.clone());
        }
    }

    fn write(&mut self, text: &str) {
        for device in &mut self.devices {
            write(device, text.as_bytes());
        }
    }
}

/// Control characters would let a text take over the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}

fn write(device: &mut File, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match device.write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && drains(device) => {}
            Err(_) => return,
        }
    }
}

fn drains(device: &File) -> bool {
    let wait = Timespec { tv_sec: 0, tv_nsec: WRITE_WAIT.subsec_nanos().into() };
    poll(&mut [PollFd::new(device, PollFlags::OUT)], Some(&wait)).is_ok_and(|ready| ready > 0)
}
