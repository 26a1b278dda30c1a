//! Two shards and the datagrams between them, without a kernel.

use patronus_ipc::tunnel::PathStatus;
use patronus_types::SiteId;
use proptest::prelude::*;

use super::*;
use crate::noise::Boring;

mod narrow;
mod passed;
mod relayed;

const S: Duration = Duration::from_secs(1);
const HERE: UplinkSlot = UplinkSlot::new(0).unwrap();
const A: &str = "192.0.2.1:51830";
const B: &str = "192.0.2.2:51830";

struct Site {
    shard: Shard<Boring>,
    number: u8,
}

/// A datagram on its way.
type Sent = (SocketAddr, Vec<u8>);

impl Site {
    fn new(number: u8) -> Self {
        Self { shard: Shard::new(Boring::new([number; 32]), u32::from(number) << 8), number }
    }

    fn wanted(&self, candidates: &[&str]) -> Wanted {
        Wanted {
            peer: SiteId([self.number; 32]),
            is_relay: false,
            remote: HERE,
            public_key: self.shard.engine.public_key(),
            candidates: candidates.iter().map(|candidate| candidate.parse().unwrap()).collect(),
            prefixes: vec![format!("10.{}.0.0/16", self.number).parse().unwrap()],
            keepalive: Some(S * 10),
        }
    }

    fn sent(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Some(batch) = self.shard.poll_transmit() {
            sent.extend(batch.bytes.chunks(batch.segment_bytes).map(|datagram| (batch.to, datagram.to_vec())));
        }
        sent
    }

    fn hear(&mut self, from: &str, sent: &[Sent]) {
        for (_, datagram) in sent {
            self.shard.handle_datagrams(S, from.parse().unwrap(), datagram, datagram.len());
        }
    }

    /// Sends an IPv4 packet with these addresses.
    fn packet(&mut self, source: [u8; 4], destination: [u8; 4]) -> Vec<Sent> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 1, 0, 0];
        packet.extend_from_slice(&source);
        packet.extend_from_slice(&destination);
        packet.resize(40, 7);
        self.shard.handle_frame(S, HERE, &Header::default(), &packet);
        self.sent()
    }

    fn frames(&mut self) -> usize {
        let mut count = 0;
        while let Some(frame) = self.shard.poll_frame() {
            assert_eq!(frame.parts().map(<[u8]>::len).sum::<usize>(), 40, "without padding");
            count += 1;
        }
        count
    }

    fn rejected(&self) -> BTreeMap<String, u64> {
        self.shard.rejects().by_name()
    }

    fn path(&self) -> PathState {
        self.shard.state(HERE, S).remove(0)
    }

    /// A packet of ours to the other site.
    fn ping(&mut self, to: &Self) -> Vec<Sent> {
        self.packet([10, self.number, 0, 1], [10, to.number, 0, 1])
    }
}

/// Carries what both send until neither says anything.
fn settle(a: &mut Site, b: &mut Site) {
    loop {
        let (from_a, from_b) = (a.sent(), b.sent());
        if from_a.is_empty() && from_b.is_empty() {
            return;
        }
        b.hear(A, &from_a);
        a.hear(B, &from_b);
    }
}

/// Two sites that know each other; their first initiations wait to be sent.
fn acquainted() -> (Site, Site) {
    let (mut a, mut b) = (Site::new(1), Site::new(2));
    let (wanted_a, wanted_b) = (a.wanted(&[A]), b.wanted(&[B]));
    a.shard.apply(S, &[wanted_b]);
    b.shard.apply(S, &[wanted_a]);
    (a, b)
}

fn connected() -> (Site, Site) {
    let (mut a, mut b) = acquainted();
    settle(&mut a, &mut b);
    (a, b)
}

#[test]
fn two_that_begin_at_once_have_one_tunnel_that_carries_both_ways() {
    let (mut a, mut b) = connected();
    for _ in 0..3 {
        let there = a.ping(&b);
        b.hear(A, &there);
        let back = b.ping(&a);
        a.hear(B, &back);
    }
    assert_eq!((a.frames(), b.frames()), (3, 3));
    assert_eq!((a.path().status, b.path().status), (PathStatus::Up, PathStatus::Up));
    assert_eq!((a.path().sent.packets, a.path().sent.bytes, a.path().lost), (3, 120, 0));
    assert_eq!((a.rejected().len(), b.rejected().len()), (0, 0), "{:?} {:?}", a.rejected(), b.rejected());
}

#[test]
fn one_alone_reaches_a_peer_that_does_not_know_where_it_is() {
    let (mut a, mut b) = (Site::new(1), Site::new(2));
    let (wanted_a, wanted_b) = (a.wanted(&[]), b.wanted(&[B]));
    b.shard.apply(S, &[wanted_a]);
    assert!(b.sent().is_empty());
    a.shard.apply(S, &[wanted_b]);
    settle(&mut a, &mut b);
    assert_eq!(b.path().endpoint, Some(A.parse().unwrap()));
    let there = b.ping(&a);
    a.hear(B, &there);
    assert_eq!(a.frames(), 1);
}

#[test]
fn an_initiation_goes_to_all_candidates_and_the_one_that_answers_is_used() {
    let (mut a, mut b) = (Site::new(1), Site::new(2));
    let (wanted_a, wanted_b) = (a.wanted(&[]), b.wanted(&["198.51.100.7:51830", B, "[2001:db8::2]:51830"]));
    b.shard.apply(S, &[wanted_a]);
    a.shard.apply(S, &[wanted_b]);
    let sent = a.sent();
    let targets: Vec<String> = sent.iter().map(|(to, _)| to.to_string()).collect();
    assert_eq!(targets, ["198.51.100.7:51830", B, "[2001:db8::2]:51830"]);
    b.hear(A, &sent[1..2]);
    settle(&mut a, &mut b);
    assert_eq!(a.path().endpoint, Some(B.parse().unwrap()));
}

#[test]
fn an_initiation_without_answer_is_repeated_with_growing_pauses_for_ever() {
    let (mut a, b) = (Site::new(1), Site::new(2));
    let wanted = b.wanted(&[B]);
    a.shard.apply(Duration::ZERO, &[wanted]);
    let mut at_s = Vec::new();
    for tick in 0..=4 * 300 {
        let now = limit::TICK * tick;
        a.shard.handle_timeout(now);
        at_s.extend(a.sent().iter().map(|_| now.as_secs()));
    }
    assert_eq!(at_s[..6], [0, 1, 3, 7, 12, 17]);
    assert_eq!(at_s.last(), Some(&297));
}

#[test]
fn a_start_shakes_hands_with_all_peers_at_once() {
    const PEERS: u16 = 1000;
    let mut a = Site::new(1);
    let wanted: Vec<Wanted> = (0..PEERS)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            let mut wanted = a.wanted(&[&format!("10.99.{high}.{low}:51830")]);
            // Each its own key: any 32 bytes are one.
            (wanted.public_key[0], wanted.public_key[1]) = (high, low);
            (wanted.peer.0[0], wanted.peer.0[1]) = (high, low);
            wanted
        })
        .collect();
    a.shard.apply(S, &wanted);
    let mut called: std::collections::BTreeSet<SocketAddr> = a.sent().into_iter().map(|(to, _)| to).collect();
    while a.shard.deadline() <= S {
        a.shard.handle_timeout(S);
        called.extend(a.sent().into_iter().map(|(to, _)| to));
    }
    assert_eq!(called.len(), usize::from(PEERS));
}

#[test]
fn the_endpoint_follows_authentic_packets_and_no_others() {
    let (mut a, mut b) = connected();
    let there = a.ping(&b);
    let elsewhere = "203.0.113.9:4000";
    let mut forged = there.clone();
    *forged[0].1.last_mut().unwrap() ^= 1;
    b.hear(elsewhere, &forged);
    assert_eq!(b.path().endpoint, Some(A.parse().unwrap()));
    b.hear(elsewhere, &there);
    assert_eq!(b.path().endpoint, Some(elsewhere.parse().unwrap()), "it has moved");
    b.hear(A, &there);
    assert_eq!(b.path().endpoint, Some(elsewhere.parse().unwrap()), "a replay moves nothing");
    assert_eq!(b.rejected(), BTreeMap::from([("not-authentic".to_owned(), 1), ("replayed".to_owned(), 1)]));
    assert_eq!(b.frames(), 1);
}

#[test]
fn a_peer_sends_from_its_own_addresses_only() {
    let (mut a, mut b) = connected();
    let there = a.ping(&b);
    b.hear(A, &there);
    assert_eq!(b.frames(), 1);
    for source in [[10, 3, 0, 1], [10, 2, 0, 1], [127, 0, 0, 1], [0, 0, 0, 0]] {
        let there = a.packet(source, [10, 2, 0, 1]);
        b.hear(A, &there);
    }
    assert_eq!((b.frames(), b.rejected()["foreign-source"]), (0, 4));
}

#[test]
fn packets_to_nobody_and_before_there_is_a_session_are_dropped_by_name() {
    let (mut a, b) = acquainted();
    a.sent();
    assert!(a.ping(&b).is_empty());
    assert!(a.packet([10, 1, 0, 1], [8, 8, 8, 8]).is_empty());
    a.shard.handle_frame(S, HERE, &Header::default(), &[0x45; 7]);
    let expected = [("bad-frame", 1), ("no-peer", 1), ("no-session", 1)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(a.rejected(), BTreeMap::from(expected));
}

#[test]
fn what_was_sent_and_did_not_come_is_lost_and_what_came_late_is_reordered() {
    let (mut a, mut b) = connected();
    let mut sent: Vec<Sent> = (0..10).flat_map(|_| a.ping(&b)).collect();
    sent.remove(3);
    sent.swap(5, 6);
    b.hear(A, &sent);
    assert_eq!((b.path().lost, b.path().reordered, b.path().received.packets), (1, 1, 9));
}

#[test]
fn a_wish_that_still_has_the_path_keeps_the_session_and_one_without_it_ends_it() {
    let (mut a, mut b) = connected();
    let mut wanted = a.wanted(&["192.0.2.77:51830"]);
    b.shard.apply(S, std::slice::from_ref(&wanted));
    assert!(b.sent().iter().all(|(_, datagram)| datagram[0] == DATA), "nothing to shake hands about");
    let there = a.ping(&b);
    b.hear(A, &there);
    assert_eq!(b.frames(), 1);
    wanted.prefixes = vec!["10.99.0.0/16".parse().unwrap()];
    b.shard.apply(S, &[wanted]);
    let there = a.ping(&b);
    b.hear(A, &there);
    assert_eq!((b.frames(), b.rejected()["foreign-source"]), (0, 1), "a grant that is taken back");
    b.shard.apply(S, &[]);
    let there = a.ping(&b);
    b.hear(A, &there);
    assert_eq!((b.frames(), b.rejected()["unknown-session"]), (0, 1));
}

#[test]
fn a_peer_that_was_started_anew_is_heard_again() {
    let (mut a, mut b) = connected();
    let wanted_a = a.wanted(&[A]);
    b = Site::new(b.number);
    b.shard.apply(S, &[wanted_a]);
    settle(&mut a, &mut b);
    let there = b.ping(&a);
    a.hear(B, &there);
    let back = a.ping(&b);
    b.hear(A, &back);
    assert_eq!((a.frames(), b.frames()), (1, 1));
}

#[test]
fn a_silent_path_is_kept_alive() {
    let (mut a, mut b) = connected();
    for (tick, count) in [(2, 2), (5, 0), (11, 0), (12, 1), (21, 0), (22, 1)] {
        a.shard.handle_timeout(S * tick);
        let kept = a.sent();
        assert_eq!(kept.len(), count, "after {tick} s");
        b.hear(A, &kept);
    }
    assert_eq!((b.frames(), b.rejected().len(), b.path().received.packets), (0, 0, 0));
}

#[test]
fn strangers_get_no_answer_and_each_attempt_is_counted_under_its_name() {
    let (mut a, mut b) = connected();
    let mut stranger = Site::new(9);
    let not_for_b = Wanted { public_key: [0x55; 32], ..b.wanted(&[B]) };
    let knows_b = b.wanted(&[B]);
    let cases: [(&str, Vec<u8>); 9] = [
        ("not-wireguard", vec![]),
        ("not-wireguard", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("not-wireguard", vec![4, 0, 0, 0, 1]),
        ("not-wireguard", vec![5; 148]),
        ("unknown-session", [vec![4, 0, 0, 0], vec![0xee; 60]].concat()),
        ("unknown-session", [vec![2, 0, 0, 0], vec![0xee; 88]].concat()),
        ("unknown-session", [vec![3, 0, 0, 0], vec![0xee; 60]].concat()),
        ("stranger", {
            stranger.shard.apply(S, &[not_for_b]);
            stranger.sent().remove(0).1
        }),
        ("unknown-peer", {
            stranger.shard.apply(S, &[knows_b]);
            stranger.sent().remove(0).1
        }),
    ];
    for (name, datagram) in cases {
        let before = b.rejected().get(name).copied().unwrap_or(0);
        // An empty datagram is none for the core; the counter shows that all others were seen.
        b.shard.handle_datagrams(S, "203.0.113.66:9".parse().unwrap(), &datagram, datagram.len());
        let after = b.rejected().get(name).copied().unwrap_or(0);
        assert_eq!(after - before, u64::from(!datagram.is_empty()), "{name}: {:?}", b.rejected());
        assert!(b.sent().is_empty(), "an answer to {name}");
    }
    let there = a.ping(&b);
    b.hear(A, &there);
    assert_eq!(b.frames(), 1);
}

#[test]
fn an_initiation_that_is_heard_twice_is_answered_once() {
    let (mut a, mut b) = acquainted();
    b.sent();
    let initiation = a.sent();
    b.hear(A, &initiation);
    assert_eq!(b.sent().len(), 1);
    b.hear("203.0.113.66:9", &initiation);
    assert!(b.sent().is_empty());
    assert_eq!(b.rejected(), BTreeMap::from([("handshake-replayed".to_owned(), 1)]));
    assert_eq!(b.path().endpoint, Some(A.parse().unwrap()));
}

#[test]
fn under_a_flood_of_handshakes_addresses_must_be_proved_and_a_proved_one_has_a_budget() {
    let (mut a, mut b) = connected();
    let (mut stranger, wanted) = (Site::new(9), b.wanted(&[B]));
    stranger.shard.apply(S, &[wanted]);
    let initiation = stranger.sent();
    let source = |number: u32| SocketAddr::new(IpAddr::from((0x0a09_0000 + number).to_be_bytes()), 9);
    let hear =
        |b: &mut Site, from: SocketAddr| b.shard.handle_datagrams(S, from, &initiation[0].1, limit::HANDSHAKE_BYTES);
    for _ in 0..=limit::SOURCE_BURST {
        hear(&mut b, source(0));
    }
    assert_eq!(b.rejected()["source-budget"], 1, "{:?}", b.rejected());
    let mut cookies = 0;
    for number in 1..2 * limit::HANDSHAKES_PER_SECOND as u32 {
        hear(&mut b, source(number));
        cookies += b.sent().iter().filter(|(to, reply)| *to == source(number) && reply.len() == 64).count();
    }
    // The engine's second may pass meanwhile, and then others are heard without proof.
    assert!(cookies > 0, "{:?}", b.rejected());
    assert_eq!(b.rejected()["cookie"], cookies as u64);
    assert!(b.shard.budget.len() <= limit::SOURCES);
    let there = a.ping(&b);
    b.hear(A, &there);
    assert_eq!(b.frames(), 1, "sessions are not concerned");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_datagram_ends_the_process_or_the_session(
        garbage in proptest::collection::vec((0..6_u8, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200)), 1..40),
        bit in any::<prop::sample::Index>(),
    ) {
        let (mut a, mut b) = connected();
        let there = a.ping(&b);
        for (kind, real, mut bytes) in garbage {
            if bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&[kind, 0, 0, 0]);
            }
            // Some carry the index of the live session.
            if real && bytes.len() >= 12 {
                let at = if kind == 2 { 8 } else { 4 };
                bytes[at..at + 4].copy_from_slice(&there[0].1[4..8]);
            }
            b.shard.handle_datagrams(S, "203.0.113.66:9".parse().unwrap(), &bytes, bytes.len());
        }
        let mut altered = there.clone();
        let bit = bit.index(altered[0].1.len() * 8);
        altered[0].1[bit / 8] ^= 1 << (bit % 8);
        b.hear("203.0.113.66:9", &altered);
        b.hear(A, &there);
        prop_assert_eq!(b.frames(), 1);
        prop_assert_eq!(b.path().endpoint, Some(A.parse().unwrap()));
    }
}
