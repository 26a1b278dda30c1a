//! The last events.

use patronus_ipc::router::{Event, MOST_EVENTS, What};

/// They have numbers; the oldest make room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    events: Vec<Event>,
    sequence: u64,
}

impl Journal {
    pub(crate) fn add(&mut self, at_ms: u64, what: What) {
        self.sequence += 1;
        if self.events.len() >= MOST_EVENTS {
            self.events.remove(0);
        }
        self.events.push(Event { sequence: self.sequence, at_ms, what });
    }

    /// Number of the newest.
    pub(crate) const fn last(&self) -> u64 {
        self.sequence
    }

    /// Oldest first.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_events_as_the_limit_are_kept_and_one_more_replaces_the_oldest() {
        let mut journal = Journal::default();
        for _ in 0..=MOST_EVENTS {
            journal.add(0, What::PolicyApplied);
        }
        assert_eq!(journal.events().len(), MOST_EVENTS);
        assert_eq!(journal.events().first().map(|event| event.sequence), Some(2));
    }
}
