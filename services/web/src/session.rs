//! Who is signed in.
//!
//! *Does*: open, find, expire and close sessions; what it keeps is the hash of a session's secret.
//! *Never does*: make randomness, read clocks, write to disk: a restart signs everybody out.

use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::limits;

/// What a session lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// No session.
    Anyone,
    /// Has given the claim code of an unclaimed box.
    Claimant,
    /// Has given the administrator's password.
    Administrator,
}

/// A session that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What its holder may do.
    pub identity: Identity,
    /// Stands in every form of this session.
    pub csrf: String,
}

#[derive(Debug)]
struct Entry {
    digest: [u8; 32],
    session: Session,
    opened: Duration,
    used: Duration,
}

impl Entry {
    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.used) >= limits::SESSION_IDLE || now.saturating_sub(self.opened) >= limits::SESSION_LIFE
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions(Vec<Entry>);

impl Sessions {
    /// Opens a session and gives its token, which is nowhere else. `secret` and `csrf` are random.
    pub fn open(&mut self, identity: Identity, secret: [u8; 32], csrf: [u8; 16], now: Duration) -> String {
        self.0.retain(|entry| !entry.is_over(now));
        if self.0.len() >= limits::SESSIONS {
            let longest_unused = self.0.iter().enumerate().min_by_key(|(_, entry)| entry.used).map(|(index, _)| index);
            longest_unused.map(|index| self.0.swap_remove(index));
        }
        let token = hex::encode(secret);
        let session = Session { identity, csrf: hex::encode(csrf) };
        self.0.push(Entry { digest: digest(&token), session, opened: now, used: now });
        token
    }

    /// Finds a session by its token. `background` requests do not keep it alive.
    pub fn find(&mut self, token: &str, now: Duration, background: bool) -> Option<Session> {
        self.0.retain(|entry| !entry.is_over(now));
        let digest = digest(token);
        let entry = self.0.iter_mut().find(|entry| entry.digest == digest)?;
        if !background {
            entry.used = now;
        }
        Some(entry.session.clone())
    }

    /// Ends one session.
    pub fn close(&mut self, token: &str) {
        let digest = digest(token);
        self.0.retain(|entry| entry.digest != digest);
    }

    /// Ends all sessions: the box was claimed, or the password changed.
    pub fn close_all(&mut self) {
        self.0.clear();
    }

    /// Sessions that are not over.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Session {
    /// Whether a form's token is this session's, in constant time.
    #[must_use]
    pub fn csrf_matches(&self, token: &str) -> bool {
        self.csrf.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// Comparing digests needs no constant time: nobody can choose a digest bit by bit.
fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &mut Sessions, number: u8, now: Duration) -> String {
        sessions.open(Identity::Administrator, [number; 32], [number; 16], now)
    }

    #[test]
    fn a_session_ends_half_an_hour_after_its_last_use() {
        let mut sessions = Sessions::default();
        let token = open(&mut sessions, 1, Duration::ZERO);
        let almost = limits::SESSION_IDLE - Duration::from_millis(1);
        assert!(sessions.find(&token, almost, true).is_some(), "looked at in the background");
        assert!(sessions.find(&token, limits::SESSION_IDLE, true).is_none());
        let token = open(&mut sessions, 1, Duration::ZERO);
        assert!(sessions.find(&token, almost, false).is_some());
        assert!(sessions.find(&token, almost * 2, false).is_some());
    }

    #[test]
    fn a_session_in_use_ends_after_twelve_hours() {
        let mut sessions = Sessions::default();
        let token = open(&mut sessions, 1, Duration::ZERO);
        let mut now = Duration::ZERO;
        while now + Duration::from_secs(600) < limits::SESSION_LIFE {
            now += Duration::from_secs(600);
            assert!(sessions.find(&token, now, false).is_some());
        }
        assert!(sessions.find(&token, limits::SESSION_LIFE, false).is_none());
    }

    #[test]
    fn the_seventeenth_session_ends_the_one_longest_unused() {
        let mut sessions = Sessions::default();
        let tokens: Vec<_> = (0..16).map(|n| open(&mut sessions, n, Duration::from_secs(u64::from(n)))).collect();
        assert!(sessions.find(&tokens[0], Duration::from_secs(20), false).is_some());
        open(&mut sessions, 16, Duration::from_secs(21));
        assert_eq!(sessions.count(), limits::SESSIONS);
        assert!(sessions.find(&tokens[0], Duration::from_secs(22), false).is_some());
        assert!(sessions.find(&tokens[1], Duration::from_secs(22), false).is_none());
    }

    #[test]
    fn closed_sessions_and_made_up_tokens_are_unknown() {
        let mut sessions = Sessions::default();
        let token = open(&mut sessions, 1, Duration::ZERO);
        for made_up in ["", "0", &"01".repeat(31), &token.to_uppercase().replace('0', "O")] {
            assert!(sessions.find(made_up, Duration::ZERO, false).is_none());
        }
        sessions.close(&token);
        assert!(sessions.find(&token, Duration::ZERO, false).is_none());
    }
}
