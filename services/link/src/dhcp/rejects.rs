//! How many messages were not used, of all uplinks, by reason.
//!
//! *Does*: count each, and say which are worth a line in the log.
//! *Never does*: let a stranger write the log: one line for each reason and minute.

use std::collections::BTreeMap;

use super::Rejected;
use crate::limit;

/// The counters; as many as there are reasons.
#[derive(Clone, Debug, Default)]
pub struct Rejects(BTreeMap<Rejected, Counter>);

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    count: u64,
    logged_ms: Option<u64>,
}

impl Rejects {
    /// One more. Whether to log it.
    pub fn count(&mut self, reason: Rejected, now_ms: u64) -> bool {
        let counter = self.0.entry(reason).or_default();
        counter.count = counter.count.saturating_add(1);
        let is_quiet = |logged: u64| now_ms.saturating_sub(logged) < limit::REJECT_LOG_INTERVAL_MS;
        if counter.logged_ms.is_some_and(is_quiet) {
            return false;
        }
        counter.logged_ms = Some(now_ms);
        true
    }

    /// Since the service started, by the name of the reason.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(reason, counter)| (reason.to_string(), counter.count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reject_is_counted_and_one_of_a_kind_and_minute_is_logged() {
        let mut rejects = Rejects::default();
        let lines = (0..120_000).filter(|now_ms| rejects.count(Rejected::Truncated, *now_ms)).count();
        assert!(rejects.count(Rejected::NotAReply, 119_999));
        assert_eq!(lines, 2);
        let expected = [("not-a-reply".to_owned(), 1), ("truncated".to_owned(), 120_000)];
        assert_eq!(rejects.by_name(), BTreeMap::from(expected));
    }
}
