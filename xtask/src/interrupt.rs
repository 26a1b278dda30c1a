//! Ctrl-C and SIGTERM, as a flag that long waits look at.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a process that a person stopped: 128 + SIGINT.
const STOPPED: i32 = 130;

/// Whether somebody wants us to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on the first signal raises the flag; the second ends the process at once.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn watch() -> Result<Self> {
        let interrupt = Self::default();
        let flag = interrupt.0.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                let (Ok(mut ctrl_c), Ok(mut terminate)) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
                else {
                    return;
                };
                loop {
                    tokio::select! { _ = ctrl_c.recv() => {}, _ = terminate.recv() => {} }
                    if flag.swap(true, Ordering::Relaxed) {
                        std::process::exit(STOPPED);
                    }
                }
            });
        });
        Ok(interrupt)
    }

    /// Whether the first signal has come.
    #[must_use]
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
