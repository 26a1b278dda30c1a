//! Loss and reordering, read from the counters of what was received.
//!
//! *Does*: compare the highest counter of a session with how many packets of it came.
//! *Never does*: guess about what is not authenticated: only counters of accepted packets are told to it.
//! *Spec*: WireGuard paper section 5.4.6: the counter of a session begins at 0 and goes up by one with each packet.

/// Sessions that may be received from side by side: the one in use and the one before it.
const SESSIONS: usize = 2;

/// What one path received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    sessions: [Option<Session>; SESSIONS],
    lost_before: u64,
    reordered: u64,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    index: u32,
    next: u64,
    count: u64,
}

impl Session {
    fn lost(&self) -> u64 {
        self.next.saturating_sub(self.count)
    }
}

impl Received {
    /// A packet of the session with this receiver index was accepted.
    pub fn handle_counter(&mut self, index: u32, counter: u64) {
        let known = self.sessions.iter_mut().flatten().find(|session| session.index == index);
        if let Some(session) = known {
            session.count += 1;
            if counter < session.next {
                self.reordered += 1;
            }
            session.next = session.next.max(counter.saturating_add(1));
            return;
        }
        let [current, previous] = self.sessions;
        self.lost_before += previous.map_or(0, |session| session.lost());
        self.sessions = [Some(Session { index, next: counter.saturating_add(1), count: 1 }), current];
    }

    /// Packets that were sent to this side and have not come.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost_before + self.sessions.iter().flatten().map(Session::lost).sum::<u64>()
    }

    /// Packets that came after one that was sent later.
    #[must_use]
    pub fn reordered(&self) -> u64 {
        self.reordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(counters: &[(u32, u64)]) -> (u64, u64) {
        let mut received = Received::default();
        for (index, counter) in counters {
            received.handle_counter(*index, *counter);
        }
        (received.lost(), received.reordered())
    }

    #[test]
    fn what_is_missing_is_lost_and_what_comes_late_is_reordered() {
        assert_eq!(after(&[(1, 0), (1, 1), (1, 2)]), (0, 0));
        assert_eq!(after(&[(1, 0), (1, 3)]), (2, 0));
        assert_eq!(after(&[(1, 0), (1, 3), (1, 1)]), (1, 1));
        assert_eq!(after(&[(1, 2)]), (2, 0), "also those before the first");
    }

    #[test]
    fn a_rekey_loses_nothing_and_late_packets_of_the_session_before_still_count() {
        assert_eq!(after(&[(1, 0), (2, 0), (1, 1), (2, 1)]), (0, 0));
        assert_eq!(after(&[(1, 0), (1, 2), (2, 0), (3, 0), (4, 0)]), (1, 0));
    }
}
