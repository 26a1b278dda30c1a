//! When to look at the kernel next.
//!
//! *Does*: gather reasons, so that a thousand of them lead to one look.
//! *Never does*: look more often than every [`limit::LOOK_INTERVAL_MS`], or less often than every [`limit::RECHECK_MS`].

use crate::limit;

/// Whether there is a reason to look, and when that was done last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Agenda {
    is_wanted: bool,
    looked_ms: Option<u64>,
}

impl Agenda {
    /// Something that matters has changed.
    pub fn want(&mut self) {
        self.is_wanted = true;
    }

    /// When the next look is due; the first one is at once.
    #[must_use]
    pub fn due_ms(&self) -> u64 {
        let pause_ms = if self.is_wanted { limit::LOOK_INTERVAL_MS } else { limit::RECHECK_MS };
        self.looked_ms.map_or(0, |looked| looked.saturating_add(pause_ms))
    }

    /// Whether to look now. If so, whatever was wanted before is done with.
    pub fn poll_look(&mut self, now_ms: u64) -> bool {
        let is_due = self.due_ms() <= now_ms;
        if is_due {
            *self = Self { is_wanted: false, looked_ms: Some(now_ms) };
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_reasons_leads_to_ten_looks_a_second() {
        let mut agenda = Agenda::default();
        let looks = (0..10_000).filter(|now_ms| {
            agenda.want();
            agenda.poll_look(*now_ms)
        });
        assert_eq!(looks.count(), 100);
    }

    #[test]
    fn the_last_reason_of_a_flood_is_not_lost() {
        let mut agenda = Agenda::default();
        assert!(agenda.poll_look(0));
        agenda.want();
        assert!(!agenda.poll_look(1));
        assert!(agenda.poll_look(limit::LOOK_INTERVAL_MS));
    }

    #[test]
    fn without_any_reason_there_is_a_look_every_thirty_seconds() {
        let mut agenda = Agenda::default();
        let looks: Vec<u64> = (0..90_000).filter(|now_ms| agenda.poll_look(*now_ms)).collect();
        assert_eq!(looks, [0, 30_000, 60_000]);
    }
}
