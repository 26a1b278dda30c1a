//! Two sites that no provider connects, and a relay with a slot at each one's provider.

use super::*;

const R0: &str = "192.0.2.3:51830";
const R1: &str = "192.0.2.3:51831";
const OTHER: UplinkSlot = UplinkSlot::new(1).unwrap();

struct Apart {
    a: Site,
    b: Site,
    /// Its slots; they have different keys and are one site.
    relay: [Site; 2],
    now: Duration,
}

impl Apart {
    fn new(slots: usize) -> Self {
        let (mut a, mut b, mut relay) = (Site::new(1), Site::new(2), [Site::new(3), Site::new(4)]);
        let wanted = |site: &Site, candidates: &[&str]| site.wanted(candidates);
        let near = Wanted { is_relay: true, ..wanted(&relay[0], &[R0]) };
        let far = Wanted { is_relay: true, peer: near.peer, remote: OTHER, ..wanted(&relay[1], &[R1]) };
        a.shard.apply(S, &[wanted(&b, &[B]), near]);
        b.shard.apply(S, &[wanted(&a, &[A]), far]);
        for slot in &mut relay {
            slot.shard.set_relay(true, slots);
            slot.shard.apply(S, &[wanted(&a, &[]), wanted(&b, &[])]);
        }
        Self { a, b, relay, now: S }
    }

    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds * 4 {
            self.now += limit::TICK;
            let [near, far] = &mut self.relay;
            for site in [&mut self.a, &mut self.b, near, far] {
                site.shard.handle_timeout(self.now);
            }
            while self.carry() {}
        }
    }

    /// Whether anybody said something.
    fn carry(&mut self) -> bool {
        let [near, far] = &mut self.relay;
        let sent = [self.a.sent(), self.b.sent(), near.sent(), far.sent()];
        for (sender, sent) in sent.iter().enumerate() {
            for (to, datagram) in sent {
                let (site, from) = match (sender, to.to_string().as_str()) {
                    (0, R0) => (&mut *near, A),
                    (1, R1) => (&mut *far, B),
                    (2, A) => (&mut self.a, R0),
                    (3, B) => (&mut self.b, R1),
                    // Nothing leads there.
                    _ => continue,
                };
                site.shard.handle_datagrams(self.now, from.parse().unwrap(), datagram, datagram.len());
            }
        }
        let mut has_passed = false;
        while let Some(passed) = near.shard.poll_passed() {
            has_passed = true;
            far.shard.handle_passed(self.now, passed);
        }
        while let Some(passed) = far.shard.poll_passed() {
            has_passed = true;
            near.shard.handle_passed(self.now, passed);
        }
        has_passed || sent.iter().any(|sent| !sent.is_empty())
    }

    fn path(&self) -> PathState {
        let paths = self.a.shard.state(HERE, self.now);
        paths.into_iter().find(|path| path.peer == SiteId([2; 32])).unwrap()
    }
}

#[test]
fn who_is_at_different_providers_meets_in_a_relay_that_is_at_both() {
    let mut apart = Apart::new(2);
    apart.pass(10);
    let path = apart.path();
    assert_eq!((path.status, path.via), (PathStatus::Up, Some(SiteId([3; 32]))));
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 1, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];
    packet.resize(40, 7);
    apart.a.shard.handle_frame(apart.now, HERE, &Header::default(), &packet);
    while apart.carry() {}
    assert_eq!(apart.b.frames(), 1);
}

#[test]
fn a_relay_that_hears_the_peer_on_no_slot_says_so_after_one_round() {
    let mut apart = Apart::new(2);
    // B was never switched on.
    apart.b = Site::new(2);
    apart.pass(20);
    let rejected = apart.relay.each_ref().map(|slot| slot.rejected().get("relay-no-path").copied().unwrap_or(0));
    assert!(rejected[0] == 0 && rejected[1] > 0, "{rejected:?}");

    let mut alone = Apart::new(1);
    alone.pass(10);
    assert!(alone.relay[0].rejected()["relay-no-path"] > 0);
    assert_eq!(alone.path().status, PathStatus::Down);
}
