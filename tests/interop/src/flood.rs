//! A tunnel that carries while a stranger sends what strangers can, as fast as the line takes it.

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::Duration,
};

use patronus_lab::{
    Site,
    carry::{self, MEGABYTE, tcp},
    site::two_with_a_tunnel,
};
use patronus_tunnel::noise::{Boring, Engine, Session};

use crate::TUNNEL;

/// One datagram of each kind this often. The machine executes 125 million instructions a second: this is a third of what it can do.
const ROUND_EVERY: Duration = Duration::from_millis(4);
/// So many must have been sent for the test to mean something.
const FLOOD_AT_LEAST: u64 = 4_000;
/// What goes through the tunnel meanwhile, at an even pace.
const DATAGRAMS: usize = 2_000;
const DATAGRAM_EVERY: Duration = Duration::from_millis(5);
/// At most one in a hundred may be lost.
const ARRIVE_AT_LEAST: usize = DATAGRAMS - DATAGRAMS / 100;

pub(crate) fn an_established_tunnel_loses_at_most_one_packet_in_a_hundred() {
    let (a, b) = two_with_a_tunnel(TUNNEL.as_ref());
    a.namespace.ip(&["addr", "add", "192.0.2.66/24", "dev", "eth0"]);
    let key = b.keys(1)[0].0;
    let stop = Arc::new(AtomicBool::new(false));
    let stranger = {
        let stop = Arc::clone(&stop);
        a.namespace.run(move || flood(&key, &stop))
    };
    let arrived = carry::stream(&a.namespace, &b.namespace, &b.address(), DATAGRAMS, DATAGRAM_EVERY);
    tcp(&a.namespace, &b.namespace, &b.address(), MEGABYTE);
    tcp(&b.namespace, &a.namespace, &a.address(), MEGABYTE);
    stop.store(true, Ordering::Relaxed);
    let (sent, answers) = stranger.join().unwrap();
    println!("{arrived} of {DATAGRAMS} datagrams arrived during a flood of {sent}");
    assert!(sent >= FLOOD_AT_LEAST, "{sent}");
    assert!(arrived >= ARRIVE_AT_LEAST, "{arrived} of {DATAGRAMS}");
    assert_eq!(answers, 0, "a stranger heard something");
    everything_is_counted(&b);
    b.wait_up(1);
}

fn everything_is_counted(site: &Site) {
    let state = site.wait_for("counts", |state| state.rejected.contains_key("not-wireguard"));
    let rejected = |name: &str| state.rejected.get(name).copied().unwrap_or(0);
    assert!(rejected("unknown-session") > 0 && rejected("stranger") > 0 && rejected("unknown-peer") > 0, "{state:?}");
    assert!(rejected("source-budget") + rejected("cookie") > 0, "{state:?}");
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
    while !stop.load(Ordering::Relaxed) {
        sleep(ROUND_EVERY);
        for datagram in &kinds {
            sent += u64::from(socket.send(datagram).is_ok());
        }
        while let Ok(count) = socket.recv(&mut heard) {
            answers += u64::from(heard[..count].first() != Some(&3));
        }
    }
    (sent, answers)
}
