//! Where PID 1 and the services say something: into the rings, and at the start of the machine on the console too.
#![forbid(unsafe_code)]

use crate::{
    console::Console,
    logs::{KERNEL, Logs},
    manifest::Service,
};

/// Lines of one service shown on the console: enough for why it does not start, too few to scroll the status block away.
const MAX_SHOWN: u32 = 20;

pub(super) struct Journal {
    pub(super) logs: Logs,
    pub(super) console: Console,
    /// Whether the machine runs well: then lines go into the rings only.
    pub(super) quiet: bool,
    shown: Vec<(String, u32)>,
}

impl Journal {
    pub(super) fn new(console: Console) -> Self {
        let logs = Logs::new([KERNEL, "init"].map(str::to_owned));
        Self { logs, console, quiet: false, shown: Vec::new() }
    }

    pub(super) fn add_services(&mut self, services: &[Service]) {
        let names = services.iter().map(|service| service.name.clone());
        self.shown = names.clone().map(|name| (name, 0)).collect();
        self.logs = Logs::new([KERNEL, "init"].map(str::to_owned).into_iter().chain(names));
    }

    /// PID 1 itself says something.
    pub(super) fn say(&mut self, now_ms: u64, text: &str) {
        if self.logs.handle_line(now_ms, "init", text) && !self.quiet {
            self.console.line(text);
        }
    }

    /// A service says something.
    pub(super) fn handle_service_line(&mut self, now_ms: u64, service: &str, text: &str) {
        if !self.logs.handle_line(now_ms, service, text) || self.quiet {
            return;
        }
        if let Some((_, shown)) = self.shown.iter_mut().find(|(name, _)| name == service)
            && *shown < MAX_SHOWN
        {
            *shown += 1;
            self.console.line(&format!("{service}: {text}"));
        }
    }
}
