//! Port forwards: from outside, from the LAN itself, and what becomes of them when they go.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use patronus_lab::Namespace;

use crate::lab::{COMPUTER, FAR, Lab, NEIGHBOUR, OUTSIDE};

/// An answer is there by then, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A packet that passes is there by then.
const SILENCE: Duration = Duration::from_millis(700);

const WEB: &str = r#"{"name":"web","protocol":"tcp","outside":"8000-8010","inside":"192.168.42.2:80"}"#;
const GAME: &str =
    r#"{"name":"game","protocol":"udp","outside":"50000","inside":"192.168.42.2:7000","uplink":"fibre"}"#;

/// Says from where each caller is seen, and sends back what he says.
fn serve(namespace: &Namespace, address: &'static str) {
    let listener = namespace.inside(move || TcpListener::bind(address).unwrap());
    // Ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let from = stream.peer_addr().unwrap();
                let _ = writeln!(stream, "{from}");
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let _ = stream.write_all(&buffer[..count]);
                }
            });
        }
    });
}

/// A connection, and as whom the other side sees it.
fn call(namespace: &Namespace, to: SocketAddr) -> std::io::Result<(TcpStream, SocketAddr)> {
    let mut stream = namespace.inside(move || TcpStream::connect_timeout(&to, PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut seen = Vec::new();
    while !seen.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        seen.extend(byte);
    }
    let seen = String::from_utf8(seen).unwrap().trim().parse().unwrap();
    Ok((stream, seen))
}

fn echoes(stream: &mut TcpStream, bytes: usize) -> bool {
    let mut said = vec![7; bytes];
    stream.write_all(&said).unwrap();
    said.fill(0);
    stream.read_exact(&mut said).is_ok() && said.iter().all(|byte| *byte == 7)
}

fn outside(port: u16) -> SocketAddr {
    format!("{OUTSIDE}:{port}").parse().unwrap()
}

fn udp(namespace: &Namespace, address: &'static str, port: u16) -> UdpSocket {
    let socket = namespace.inside(move || UdpSocket::bind((address, port)).unwrap());
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket
}

fn hears(socket: &UdpSocket) -> Option<String> {
    socket.recv_from(&mut [0; 64]).ok().map(|(_, from)| from.to_string())
}

#[test]
fn from_outside_a_forwarded_port_leads_to_its_computer_and_another_nowhere() {
    let lab = Lab::new();
    serve(&lab.computer, "192.168.42.2:83");
    lab.forward(&format!("{WEB},{GAME}"));
    let (mut stream, seen) = call(&lab.far, outside(8003)).unwrap();
    assert_eq!(seen.ip().to_string(), FAR, "the computer sees who calls");
    assert!(echoes(&mut stream, 300_000));
    let flow = lab.flows().into_iter().find(|flow| flow.protocol == 6).unwrap();
    assert_eq!(
        (flow.inside.to_string(), flow.outside),
        ("192.168.42.2:83".into(), outside(8003).to_string().parse().unwrap())
    );
    assert!(flow.forwarded && flow.answered && flow.ends_in_s > 7000, "{flow:?}");

    let (game, player) = (udp(&lab.computer, COMPUTER, 7000), udp(&lab.far, FAR, 9));
    player.send_to(b"hello", outside(50_000)).unwrap();
    assert_eq!(hears(&game), Some(format!("{FAR}:9")));
    game.send_to(b"hello", (FAR, 9)).unwrap();
    assert_eq!(hears(&player), Some(outside(50_000).to_string()));
    let reserved = || {
        lab.forwarding
            .namespace
            .inside(|| std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap())
    };
    // `link` follows the document by itself, before or after `datapath`.
    patronus_lab::eventually(
        "the box takes none of them for itself",
        || reserved().trim() == "8000-8010,50000",
        || format!("{:?}: {}", reserved(), lab.forwarding.link_log()),
    );
    player.send_to(b"hello", outside(50_001)).unwrap();
    assert_eq!(hears(&game), None);
    assert!(lab.wire.was_never_private(), "{:?}", lab.wire.ends());
}

#[test]
fn only_who_may_use_a_forward_gets_through_and_nobody_when_it_is_gone() {
    let lab = Lab::new();
    serve(&lab.computer, "192.168.42.2:80");
    let only = |sources: &str| WEB.replace('}', &format!(r#","sources":["{sources}"]}}"#));
    lab.forward(&only("198.51.100.0/28"));
    let (mut stream, _) = call(&lab.far, outside(8000)).unwrap();
    assert!(echoes(&mut stream, 10));
    lab.forward(&only("198.51.100.128/25"));
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(!echoes(&mut stream, 10), "what came by it ends with it");
    let refused = lab.far.inside(|| TcpStream::connect_timeout(&outside(8000), SILENCE));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    lab.wait_for("it is counted", |state| state.not_carried.contains_key("unsolicited"));
    lab.forward("");
    assert!(lab.far.inside(|| TcpStream::connect_timeout(&outside(8000), SILENCE)).is_err());
}

/// The neighbour, and the computer itself, by the address that the world knows.
#[test]
fn on_the_lan_a_forward_works_by_its_address_outside() {
    let lab = Lab::new();
    serve(&lab.computer, "192.168.42.2:80");
    lab.forward(WEB);
    for namespace in [&lab.neighbour, &lab.computer] {
        let (mut stream, seen) = call(namespace, outside(8000)).unwrap();
        assert_eq!(seen.ip().to_string(), OUTSIDE, "answers come back through the box");
        assert!(echoes(&mut stream, 300_000));
    }
    assert!(lab.far.inside(|| TcpStream::connect_timeout(&outside(8000), PATIENCE)).is_ok());
}

/// RFC 4787 REQ-9: two computers that know of each other only what the world sees.
#[test]
fn two_on_the_lan_that_speak_to_each_others_address_outside_meet() {
    let lab = Lab::new();
    let (one, two, far) =
        (udp(&lab.computer, COMPUTER, 5000), udp(&lab.neighbour, NEIGHBOUR, 5000), udp(&lab.far, FAR, 7));
    let seen = [&one, &two].map(|socket| {
        socket.send_to(b"who am I?", (FAR, 7)).unwrap();
        hears(&far).unwrap().parse::<SocketAddr>().unwrap()
    });
    assert_ne!(seen[0], seen[1]);
    one.send_to(b"hello", seen[1]).unwrap();
    assert_eq!(hears(&two), None, "two has not spoken to one yet");
    two.send_to(b"hello", seen[0]).unwrap();
    assert_eq!(hears(&one), Some(seen[1].to_string()));
    one.send_to(b"hello", seen[1]).unwrap();
    assert_eq!(hears(&two), Some(seen[0].to_string()));
}
