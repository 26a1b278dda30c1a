//! What does not pass, with the datapath and without.

use std::{
    net::{SocketAddr, UdpSocket},
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
    lab.datapath.start();
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

/// Fragments are not translated yet: they must not leave as they are.
#[test]
fn a_datagram_in_parts_does_not_leave_untranslated() {
    let lab = Lab::new();
    let (computer, far) = (socket(&lab.computer, COMPUTER, PORT), socket(&lab.far, FAR, 7));
    computer.send_to(&[1; 4000], (FAR, 7)).unwrap();
    assert_eq!(hears(&far), None);
    computer.send_to(b"in one part", (FAR, 7)).unwrap();
    assert!(hears(&far).is_some());
    lab.wait_for("its parts are counted", |state| state.not_carried.get("fragment") == Some(&3));
    assert!(lab.wire.was_never_private(), "{:?}", lab.wire.ends());
}
