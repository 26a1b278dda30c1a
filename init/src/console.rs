//! What people in front of the machine see: screen and serial line.

use patronus_ipc::init::ConsoleFacts;

/// Screen and serial line.
#[derive(Debug)]
pub struct Console {}

impl Console {
    /// Writes one line of progress.
    pub fn line(&mut self, text: &str) {
        let _ = text;
    }

    /// Shows the status block with these facts of `web`, if they differ from what was shown last.
    pub fn show(&mut self, facts: &ConsoleFacts) {
        let _ = facts;
    }
}
