//! A tunnel that carries while strangers send what they can.

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use patronus_tunnel::noise::{Boring, Engine, Session};

use crate::lab::{MEGABYTE, tcp, two_with_a_tunnel};

/// Rounds of one datagram of each kind, per millisecond: 40,000 datagrams a second.
const ROUNDS_PER_MS: u128 = 10;
/// So many must have been sent for the test to mean something.
const FLOOD_AT_LEAST: u64 = 10_000;

#[test]
fn a_flood_of_garbage_and_of_handshakes_does_not_end_or_starve_a_tunnel() {
    let (a, b) = two_with_a_tunnel();
    a.namespace.ip(&["addr", "add", "192.0.2.66/24", "dev", "eth0"]);
    let key = b.keys(1)[0].0;
    let stop = Arc::new(AtomicBool::new(false));
    let flood = {
        let stop = Arc::clone(&stop);
        a.namespace.run(move || flood(&key, &stop))
    };
    tcp(&a, &b, &b.address(), 20 * MEGABYTE);
    tcp(&b, &a, &a.address(), 20 * MEGABYTE);
    stop.store(true, Ordering::Relaxed);
    let (sent, answers) = flood.join().unwrap();
    assert!(sent > FLOOD_AT_LEAST, "{sent}");
    let state = b.wait_for("counts", |state| state.rejected.contains_key("not-wireguard"));
    let rejected = |name: &str| state.rejected.get(name).copied().unwrap_or(0);
    assert!(rejected("unknown-session") > 0 && rejected("stranger") > 0 && rejected("unknown-peer") > 0, "{state:?}");
    assert!(rejected("source-budget") + rejected("cookie") > 0, "{state:?}");
    assert_eq!(answers, 0, "a stranger heard something");
    b.wait_up(1);
}

/// Sends one of each kind in turn; returns how many, and how many answers came but for cookie replies, which only those get who know
/// the slot's key.
fn flood(key: &[u8; 32], stop: &AtomicBool) -> (u64, u64) {
    let socket = UdpSocket::bind("192.0.2.66:0").unwrap();
    socket.connect("192.0.2.2:51830").unwrap();
    socket.set_nonblocking(true).unwrap();
    let initiation = |to: &[u8; 32]| {
        let mut message = [0; 148];
        Boring::new([9; 32]).session(to, 1).initiate(&mut message).unwrap();
        message.to_vec()
    };
    let data = [vec![4, 0, 0, 0], vec![0xee; 1400]].concat();
    let kinds = [vec![0xff; 1400], data, initiation(&[0x55; 32]), initiation(key)];
    let (mut sent, mut answers, mut heard) = (0, 0, [0; 2000]);
    let (started, mut rounds) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        if started.elapsed().as_millis() * ROUNDS_PER_MS < rounds {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        rounds += 1;
        for datagram in &kinds {
            sent += u64::from(socket.send(datagram).is_ok());
        }
        while let Ok(count) = socket.recv(&mut heard) {
            answers += u64::from(heard[..count].first() != Some(&3));
        }
    }
    (sent, answers)
}
