//! A boot is a trial until all services have been ready for a while.

/// The trial that this boot is.
#[derive(Debug)]
pub struct Trial {}

impl Trial {
    /// All services are ready and stayed so: this slot is good. Only the first call does anything.
    pub fn pass(&mut self) {}
}
