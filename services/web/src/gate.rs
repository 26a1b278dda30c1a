//! Who gets a place among the connections, and who gives it up.
//!
//! *Does*: count places in all and per source; when full, name the connection that has waited longest without a whole request, of the source that
//! holds most.
//! *Never does*: throw out a connection whose request is being answered; sockets, clocks.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use crate::{limits, refusal::Refusal};

/// Names a connection while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

#[derive(Debug)]
struct Place {
    source: IpAddr,
    /// Since when it has owed us a handshake or a head; `None` while its request is answered.
    waiting_since: Option<Duration>,
}

/// The places at the front door.
#[derive(Debug, Default)]
pub struct Gate {
    places: BTreeMap<ConnectionId, Place>,
    next: u64,
}

/// A place, and who has to leave for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The new connection.
    pub id: ConnectionId,
    /// To be closed by the caller; its place is already free.
    pub evicted: Option<ConnectionId>,
}

impl Gate {
    /// Gives a place to a connection from `source`.
    ///
    /// # Errors
    /// If everybody who would have to leave is just being answered.
    pub fn admit(&mut self, source: IpAddr, now: Duration) -> Result<Admitted, Refusal> {
        let source = network_of(source);
        let evicted = if self.held_by(source) >= limits::CONNECTIONS_PER_SOURCE {
            Some(self.longest_waiting(source).ok_or(Refusal::TooManyFromSource)?)
        } else if self.places.len() >= limits::CONNECTIONS {
            Some(self.greediest_waiting().ok_or(Refusal::TooManyConnections)?)
        } else {
            None
        };
        if let Some(evicted) = evicted {
            self.places.remove(&evicted);
        }
        let id = ConnectionId(self.next);
        self.next = self.next.wrapping_add(1);
        self.places.insert(id, Place { source, waiting_since: Some(now) });
        Ok(Admitted { id, evicted })
    }

    /// A whole request is there and is being answered.
    pub fn handle_request(&mut self, id: ConnectionId) {
        if let Some(place) = self.places.get_mut(&id) {
            place.waiting_since = None;
        }
    }

    /// The answer is ready; the connection owes us its next request.
    pub fn handle_answer(&mut self, id: ConnectionId, now: Duration) {
        if let Some(place) = self.places.get_mut(&id) {
            place.waiting_since = Some(now);
        }
    }

    /// The connection is gone.
    pub fn leave(&mut self, id: ConnectionId) {
        self.places.remove(&id);
    }

    /// Connections now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn held_by(&self, source: IpAddr) -> usize {
        self.places.values().filter(|place| place.source == source).count()
    }

    fn longest_waiting(&self, source: IpAddr) -> Option<ConnectionId> {
        let waiting = self.places.iter().filter(|(_, place)| place.source == source);
        waiting.filter_map(|(id, place)| Some((place.waiting_since?, *id))).min().map(|(_, id)| id)
    }

    /// Of the source that holds most places, the one that has waited longest; if that source has none waiting, of the next.
    fn greediest_waiting(&self) -> Option<ConnectionId> {
        let mut held = BTreeMap::<IpAddr, usize>::new();
        for place in self.places.values() {
            *held.entry(place.source).or_default() += 1;
        }
        let mut sources: Vec<_> = held.into_iter().collect();
        sources.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sources.into_iter().find_map(|(source, _)| self.longest_waiting(source))
    }
}

/// One IPv6 host has a whole /64 of addresses: they count as one source.
#[must_use]
pub fn network_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn source(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[test]
    fn one_source_at_its_limit_only_displaces_itself() {
        let mut gate = Gate::default();
        let first = gate.admit(source(1), NOW).unwrap().id;
        for _ in 1..limits::CONNECTIONS_PER_SOURCE {
            assert_eq!(gate.admit(source(1), NOW).unwrap().evicted, None);
        }
        assert_eq!(gate.admit(source(2), NOW).unwrap().evicted, None);
        assert_eq!(gate.admit(source(1), NOW).unwrap().evicted, Some(first));
    }

    #[test]
    fn who_is_being_answered_stays() {
        let mut gate = Gate::default();
        for _ in 0..limits::CONNECTIONS_PER_SOURCE {
            let id = gate.admit(source(1), NOW).unwrap().id;
            gate.handle_request(id);
        }
        assert_eq!(gate.admit(source(1), NOW), Err(Refusal::TooManyFromSource));
    }

    #[test]
    fn a_full_house_makes_the_greediest_source_leave() {
        let mut gate = Gate::default();
        let lone = gate.admit(source(200), Duration::ZERO).unwrap().id;
        for number in 0..(limits::CONNECTIONS - 1) {
            gate.admit(source((number / limits::CONNECTIONS_PER_SOURCE) as u8), NOW).unwrap();
        }
        assert_eq!(gate.len(), limits::CONNECTIONS);
        let admitted = gate.admit(source(201), NOW).unwrap();
        assert!(admitted.evicted.is_some_and(|evicted| evicted != lone));
        assert_eq!(gate.len(), limits::CONNECTIONS);
    }

    #[test]
    fn a_house_full_of_answers_turns_the_next_one_away() {
        let mut gate = Gate::default();
        for number in 0..limits::CONNECTIONS {
            let id = gate.admit(source(number as u8), NOW).unwrap().id;
            gate.handle_request(id);
        }
        assert_eq!(gate.admit(source(250), NOW), Err(Refusal::TooManyConnections));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one_source() {
        assert_eq!(network_of("fd00::1".parse().unwrap()), network_of("fd00::ffff:1:2:3".parse().unwrap()));
        assert_ne!(network_of("fd00::1".parse().unwrap()), network_of("fd00:0:0:1::1".parse().unwrap()));
        assert_eq!(network_of("::ffff:10.0.0.1".parse().unwrap()), source(1));
    }

    proptest! {
        #[test]
        fn limits_hold_whatever_happens(events in prop::collection::vec((0_u8..12, 0_u8..4), 0..800)) {
            let mut gate = Gate::default();
            let mut here = Vec::new();
            for (step, (who, what)) in events.into_iter().enumerate() {
                let now = Duration::from_millis(step as u64);
                let some = here.get(usize::from(who)).copied();
                match (what, some) {
                    (1, Some(id)) => gate.handle_request(id),
                    (2, Some(id)) => gate.handle_answer(id, now),
                    (3, Some(id)) => gate.leave(id),
                    _ => here.extend(gate.admit(source(who), now).ok().map(|admitted| admitted.id)),
                }
                prop_assert!(gate.len() <= limits::CONNECTIONS);
                prop_assert!((0..12).all(|who| gate.held_by(source(who)) <= limits::CONNECTIONS_PER_SOURCE));
            }
        }
    }
}
