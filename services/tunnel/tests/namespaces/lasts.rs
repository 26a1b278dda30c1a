//! What sessions survive: moves, kills, restarts, new keys.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use patronus_ipc::tunnel::{Reply, Request};

use crate::lab::{MEGABYTE, slot, tcp, two_with_a_tunnel, udp};

/// How long a killed tunnel may keep its packets waiting.
const GAP: Duration = Duration::from_secs(2);

#[test]
fn a_site_whose_address_changes_is_followed_without_a_handshake() {
    let (a, b) = two_with_a_tunnel();
    udp(&a, &b, &b.address(), 64);
    let before = b.wait_up(1)[0].received.handshakes;
    a.namespace.ip(&["addr", "del", "192.0.2.1/24", "dev", "eth0"]);
    a.namespace.ip(&["addr", "add", "192.0.2.99/24", "dev", "eth0"]);
    udp(&a, &b, &b.address(), 64);
    let moved = |endpoint: Option<std::net::SocketAddr>| endpoint == Some("192.0.2.99:51830".parse().unwrap());
    let state = b.wait_for("the new address", |state| moved(state.paths[0].endpoint));
    assert_eq!(state.paths[0].received.handshakes, before);
    udp(&b, &a, &a.address(), 64);
}

#[test]
fn a_killed_tunnel_is_back_within_two_seconds_and_a_connection_goes_on() {
    let (mut a, b) = two_with_a_tunnel();
    let address = b.address();
    let listener = b.namespace.inside(move || TcpListener::bind((address, 5003)).unwrap());
    let address = b.address();
    let mut near = a.namespace.inside(move || TcpStream::connect((address, 5003)).unwrap());
    let (mut far, _) = listener.accept().unwrap();
    far.set_read_timeout(Some(patronus_lab::PATIENCE)).unwrap();
    for _ in 0..3 {
        let routes = a.namespace.ip(&["route"]);
        a.service.kill();
        assert_eq!(routes.replace(" linkdown", ""), a.namespace.ip(&["route"]).replace(" linkdown", ""), "they stay");
        let started = Instant::now();
        a.service.start();
        a.wait_up(1);
        near.write_all(b"still here").unwrap();
        let mut word = [0; 10];
        far.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"still here");
        assert!(started.elapsed() < GAP, "{:?}", started.elapsed());
    }
    assert!(a.service.terminate(), "SIGTERM ends it well");
}

#[test]
fn without_any_other_service_packets_go_on_and_a_restart_works() {
    let (mut a, b) = two_with_a_tunnel();
    let key = a.keys(1);
    a.stop_others();
    tcp(&a, &b, &b.address(), MEGABYTE);
    // Its keys, its uplinks and its peers are on its own disk.
    a.service.kill();
    a.service.start();
    assert_eq!(a.keys(1), key);
    a.wait_up(1);
    tcp(&a, &b, &b.address(), MEGABYTE);
}

#[test]
fn a_cable_that_is_pulled_and_plugged_in_again_costs_nothing_but_the_time() {
    let (a, b) = two_with_a_tunnel();
    let before = a.wait_up(1)[0].sent.handshakes;
    a.namespace.ip(&["link", "set", "eth0", "down"]);
    // What is sent meanwhile is lost, as without a tunnel.
    let address = b.address();
    a.namespace.inside(move || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        (0..100).filter(|_| socket.send_to(b"lost", (address.as_str(), 9)).is_ok()).count()
    });
    a.namespace.ip(&["link", "set", "eth0", "up"]);
    tcp(&a, &b, &b.address(), MEGABYTE);
    assert_eq!(a.wait_up(1)[0].sent.handshakes, before);
}

#[test]
fn a_new_key_ends_the_sessions_until_the_peers_know_it() {
    let (a, b) = two_with_a_tunnel();
    let old = a.keys(1);
    let Reply::Rotated(new) = a.ask(&Request::Rotate(slot(0))) else { panic!("not rotated") };
    assert_ne!(old, [new]);
    a.wait_for("the new key", |state| state.slots[0].public_key == new);
    b.apply(2, vec![a.as_peer(&[&["192.0.2.1:51830"]])]);
    b.wait_for("a session with it", |state| state.paths[0].session_age_ms.is_some_and(|age| age < 5000));
    a.wait_up(1);
    udp(&a, &b, &b.address(), 64);
}

#[test]
fn an_uplink_that_goes_and_comes_back_has_its_key_and_its_paths_again() {
    let (a, b) = two_with_a_tunnel();
    let key = a.keys(1);
    a.uplinks(&[]);
    a.wait_for("no slot", |state| state.slots.is_empty() && state.paths.is_empty());
    a.uplinks(&["eth0"]);
    assert_eq!(a.keys(1), key);
    a.wait_up(1);
    udp(&a, &b, &b.address(), 64);
}

#[test]
fn a_wish_that_is_older_or_cannot_be_is_rejected_by_name() {
    use patronus_ipc::tunnel::{Desired, Rejected};
    use patronus_types::Generation;
    let (a, b) = two_with_a_tunnel();
    let peer = b.as_peer(&[&["192.0.2.2:51830"]]);
    let ask = |generation, peers| {
        a.ask(&Request::Apply(Box::new(Desired { generation: Generation(generation), peers, ..Desired::default() })))
    };
    assert_eq!(ask(0, vec![]), Reply::Rejected(Rejected::StaleGeneration));
    assert_eq!(ask(2, vec![peer.clone(), peer]), Reply::Rejected(Rejected::Repeated));
    udp(&a, &b, &b.address(), 64);
}
