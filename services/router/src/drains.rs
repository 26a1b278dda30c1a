//! What a person wants to carry nothing.
//!
//! *Does*: keep what is drained, and when the last flow must have left it.
//! *Never does*: write it: `shell/store.rs` does.

use patronus_ipc::{
    prober::PathId,
    router::{Drain, Drainable, MOST_DRAINS, Rejected},
};

/// All drains.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drains {
    drains: Vec<Drain>,
    /// How many deadlines have passed: flows that stuck to a path must leave.
    epoch: u8,
    passed_ms: u64,
}

impl Drains {
    pub(crate) fn list(&self) -> &[Drain] {
        &self.drains
    }

    /// Raised when flows that stick to a drained path must leave.
    pub(crate) const fn epoch(&self) -> u8 {
        self.epoch
    }

    pub(crate) fn covers(&self, path: &PathId) -> bool {
        self.drains.iter().any(|drain| drain.what.covers(path))
    }

    /// These and no others.
    pub(crate) fn restore(&mut self, drains: Vec<Drain>) {
        self.drains = drains;
        self.drains.truncate(MOST_DRAINS);
    }

    /// Begins one; the same again has a new deadline.
    pub(crate) fn begin(&mut self, what: Drainable, until_ms: u64) -> Result<(), Rejected> {
        self.end(&what);
        if self.drains.len() >= MOST_DRAINS {
            return Err(Rejected::TooManyDrains);
        }
        self.drains.push(Drain { what, until_ms });
        Ok(())
    }

    /// Ends one; says whether it was there.
    pub(crate) fn end(&mut self, what: &Drainable) -> bool {
        let before = self.drains.len();
        self.drains.retain(|drain| drain.what != *what);
        self.drains.len() < before
    }

    /// Deadlines pass.
    pub(crate) fn pass(&mut self, now_ms: u64) {
        let is_due = |drain: &Drain| drain.until_ms > self.passed_ms && drain.until_ms <= now_ms;
        if self.drains.iter().any(is_due) {
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.passed_ms = now_ms;
    }
}

#[cfg(test)]
mod tests {
    use patronus_types::UplinkSlot;

    use super::*;

    fn slot(number: u8) -> Drainable {
        Drainable::Uplink(UplinkSlot::new(number % 16).unwrap())
    }

    #[test]
    fn as_many_drains_as_the_limit_are_kept_and_not_one_more() {
        let mut drains = Drains::default();
        let path = |number: usize| {
            let site = patronus_types::SiteId([number as u8; 32]);
            Drainable::Site(site)
        };
        for number in 0..MOST_DRAINS {
            assert_eq!(drains.begin(path(number), 1), Ok(()));
        }
        assert_eq!(drains.begin(path(0), 2), Ok(()), "the same again");
        assert_eq!(drains.begin(path(MOST_DRAINS), 1), Err(Rejected::TooManyDrains));
    }

    #[test]
    fn flows_must_leave_once_when_the_deadline_passes() {
        let mut drains = Drains::default();
        drains.begin(slot(0), 1_000).unwrap();
        drains.pass(999);
        assert_eq!(drains.epoch(), 0);
        drains.pass(1_000);
        drains.pass(2_000);
        assert_eq!(drains.epoch(), 1);
    }
}
