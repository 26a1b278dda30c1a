//! How often somebody may try to sign in.
//!
//! *Does*: five tries per source, then waits that double; thirty a minute for everybody together, because each costs memory and time.
//! *Never does*: clocks; lock an account: the right password after the wait always works.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use crate::{gate::network_of, limits};

#[derive(Debug, Default)]
struct Source {
    failures: u32,
    last: Duration,
    next_at: Duration,
}

/// The tries of all sources.
#[derive(Debug, Default)]
pub struct Throttle {
    sources: BTreeMap<IpAddr, Source>,
    minute: u64,
    in_minute: u32,
}

impl Throttle {
    /// Asks to try a password, and counts the try as failed until [`Self::handle_success`].
    ///
    /// # Errors
    /// How long to wait.
    pub fn handle_attempt(&mut self, source: IpAddr, now: Duration) -> Result<(), Duration> {
        let source = network_of(source);
        self.sources.retain(|_, entry| now.saturating_sub(entry.last) < limits::LOGIN_FORGET);
        if let Some(wait) =
            self.sources.get(&source).and_then(|entry| entry.next_at.checked_sub(now)).filter(|w| !w.is_zero())
        {
            return Err(wait);
        }
        self.take_from_minute(now)?;
        if !self.sources.contains_key(&source) && self.sources.len() >= limits::LOGIN_SOURCES {
            self.forget_longest_quiet();
        }
        let entry = self.sources.entry(source).or_default();
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
        entry.next_at = now.saturating_add(wait_after(entry.failures));
        Ok(())
    }

    /// The password was right.
    pub fn handle_success(&mut self, source: IpAddr) {
        self.sources.remove(&network_of(source));
    }

    fn take_from_minute(&mut self, now: Duration) -> Result<(), Duration> {
        let minute = now.as_secs() / 60;
        if minute != self.minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        if self.in_minute >= limits::LOGINS_PER_MINUTE {
            return Err(Duration::from_secs(60 * (minute + 1)).saturating_sub(now));
        }
        self.in_minute += 1;
        Ok(())
    }

    fn forget_longest_quiet(&mut self) {
        let quiet = self.sources.iter().min_by_key(|(_, entry)| entry.last).map(|(source, _)| *source);
        quiet.map(|source| self.sources.remove(&source));
    }
}

/// No wait for the first tries, then 12 s, 24 s, ... 15 min.
fn wait_after(failures: u32) -> Duration {
    match failures.checked_sub(limits::LOGINS_PER_SOURCE) {
        None => Duration::ZERO,
        Some(beyond) => limits::LOGIN_WAIT.saturating_mul(1 << beyond.min(16)).min(limits::LOGIN_WAIT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u16) -> IpAddr {
        let [high, low] = number.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_sixth_try_waits_and_each_further_one_twice_as_long() {
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            assert_eq!(throttle.handle_attempt(source(1), s(0)), Ok(()));
        }
        assert_eq!(throttle.handle_attempt(source(1), s(0)), Err(s(12)));
        assert_eq!(throttle.handle_attempt(source(1), s(12)), Ok(()));
        assert_eq!(throttle.handle_attempt(source(1), s(12)), Err(s(24)));
        assert_eq!(throttle.handle_attempt(source(2), s(12)), Ok(()), "others do not wait");
        assert!(wait_after(1000) == limits::LOGIN_WAIT_MAX);
    }

    #[test]
    fn the_right_password_clears_the_count() {
        let mut throttle = Throttle::default();
        for _ in 0..20 {
            assert_eq!(throttle.handle_attempt(source(1), s(0)), Ok(()));
            throttle.handle_success(source(1));
        }
    }

    #[test]
    fn all_sources_together_have_thirty_tries_a_minute() {
        let mut throttle = Throttle::default();
        for number in 0..30 {
            assert_eq!(throttle.handle_attempt(source(number), s(50)), Ok(()));
        }
        assert_eq!(throttle.handle_attempt(source(30), s(50)), Err(s(10)));
        assert_eq!(throttle.handle_attempt(source(30), s(60)), Ok(()));
    }

    #[test]
    fn the_list_of_sources_is_bounded() {
        let mut throttle = Throttle::default();
        for number in 0..1000_u16 {
            let _ = throttle.handle_attempt(source(number), s(u64::from(number) * 2));
            assert!(throttle.sources.len() <= limits::LOGIN_SOURCES);
        }
        assert_eq!(throttle.sources.len(), limits::LOGIN_SOURCES);
    }
}
