//! What sites tell each other of their addresses, and paths that a relay carries.

use super::*;
use crate::note::{Note, Parcel};

const R: &str = "192.0.2.3:51830";
/// Where the others see A and B.
const SEEN_A: &str = "198.51.100.1:4001";
const SEEN_B: &str = "198.51.100.2:4002";

/// A and B, who hear each other only if the air is clear, and a relay that hears both.
struct Three {
    a: Site,
    b: Site,
    relay: Site,
    is_clear: bool,
    now: Duration,
    heard: Vec<usize>,
}

impl Three {
    fn new(is_clear: bool) -> Self {
        let (mut a, mut b, mut relay) = (Site::new(1), Site::new(2), Site::new(3));
        let (wanted_a, wanted_b) = (a.wanted(&[A]), b.wanted(&[B]));
        let wanted_relay = Wanted { is_relay: true, ..relay.wanted(&[R]) };
        a.shard.apply(S, &[wanted_b.clone(), wanted_relay.clone()]);
        b.shard.apply(S, &[wanted_a.clone(), wanted_relay]);
        relay.shard.set_relay(true, 1);
        relay.shard.apply(S, &[Wanted { candidates: vec![], ..wanted_a }, Wanted { candidates: vec![], ..wanted_b }]);
        let mut three = Self { a, b, relay, is_clear, now: S, heard: Vec::new() };
        three.settle();
        three
    }

    /// Carries what all send until nobody says anything.
    fn settle(&mut self) {
        loop {
            let sent = [self.a.sent(), self.b.sent(), self.relay.sent()];
            if sent.iter().all(Vec::is_empty) {
                return;
            }
            for (source, sent) in [SEEN_A, SEEN_B, R].into_iter().zip(sent) {
                sent.iter().for_each(|sent| self.carry(source, sent));
            }
        }
    }

    fn carry(&mut self, source: &str, (to, datagram): &Sent) {
        let to = to.to_string();
        let site = match to.as_str() {
            R => &mut self.relay,
            SEEN_A | A if source == R || self.is_clear => &mut self.a,
            SEEN_B | B if source == R || self.is_clear => &mut self.b,
            _ => return,
        };
        site.shard.handle_datagrams(self.now, source.parse().unwrap(), datagram, datagram.len());
    }

    /// Lets time pass.
    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds * 4 {
            self.now += limit::TICK;
            for site in [&mut self.a, &mut self.b, &mut self.relay] {
                site.shard.handle_timeout(self.now);
            }
            self.settle();
        }
    }

    /// A path of A's, to B or to the relay.
    fn path(&self, peer: &Site) -> PathState {
        let paths = self.a.shard.state(HERE, self.now);
        paths.into_iter().find(|path| path.peer == SiteId([peer.number; 32])).unwrap()
    }

    /// A packet of this length from A to B, and the lengths of what arrives.
    fn parts(&mut self, bytes: u16) -> Vec<usize> {
        assert_eq!(self.arrive(bytes, true), 0);
        std::mem::take(&mut self.heard)
    }

    /// A packet of this length from A to B, and whether it arrives as it was.
    fn arrive(&mut self, bytes: u16, may_be_cut: bool) -> usize {
        let mut packet =
            vec![0x45, 0, 0, 0, 0, 0, if may_be_cut { 0 } else { 0x40 }, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];
        packet[2..4].copy_from_slice(&bytes.to_be_bytes());
        packet.resize(bytes.into(), 7);
        self.a.shard.handle_frame(self.now, HERE, &Header::default(), &packet);
        self.settle();
        let mut count = 0;
        while let Some(frame) = self.b.shard.poll_frame() {
            let heard: Vec<u8> = frame.parts().flatten().copied().collect();
            self.heard.push(heard.len());
            count += usize::from(heard == packet);
        }
        count
    }
}

#[test]
fn a_site_learns_where_its_slot_is_seen_from_who_has_a_session_with_it() {
    let mut three = Three::new(true);
    three.pass(2);
    assert_eq!(three.a.shard.seen(three.now), [SEEN_A.parse().unwrap()]);
    assert_eq!(three.b.shard.seen(three.now), [SEEN_B.parse().unwrap()]);
    assert_eq!(three.relay.shard.seen(three.now), [R.parse().unwrap()]);
}

#[test]
fn who_hears_each_other_does_not_need_the_relay() {
    let mut three = Three::new(true);
    three.pass(60);
    assert_eq!((three.path(&three.b).via, three.path(&three.b).endpoint), (None, Some(SEEN_B.parse().unwrap())));
    assert_eq!(three.arrive(1400, false), 1);
    assert_eq!(three.path(&three.relay).received.packets, 0);
}

#[test]
fn who_does_not_hear_each_other_is_carried_by_the_relay_until_the_air_is_clear_and_keeps_the_session() {
    let mut three = Three::new(false);
    assert_eq!(three.path(&three.b).status, PathStatus::Down);
    three.pass(5);
    let path = three.path(&three.b);
    assert_eq!((path.status, path.via, path.endpoint), (PathStatus::Up, Some(SiteId([3; 32])), None));
    assert_eq!(three.arrive(1280, false), 1);
    let handshakes = path.received.handshakes;
    three.pass(60);
    three.is_clear = true;
    three.pass(10);
    let path = three.path(&three.b);
    assert_eq!((path.via, path.endpoint), (None, Some(SEEN_B.parse().unwrap())));
    assert_eq!(path.received.handshakes, handshakes, "it is the same session");
    assert_eq!(three.arrive(1400, false), 1);
    assert!(three.relay.rejected().is_empty(), "{:?}", three.relay.rejected());
}

#[test]
fn a_peer_that_does_not_answer_is_called_directly_and_through_the_relay_by_turns() {
    let mut three = Three::new(false);
    three.b.shard.apply(S, &[]);
    let (mut direct_s, mut relayed_s) = (vec![0], Vec::new());
    for tick in 1..=4 * 30 {
        three.now += limit::TICK;
        three.a.shard.handle_timeout(three.now);
        for (to, datagram) in three.a.sent() {
            match (to == B.parse().unwrap(), datagram.len() > limit::HANDSHAKE_BYTES) {
                (true, _) => direct_s.push(tick / 4),
                (false, true) => relayed_s.push(tick / 4),
                (false, false) => {}
            }
        }
        three.settle();
    }
    assert_eq!((direct_s.as_slice(), relayed_s.as_slice()), ([0, 1, 7, 17, 27].as_slice(), [3, 12, 22].as_slice()));
}

#[test]
fn a_new_address_of_the_peer_is_tried_at_once() {
    let mut three = Three::new(false);
    three.pass(11);
    let wanted = [three.b.wanted(&[B, "203.0.113.9:9"]), Wanted { is_relay: true, ..three.relay.wanted(&[R]) }];
    three.a.shard.apply(three.now, &wanted);
    let tried: Vec<String> = three.a.sent().iter().map(|(to, _)| to.to_string()).collect();
    assert!(tried.contains(&"203.0.113.9:9".to_owned()), "{tried:?}");
}

#[test]
fn two_whom_a_relay_carries_tell_each_other_where_they_are_seen() {
    let mut three = Three::new(false);
    three.pass(5);
    // Nobody has announced it, and only there A can be reached.
    three.is_clear = true;
    let wanted =
        [Wanted { candidates: vec![], ..three.a.wanted(&[]) }, Wanted { is_relay: true, ..three.relay.wanted(&[R]) }];
    three.b.shard.apply(three.now, &wanted);
    let wanted = [three.b.wanted(&[]), Wanted { is_relay: true, ..three.relay.wanted(&[R]) }];
    three.a.shard.apply(three.now, &wanted);
    three.pass(11);
    assert_eq!(three.path(&three.b).endpoint, Some(SEEN_B.parse().unwrap()));
}

#[test]
fn the_peer_of_a_relayed_path_names_as_many_addresses_as_the_limit_says() {
    let mut path = crate::Path::new(Site::new(2).wanted(&[B]), Boring::new([1; 32]).session(&[2; 32], 0));
    let addresses: Vec<SocketAddr> = (1..=limit::HINTS as u16 + 1).map(|port| ([192, 0, 2, 9], port).into()).collect();
    addresses.iter().for_each(|address| path.handle_hint(*address));
    let newest: Vec<SocketAddr> = addresses[1..].iter().rev().copied().collect();
    assert_eq!(path.hints, newest);
}

#[test]
fn a_packet_too_long_for_the_relay_is_answered_or_carried_in_two_parts() {
    let mut three = Three::new(false);
    three.pass(5);
    assert_eq!(three.arrive(1400, false), 0);
    let frame = three.a.shard.poll_frame().unwrap();
    let told: Vec<u8> = frame.parts().flatten().copied().collect();
    assert_eq!((&told[12..20], told[20], told[21]), ([10, 2, 0, 1, 10, 1, 0, 1].as_slice(), 3, 4));
    assert_eq!(u16::from_be_bytes([told[26], told[27]]), 1280);
    assert_eq!(three.a.rejected()["too-long"], 1);
    three.a.shard.poll_frame();
    assert_eq!(three.parts(1400), [1276, 144]);
}

#[test]
fn a_path_leaves_a_relay_that_is_none_any_more() {
    let mut three = Three::new(false);
    three.pass(5);
    let wanted = [three.b.wanted(&[B]), three.relay.wanted(&[R])];
    three.a.shard.apply(three.now, &wanted);
    assert_eq!(three.path(&three.b).status, PathStatus::Down);
    assert_eq!(three.arrive(100, false), 0);
}

#[test]
fn a_relay_carries_for_members_within_their_share_and_each_refusal_has_its_name() {
    let mut three = Three::new(false);
    three.pass(5);
    let parcel = |site: u8, slot: u8| Parcel {
        site: SiteId([site; 32]),
        slot: UplinkSlot::new(slot).unwrap(),
        datagram: &[4; 64],
    };
    let index_of = |site: &Site, peer: u8| {
        let path = site.shard.paths.iter().find(|(_, path)| path.wanted.peer == SiteId([peer; 32]));
        *path.unwrap().0
    };
    let (from, now) = (Way::Direct(SEEN_A.parse().unwrap()), three.now);
    let hear = |site: &mut Site, way: Way, index: Index, note: Note<'_>| {
        let mut packet = [0; 256];
        let length = note.write(&mut packet).unwrap();
        site.shard.hear_note(now, way, index, &packet[..length])
    };
    let a_at_relay = index_of(&three.relay, 1);
    assert_eq!(hear(&mut three.relay, from, a_at_relay, Note::Carry(parcel(2, 0))), Ok(()));
    assert_eq!(hear(&mut three.relay, from, a_at_relay, Note::Carry(parcel(2, 1))), Err(Reject::RelayUnknownSite));
    assert_eq!(hear(&mut three.relay, from, a_at_relay, Note::Carry(parcel(9, 0))), Err(Reject::RelayUnknownSite));
    assert_eq!(hear(&mut three.relay, from, a_at_relay, Note::Carried(parcel(2, 0))), Err(Reject::RelayNotGranted));
    let via = Way::Via(crate::way::Via { relay: a_at_relay, peer: SiteId([1; 32]), slot: HERE });
    assert_eq!(hear(&mut three.relay, via, a_at_relay, Note::Carry(parcel(2, 0))), Err(Reject::RelayNested));
    assert_eq!(three.relay.shard.hear_note(now, from, a_at_relay, &[0x45; 21]), Err(Reject::NoteMalformed));
    let to_b = index_of(&three.relay, 2);
    three.relay.shard.paths.get_mut(&to_b).unwrap().leave_relay();
    assert_eq!(hear(&mut three.relay, from, a_at_relay, Note::Carry(parcel(2, 0))), Err(Reject::RelayNoPath));
    let relay_at_a = index_of(&three.a, 3);
    assert_eq!(hear(&mut three.a, from, relay_at_a, Note::Carry(parcel(2, 0))), Err(Reject::RelayNotHere));
    let all = 0..limit::RELAY_DATAGRAMS_PER_SECOND;
    let over = all.map(|_| hear(&mut three.relay, from, a_at_relay, Note::Carry(parcel(9, 0)))).last();
    assert_eq!(over, Some(Err(Reject::RelayShare)));
}

#[test]
fn a_device_does_not_send_what_looks_like_a_note() {
    let mut a = Site::new(1);
    let mut wanted = Site::new(2).wanted(&[B]);
    wanted.prefixes = vec!["0.0.0.0/0".parse().unwrap()];
    a.shard.apply(S, &[wanted]);
    let mut note = [0; 48];
    let length = Note::Probe.write(&mut note).unwrap();
    a.shard.handle_frame(S, HERE, &Header::default(), &note[..length]);
    assert_eq!(a.rejected(), BTreeMap::from([("note-malformed".to_owned(), 1)]));
}
