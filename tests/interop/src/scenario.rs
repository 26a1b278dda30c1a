//! The scenarios. A far end is a site of its own on a cable to ours; `they_begin` says who knows where the other one is.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use patronus_ipc::tunnel::PathState;
use patronus_lab::{
    Foreign, Implementation, Site,
    carry::{MEGABYTE, tcp, udp},
    foreign::OURS,
};

use crate::TUNNEL;

/// WireGuard opens a new session every 120 s (REKEY_AFTER_TIME); a whole minute more for each is more than enough.
const REKEYS: usize = 3;
const REKEYS_WITHIN: Duration = Duration::from_secs(180 * REKEYS as u64);
/// Where an end is after it has moved.
const OURS_MOVED: &str = "192.0.2.11";
const THEIR_PORT_MOVED: u16 = 4500;
/// What a bad line does, in the words of `tc`.
const BAD_LINE: &str = "qdisc add dev eth0 root netem delay 20ms 5ms loss 5% reorder 25%";

/// With whom, and whether they begin.
type WithOthers = fn(Implementation<'static>, bool);

pub(crate) const ALL: [(&str, WithOthers); 4] =
    [("carries", carries), ("rekeys", rekeys), ("roams", roams), ("crosses_a_bad_line", crosses_a_bad_line)];

/// Both protocols, small and large, both ways.
fn carries(implementation: Implementation<'static>, they_begin: bool) {
    let (ours, far) = meet(implementation, they_begin);
    both_ways(&ours, &far);
}

/// A datagram a second each way is answered through three changes of the session's keys, without one lost.
fn rekeys(implementation: Implementation<'static>, they_begin: bool) {
    let (ours, far) = meet(implementation, they_begin);
    let (began, mut changes, mut age_ms) = (Instant::now(), 0, 0);
    while changes < REKEYS {
        assert!(began.elapsed() < REKEYS_WITHIN, "{changes} changes of keys after {:?}", began.elapsed());
        sleep(Duration::from_secs(1));
        udp(&ours.namespace, &far.namespace, "10.2.0.1", 100);
        udp(&far.namespace, &ours.namespace, "10.1.0.1", 100);
        let now_ms = path(&ours).session_age_ms.expect("a session all the time");
        changes += usize::from(now_ms < age_ms);
        age_ms = now_ms;
    }
    assert_eq!(path(&ours).lost, 0);
}

/// The far end moves to another port, as behind a provider that translates, and ours to another address; the session goes on.
fn roams(implementation: Implementation<'static>, they_begin: bool) {
    let (ours, far) = meet(implementation, they_begin);
    let handshakes = || (path(&ours).sent.handshakes, path(&ours).received.handshakes);
    let before = handshakes();

    far.listen_on(THEIR_PORT_MOVED);
    let is_there = |path: &PathState| path.endpoint.is_some_and(|endpoint| endpoint.port() == THEIR_PORT_MOVED);
    ours.wait_for("the far end's new port", |state| state.paths.iter().all(is_there));
    both_ways(&ours, &far);

    ours.namespace.ip(&["addr", "del", &format!("{OURS}/24"), "dev", "eth0"]);
    ours.namespace.ip(&["addr", "add", &format!("{OURS_MOVED}/24"), "dev", "eth0"]);
    udp(&ours.namespace, &far.namespace, "10.2.0.1", 100);
    ours.eventually("our new address over there", || far.endpoint().starts_with(OURS_MOVED));
    both_ways(&ours, &far);
    assert_eq!(handshakes(), before, "the same session");
}

/// Loss and reordering in both directions cost time, not bytes, and are counted.
fn crosses_a_bad_line(implementation: Implementation<'static>, they_begin: bool) {
    let (ours, far) = meet(implementation, they_begin);
    for namespace in [&ours.namespace, &far.namespace] {
        assert!(namespace.command("tc").args(BAD_LINE.split(' ')).status().unwrap().success());
    }
    tcp(&ours.namespace, &far.namespace, "10.2.0.1", MEGABYTE / 4);
    tcp(&far.namespace, &ours.namespace, "10.1.0.1", MEGABYTE / 4);
    let counted = |path: &PathState| path.lost > 0 && path.reordered > 0;
    ours.wait_for("loss and reordering counted", |state| state.paths.iter().all(counted));
}

fn meet(implementation: Implementation<'static>, they_begin: bool) -> (Site, Foreign) {
    let mut ours = Site::new(TUNNEL.as_ref(), 1, &["eth0"]);
    let far = Foreign::facing(&mut ours, implementation, they_begin);
    (ours, far)
}

fn both_ways(ours: &Site, far: &Foreign) {
    let (here, there) = (&ours.namespace, &far.namespace);
    for (from, to, addresses) in [(here, there, ["10.2.0.1", "fd00:2::1"]), (there, here, ["10.1.0.1", "fd00:1::1"])] {
        for address in addresses {
            udp(from, to, address, 64);
            udp(from, to, address, 1300);
            tcp(from, to, address, MEGABYTE / 4);
        }
    }
}

fn path(ours: &Site) -> PathState {
    ours.wait_for("a path", |state| !state.paths.is_empty()).paths[0].clone()
}
