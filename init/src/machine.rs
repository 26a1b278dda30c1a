//! From a fresh kernel to a machine on which services can run.
//!
//! *Does*: the order of PID 1's first steps, and what later parts need to know of them.
//! *Never does*: give up: whatever fails is said, and the next step follows.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use patronus_ipc::init::{Boot, Data};

use crate::{bless::Trial, console::Console, watchdog::Watchdog};

/// What the start of the machine leaves for the loop.
#[derive(Debug)]
pub struct Machine {
    /// How this boot came about.
    pub boot: Boot,
    /// How the data partition was found. Sizes are those at boot; ask `data::usage` for fresh ones.
    pub data: Data,
    /// Version of the image.
    pub version: String,
    /// Kernel release.
    pub kernel: String,
    /// The watchdog, already running, if the machine has one. Feed it at least every `FEED_EVERY`.
    pub watchdog: Option<Watchdog>,
    /// Screen and serial line.
    pub console: Console,
    /// To be told once that all services are ready and stayed so (`Trial::pass`).
    pub trial: Trial,
}

/// Brings the machine up.
#[must_use]
pub fn bring_up() -> Machine {
    todo_machine()
}

fn todo_machine() -> Machine {
    std::process::abort()
}
