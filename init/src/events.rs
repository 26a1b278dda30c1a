//! The loop of PID 1: everything that happens to a running machine comes by here.
//!
//! *Does*: wait for signals, services, callers, kernel messages and buttons at once; turn them into events of the supervisor and
//! do what it says; feed the watchdog, here and nowhere else, so that a loop that hangs restarts the machine.
//! *Never does*: block on any of them, end before every service has ended or was given up, wait for any service.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Supervision".
#![forbid(unsafe_code)]

use std::{fs, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    time::{ClockId, clock_gettime},
};

use crate::{
    machine::Machine,
    manifest::{Manifest, ManifestError},
    server::Server,
    shutdown::End,
    watchdog,
};

mod answers;
mod buttons;
mod journal;
mod kernel_log;
mod process;
mod reaper;
mod services;
mod signals;

use buttons::Buttons;
use journal::Journal;
use kernel_log::KernelLog;
use services::Services;
use signals::Signals;

/// The manifest on the verified root.
const MANIFEST: &str = "/etc/patronus/services.toml";
/// The loop goes round at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// After a poll that failed, which only a lack of kernel memory explains.
const POLL_FAILED_PAUSE: Duration = Duration::from_millis(100);

/// Runs the services until the machine is to stop; all of them have ended when this returns.
#[must_use]
pub fn run(machine: Machine) -> End {
    let signals = Signals::block();
    let mut journal = Journal::new(machine.console);
    match read_manifest() {
        Ok(manifest) => {
            let facts = answers::Facts {
                boot: machine.boot,
                data: machine.data,
                version: machine.version,
                kernel: machine.kernel,
                watchdog: machine.watchdog.as_ref().map(|watchdog| watchdog.identity.clone()),
            };
            journal.add_services(manifest.services());
            let server = services::listen_as_init(&manifest, &mut journal);
            let services = Services::new(&manifest, &mut journal);
            let (kernel_log, buttons) = (KernelLog::open(), Buttons::default());
            let (watchdog, trial) = (machine.watchdog, machine.trial);
            let (end, failed) = (None, false);
            Loop { journal, services, server, signals, kernel_log, buttons, facts, watchdog, trial, end, failed }.run()
        }
        // Nothing can be started; the boot loader has another image to try.
        Err(error) => {
            journal.say(now_ms(), &error.to_string());
            End::Reboot
        }
    }
}

/// Milliseconds since the kernel started.
fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanoseconds) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds.saturating_mul(1_000).saturating_add(nanoseconds / 1_000_000)
}

fn read_manifest() -> Result<Manifest, ManifestError> {
    let text = fs::read_to_string(MANIFEST).map_err(|error| ManifestError::Syntax(format!("{MANIFEST}: {error}")))?;
    text.parse()
}

struct Loop {
    journal: Journal,
    services: Services,
    server: Option<Server>,
    signals: Signals,
    kernel_log: KernelLog,
    buttons: Buttons,
    facts: answers::Facts,
    watchdog: Option<watchdog::Watchdog>,
    trial: crate::bless::Trial,
    /// The first wish to stop, which counts.
    end: Option<End>,
    /// Whether nobody asked for the stop: this boot was given up.
    failed: bool,
}

impl Loop {
    fn run(mut self) -> End {
        loop {
            let now_ms = now_ms();
            self.round(now_ms);
            if let Some(end) = self.end.filter(|_| self.services.are_finished()) {
                self.journal.say(now_ms, "all services have ended");
                self.note_orderly_stop(now_ms);
                return end;
            }
            self.sleep(now_ms);
        }
    }

    /// Looks at every source once. None of them blocks; each gives a limited amount at a time.
    fn round(&mut self, now_ms: u64) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.feed();
        }
        self.kernel_log.read(&mut self.journal);
        if let Some(end) = self.signals.read().or_else(|| self.buttons.read(now_ms)) {
            self.stop(now_ms, end);
        }
        self.services.read(now_ms, &mut self.journal);
        self.answer_callers(now_ms);
        self.services.advance(now_ms, &mut self.journal);
        self.journal.console.draw(now_ms);
        if self.services.are_healthy() {
            self.trial.pass(&mut self.journal.console);
            self.journal.quiet = true;
        } else if self.end.is_none() && self.trial.is_overdue(now_ms) {
            self.give_up_trial(now_ms);
        }
    }

    /// The boot loader counted this boot as a try; the next one is another try, or another slot.
    fn give_up_trial(&mut self, now_ms: u64) {
        let reason = self.services.unready();
        if let Err(error) = self.trial.fail(&reason) {
            self.journal.say(now_ms, &format!("noting why this boot failed: {error}"));
        }
        self.failed = true;
        self.journal.say(now_ms, &format!("this boot entry is on trial and did not become healthy: {reason}"));
        self.stop(now_ms, End::Reboot);
    }

    /// A stop that was asked for is no failure of the boot entry.
    fn note_orderly_stop(&mut self, now_ms: u64) {
        if self.failed || !self.services.have_started() {
            return;
        }
        if let Err(error) = self.trial.stop_in_order() {
            self.journal.say(now_ms, &format!("noting that this stop was wanted: {error}"));
        }
    }

    fn answer_callers(&mut self, now_ms: u64) {
        let Some(server) = &mut self.server else { return };
        let mut wish = None;
        let complaints = server.advance(now_ms, |request| {
            answers::answer(now_ms, request, &self.facts, &self.services, &mut self.journal, &mut wish)
        });
        complaints.iter().for_each(|complaint| self.journal.say(now_ms, complaint));
        if let Some(end) = wish {
            self.stop(now_ms, end);
        }
    }

    fn stop(&mut self, now_ms: u64, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            self.journal.quiet = false;
            self.journal.say(now_ms, if end == End::Reboot { "restarting" } else { "switching off" });
            self.services.stop(now_ms);
        }
    }

    /// Until something happens, or the next deadline.
    fn sleep(&self, now_ms: u64) {
        let latest_ms = now_ms.saturating_add(LONGEST_SLEEP.min(watchdog::FEED_EVERY).as_millis() as u64);
        let logs = &self.journal.logs;
        let callers = self.server.as_ref().and_then(Server::deadline);
        let deadlines = [self.services.deadline(now_ms, logs), callers, self.journal.console.deadline()];
        let until_ms = deadlines.into_iter().flatten().fold(latest_ms, u64::min);
        let pause = Duration::from_millis(until_ms.saturating_sub(now_ms));
        let timeout = Timespec::try_from(pause).ok();
        let sources = [self.kernel_log.interest(), self.signals.interest()].into_iter().flatten();
        let sources = sources.chain(self.buttons.interests()).chain(self.services.interests(now_ms, logs));
        let sources = sources.map(|fd| (fd, PollFlags::IN));
        let callers = self.server.iter().flat_map(Server::interests);
        let mut fds: Vec<PollFd<'_>> =
            sources.chain(callers).map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)).collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => std::thread::sleep(POLL_FAILED_PAUSE),
        }
    }
}
