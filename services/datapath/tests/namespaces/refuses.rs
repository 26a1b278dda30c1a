//! What does not pass, with the datapath and without.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use patronus_lab::{Namespace, carry::udp};

use crate::lab::{COMPUTER, FAR, Lab, OUTSIDE};

/// A packet that passes is there by then.
const SILENCE: Duration = Duration::from_millis(700);
/// A computer's port, which a flow has outside, too.
const PORT: u16 = 5000;

fn socket(namespace: &Namespace, address: &'static str, port: u16) -> UdpSocket {
    let socket = namespace.inside(move || UdpSocket::bind((address, port)).unwrap());
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket
}

fn hears(socket: &UdpSocket) -> Option<SocketAddr> {
    socket.recv_from(&mut [0; 64]).ok().map(|(_, from)| from)
}

#[test]
fn only_he_who_was_spoken_to_may_answer_and_the_port_is_the_same_for_all() {
    let lab = Lab::new();
    let (computer, far) = (socket(&lab.computer, COMPUTER, PORT), socket(&lab.far, FAR, 7));
    let (stranger, other) = (socket(&lab.far, FAR, 8), socket(&lab.far, FAR, 9));
    let outside: SocketAddr = format!("{OUTSIDE}:{PORT}").parse().unwrap();

    stranger.send_to(b"before anybody spoke", outside).unwrap();
    assert_eq!(hears(&computer), None);
    computer.send_to(b"hello", (FAR, 7)).unwrap();
    assert_eq!(hears(&far), Some(outside), "its own number is free, so it keeps it");
    far.send_to(b"hello", outside).unwrap();
    assert_eq!(hears(&computer).map(|from| from.to_string()), Some(format!("{FAR}:7")));
    stranger.send_to(b"from another port", outside).unwrap();
    assert_eq!(hears(&computer), None, "nobody spoke to him");
    computer.send_to(b"hello", (FAR, 9)).unwrap();
    assert_eq!(hears(&other), Some(outside), "one port for all it talks to (RFC 4787 REQ-1)");
    lab.wait_for("the stranger is counted", |state| state.not_carried.get("unsolicited") == Some(&1));
    assert!(lab.wire.was_never_private(), "{:?}", lab.wire.ends());
}

#[test]
fn nothing_leaves_before_the_datapath_is_there_and_a_foreign_source_never() {
    let mut lab = Lab::without_datapath();
    let (computer, far) = (socket(&lab.computer, COMPUTER, PORT), socket(&lab.far, FAR, 7));
    computer.send_to(b"too early", (FAR, 7)).unwrap();
    assert_eq!(hears(&far), None);
    lab.forwarding.datapath.start();
    lab.wait_for("LAN and uplink", |state| state.lan.is_some() && state.uplinks.len() == 1);
    udp(&lab.computer, &lab.far, FAR, 100);

    // As if it were the box itself, and as if it came from elsewhere.
    for foreign in [OUTSIDE, "10.9.9.9"] {
        lab.computer.ip(&["addr", "add", &format!("{foreign}/32"), "dev", "eth0"]);
        let posing = lab.computer.inside(move || UdpSocket::bind((foreign, PORT)).unwrap());
        posing.send_to(b"not mine", (FAR, 7)).unwrap();
        assert_eq!(hears(&far), None, "{foreign}");
    }
    lab.wait_for("both are counted", |state| state.not_carried.get("foreign-source") == Some(&2));
    assert!(lab.wire.was_never_private(), "{:?}", lab.wire.ends());
}

#[test]
fn what_turns_out_to_be_another_sites_leaves_by_no_uplink_any_more() {
    let mut lab = Lab::new();
    let computer = lab.computer.inside(|| UdpSocket::bind((COMPUTER, 5000)).unwrap());
    let far = lab.far.inside(|| UdpSocket::bind((FAR, 7)).unwrap());
    far.set_read_timeout(Some(patronus_lab::PATIENCE)).unwrap();
    computer.connect((FAR, 7)).unwrap();
    computer.send(b"anybody's").unwrap();
    assert_eq!(far.recv(&mut [0; 16]).unwrap(), 9);
    // As `tunnel` does, while no path leads there.
    lab.forwarding.namespace.ip(&["route", "add", "unreachable", "198.51.100.0/24"]);
    computer.send(b"still its flow").unwrap();
    assert_eq!(far.recv(&mut [0; 16]).unwrap(), 14);
    lab.wait_for("the flow is counted", |state| state.flows == 1);

    lab.forwarding.add_site("198.51.100.0/24");
    lab.wait_for("the flow has ended", |state| state.flows == 0);
    computer.send(b"another site's").unwrap();
    let told = lab.computer.inside(|| TcpStream::connect((FAR, 80)).unwrap_err());
    assert_eq!(told.kind(), ErrorKind::HostUnreachable);
    let rules: Vec<String> = lab.flows().into_iter().map(|flow| flow.rule).collect();
    assert_eq!(rules, ["lan-to-mesh", "lan-to-mesh"]);
    far.set_nonblocking(true).unwrap();
    assert!(far.recv(&mut [0; 16]).is_err());
}
