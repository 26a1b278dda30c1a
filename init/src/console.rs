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
    time::{Duration, Instant},
};

use patronus_ipc::init::ConsoleFacts;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

/// The screen first. `/dev/console` would be only the last one that the command line names.
const DEVICES: [&str; 2] = ["/dev/tty0", "/dev/ttyS0"];
/// How long one text may wait for a slow line in all; what does not fit is lost.
const WRITE_WAIT: Duration = Duration::from_millis(1_500);
/// The status block is drawn this often at most: the block of the largest facts takes a serial line half a second.
const DRAW_EVERY_MS: u64 = 2_000;

/// Screen and serial line. The default has neither.
#[derive(Debug, Default)]
pub struct Console {
    devices: Vec<Device>,
    identity: Identity,
    shown: Option<ConsoleFacts>,
    /// Facts that are to be drawn.
    wanted: Option<ConsoleFacts>,
    next_draw_ms: u64,
}

/// A device, and whether it was too slow for the last text: then it gets no time until it has taken a whole one again.
#[derive(Debug)]
struct Device {
    file: File,
    lags: bool,
}

impl Console {
    /// Opens what is there.
    #[must_use]
    pub fn open() -> Self {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let open = |path| OpenOptions::new().write(true).custom_flags(flags.cast_signed()).open(path).ok();
        let device = |file| Device { file, lags: false };
        Self { devices: DEVICES.into_iter().filter_map(open).map(device).collect(), ..Self::default() }
    }

    /// What the status block says of the machine itself.
    pub fn set_identity(&mut self, identity: Identity) {
        self.identity = identity;
    }

    /// Writes one line of progress.
    pub fn line(&mut self, text: &str) {
        self.write(&format!("patronus: {}\n", printable(text)));
    }

    /// Takes facts of `web` for the status block. Of facts that follow each other quickly, the last ones are drawn.
    pub fn show(&mut self, now_ms: u64, facts: ConsoleFacts) {
        self.wanted = Some(block::capped(facts)).filter(|facts| self.shown.as_ref() != Some(facts));
        self.draw(now_ms);
    }

    /// Draws the status block if there is something new, and the last time is long enough ago.
    pub fn draw(&mut self, now_ms: u64) {
        if now_ms < self.next_draw_ms {
            return;
        }
        if let Some(facts) = self.wanted.take() {
            self.next_draw_ms = now_ms.saturating_add(DRAW_EVERY_MS);
            self.write(&block::render(&self.identity, &facts));
            self.shown = Some(facts);
        }
    }

    /// When [`Console::draw`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.wanted.as_ref().map(|_| self.next_draw_ms)
    }

    fn write(&mut self, text: &str) {
        for device in &mut self.devices {
            let wait = if device.lags { Duration::ZERO } else { WRITE_WAIT };
            device.lags = !write(&mut device.file, text.as_bytes(), wait);
        }
    }
}

/// Control characters would let a text take over the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}

/// Whether the device took all of it within `wait`; one that fails counts as done, as it costs no time.
fn write(device: &mut File, mut bytes: &[u8], wait: Duration) -> bool {
    let begin = Instant::now();
    while !bytes.is_empty() {
        match device.write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !drains(device, wait.saturating_sub(begin.elapsed())) {
                    return false;
                }
            }
            Err(_) => return true,
        }
    }
    true
}

/// Whether there is room within `wait`.
fn drains(device: &File, wait: Duration) -> bool {
    let wait = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
    poll(&mut [PollFd::new(device, PollFlags::OUT)], Some(&wait)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    fn facts(site: &str) -> ConsoleFacts {
        ConsoleFacts { site: Some(site.into()), urls: Vec::new(), fingerprint: String::new(), claim_code: None }
    }

    fn site(console: &Console) -> Option<&str> {
        console.shown.as_ref()?.site.as_deref()
    }

    #[test]
    fn facts_that_change_quickly_are_drawn_once_in_a_while_and_the_last_ones_stay() {
        let mut console = Console::default();
        console.show(0, facts("one"));
        console.show(1, facts("two"));
        console.show(2, facts("three"));
        assert_eq!((site(&console), console.deadline()), (Some("one"), Some(DRAW_EVERY_MS)));
        console.draw(DRAW_EVERY_MS - 1);
        assert_eq!(site(&console), Some("one"));
        console.draw(DRAW_EVERY_MS);
        assert_eq!((site(&console), console.deadline()), (Some("three"), None));
    }

    #[test]
    fn the_same_facts_draw_nothing() {
        let mut console = Console::default();
        console.show(0, facts("one"));
        console.show(1, facts("one"));
        assert_eq!(console.deadline(), None);
        console.show(2, facts("two"));
        console.show(3, facts("one"));
        assert_eq!(console.deadline(), None, "back to what is shown");
    }

    #[test]
    fn a_device_that_nobody_reads_costs_its_time_once() {
        let (_reader, device): (OwnedFd, OwnedFd) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let device = Device { file: device.into(), lags: false };
        let mut console = Console { devices: vec![device], ..Console::default() };
        let begin = Instant::now();
        (0..50).for_each(|_| console.write(&"x".repeat(16 << 10)));
        assert!(console.devices[0].lags);
        assert!(begin.elapsed() >= WRITE_WAIT && begin.elapsed() < 2 * WRITE_WAIT);
    }
}
