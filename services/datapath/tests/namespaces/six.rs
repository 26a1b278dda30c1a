//! IPv6: the LAN reaches the Internet as itself, and nobody reaches it first.

use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use patronus_lab::carry::{MEGABYTE, tcp, udp};

use crate::lab::{COMPUTER_SIX, FAR_SIX, Lab};

/// A packet that passes is there by then.
const SILENCE: Duration = Duration::from_millis(700);

#[test]
fn with_ipv6_a_computer_reaches_the_internet_as_itself_and_only_answers_come_in() {
    let lab = Lab::new();
    tcp(&lab.computer, &lab.far, FAR_SIX, 4 * MEGABYTE);
    udp(&lab.computer, &lab.far, FAR_SIX, 1200);
    let flows = lab.flows();
    let flow = flows.iter().find(|flow| flow.inside.is_ipv6() && flow.protocol == 6).expect("a flow");
    assert_eq!((flow.inside.ip().to_string(), flow.remote.ip().to_string()), (COMPUTER_SIX.into(), FAR_SIX.into()));
    assert_eq!(flow.outside, flow.inside);
    assert!(flow.answered && flow.sent.bytes > 4 * MEGABYTE as u64 && flow.received.bytes > 0, "{flow:?}");

    let listener = lab.computer.inside(|| TcpListener::bind((COMPUTER_SIX, 80)).unwrap());
    let computer: SocketAddr = listener.local_addr().unwrap();
    let called = lab.far.inside(move || TcpStream::connect_timeout(&computer, SILENCE));
    assert_eq!(called.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    lab.wait_for("it is counted", |state| state.not_carried.contains_key("unsolicited"));
}

/// A rule without a prefix says the same of IPv6.
#[test]
fn a_rule_ends_flows_of_ipv6_too() {
    let lab = Lab::new();
    let (here, there) = lab_sockets(&lab);
    assert!(reaches(&here, &there), "without a rule");
    lab.set_rules(r#"{"name":"no-seven","from":"lan","to":"wan","protocol":"udp","ports":["7"],"action":"drop"}"#);
    assert!(!reaches(&here, &there), "what was let pass before is judged again");
    assert!(lab.rule("no-seven").is_some_and(|rule| rule.hits.unwrap_or_default() > 0));
}

fn lab_sockets(lab: &Lab) -> (UdpSocket, UdpSocket) {
    let here = lab.computer.inside(|| UdpSocket::bind((COMPUTER_SIX, 5000)).unwrap());
    let there = lab.far.inside(|| UdpSocket::bind((FAR_SIX, 7)).unwrap());
    there.set_read_timeout(Some(SILENCE)).unwrap();
    (here, there)
}

/// Said a few times: the first packets wait for neighbours, and cannot be sent at all before addresses are known to be nobody else's. All that were
/// said are heard out.
fn reaches(here: &UdpSocket, there: &UdpSocket) -> bool {
    let is_heard = (0..10).any(|_| {
        let _ = here.send_to(b"hello", (FAR_SIX, 7));
        there.recv(&mut [0; 8]).is_ok()
    });
    while there.recv(&mut [0; 8]).is_ok() {}
    is_heard
}
