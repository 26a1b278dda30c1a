//! Where others see this slot.
//!
//! *Does*: keep the last word of each path for a while, and name the addresses with the most witnesses.
//! *Never does*: count one site twice; change its choice while that is as good as another: each change is announced to all sites.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use patronus_types::SiteId;

use crate::{limit, way::Index};

/// What was said, and what is believed of it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// By the path over which a site said it.
    words: BTreeMap<Index, Word>,
    /// By the STUN server that said it.
    answers: BTreeMap<SocketAddr, Word>,
    chosen: Vec<SocketAddr>,
    due: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Witness {
    Site(SiteId),
    Server(SocketAddr),
}

#[derive(Clone, Copy, Debug)]
struct Word {
    witness: Witness,
    address: SocketAddr,
    at: Duration,
}

impl Seen {
    /// A site says over a path, inside its session, where it sees this slot. There are no more words than paths.
    pub(crate) fn handle(&mut self, now: Duration, path: Index, witness: SiteId, address: SocketAddr) {
        let before = self.words.insert(path, Word { witness: Witness::Site(witness), address, at: now });
        self.look_if_new(before, address);
    }

    /// A STUN server says where it sees this slot.
    pub(crate) fn handle_answer(&mut self, now: Duration, server: SocketAddr, address: SocketAddr) {
        let before = self.answers.insert(server, Word { witness: Witness::Server(server), address, at: now });
        self.look_if_new(before, address);
    }

    fn look_if_new(&mut self, before: Option<Word>, address: SocketAddr) {
        if before.is_none_or(|before| before.address != address) {
            self.due = None;
        }
    }

    /// Whether a site says that it sees this slot there.
    pub(crate) fn is_said(&self, address: SocketAddr) -> bool {
        self.words.values().any(|word| word.address == address)
    }

    /// Paths and servers are gone, and with them what they said.
    pub(crate) fn retain(&mut self, is_path: impl Fn(&Index) -> bool, is_server: impl Fn(&SocketAddr) -> bool) {
        self.words.retain(|path, _| is_path(path));
        self.answers.retain(|server, _| is_server(server));
        self.due = None;
    }

    /// Where this slot is seen, most witnesses first, and what came over this path.
    pub(crate) fn with_word_of(&self, path: Index) -> Vec<SocketAddr> {
        let word = self.words.get(&path).map(|word| word.address).filter(|address| !self.chosen.contains(address));
        self.chosen.iter().copied().chain(word).collect()
    }

    /// Where this slot is seen, most witnesses first.
    pub(crate) fn addresses(&mut self, now: Duration) -> &[SocketAddr] {
        if self.due.is_none_or(|due| now >= due) {
            self.due = Some(now + limit::SEEN_LOOK);
            let counts = |word: &Word| now.saturating_sub(word.at) < limit::SEEN_LASTS;
            self.words.retain(|_, word| counts(word));
            self.answers.retain(|_, word| counts(word));
            self.choose();
        }
        &self.chosen
    }

    fn choose(&mut self) {
        let mut witnesses: BTreeMap<SocketAddr, BTreeSet<Witness>> = BTreeMap::new();
        for word in self.words.values().chain(self.answers.values()) {
            witnesses.entry(word.address).or_default().insert(word.witness);
        }
        let mut ranked: Vec<SocketAddr> = witnesses.keys().copied().collect();
        let place = |address: &SocketAddr| self.chosen.iter().position(|known| known == address).unwrap_or(usize::MAX);
        let count = |address: &SocketAddr| witnesses.get(address).map_or(0, BTreeSet::len);
        ranked.sort_by_key(|address| (std::cmp::Reverse(count(address)), place(address)));
        let first = |v4: bool| ranked.iter().filter(move |it| it.is_ipv4() == v4).take(limit::SEEN);
        self.chosen = first(true).chain(first(false)).copied().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([198, 51, 100, 1], port))
    }

    fn site(number: u8) -> SiteId {
        SiteId([number; 32])
    }

    #[test]
    fn the_address_with_most_witnesses_stands_first_and_a_site_is_one_witness() {
        let mut seen = Seen::default();
        for (path, witness, port) in [(0, 1, 7), (1, 1, 7), (2, 1, 7), (3, 2, 9), (4, 3, 9)] {
            seen.handle(S, path, site(witness), at(port));
        }
        assert_eq!(seen.addresses(S), [at(9), at(7)]);
    }

    #[test]
    fn a_server_is_a_witness_too() {
        let mut seen = Seen::default();
        seen.handle(S, 0, site(1), at(7));
        seen.handle_answer(S, at(1), at(9));
        seen.handle_answer(S, at(2), at(9));
        assert_eq!(seen.addresses(S), [at(9), at(7)]);
        assert!(seen.is_said(at(7)) && !seen.is_said(at(9)));
        seen.retain(|_| true, |server| *server == at(2));
        assert_eq!(seen.addresses(S), [at(9), at(7)]);
        seen.retain(|_| true, |_| false);
        assert_eq!(seen.addresses(S), [at(7)]);
    }

    #[test]
    fn behind_a_translator_with_an_address_for_each_peer_the_choice_stays() {
        let mut seen = Seen::default();
        seen.handle(S, 0, site(0), at(900));
        assert_eq!(seen.addresses(S), [at(900)]);
        for number in 1..50 {
            seen.handle(S, number.into(), site(number), at(800 - u16::from(number)));
            assert_eq!(seen.addresses(S)[0], at(900));
            assert_eq!(seen.addresses(S).len(), limit::SEEN);
        }
    }

    #[test]
    fn a_word_ends_with_its_time_with_its_path_and_with_the_next_word() {
        let mut seen = Seen::default();
        seen.handle(S, 0, site(1), at(1));
        seen.handle(S, 1, site(2), at(2));
        seen.handle(S, 1, site(2), at(3));
        assert_eq!(seen.addresses(S), [at(1), at(3)]);
        seen.handle(S, 2, site(3), at(4));
        assert_eq!(seen.addresses(S), [at(1), at(3)]);
        assert_eq!(seen.with_word_of(2), [at(1), at(3), at(4)]);
        assert_eq!(seen.with_word_of(0), [at(1), at(3)]);
        seen.handle_answer(S, at(9), at(5));
        assert_eq!(seen.addresses(S), [at(1), at(3)]);
        seen.retain(|path| *path == 0, |_| false);
        assert_eq!(seen.addresses(S), [at(1)]);
        assert_eq!(seen.addresses(S + limit::SEEN_LASTS - S), [at(1)]);
        assert!(seen.addresses(S + limit::SEEN_LASTS + limit::SEEN_LOOK).is_empty());
    }
}
