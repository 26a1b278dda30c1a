//! What rules do to traffic.

use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use patronus_ipc::datapath::{Explanation, Outcome, Question, Reply, Request};
use patronus_lab::Namespace;

use crate::lab::{COMPUTER, FAR, Lab};

/// A packet that passes is there by then.
const SILENCE: Duration = Duration::from_millis(700);
const ROUTER: &str = "192.168.42.1";

fn socket(namespace: &Namespace, address: &'static str, port: u16) -> UdpSocket {
    let socket = namespace.inside(move || UdpSocket::bind((address, port)).unwrap());
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket
}

fn hears(socket: &UdpSocket) -> bool {
    socket.recv_from(&mut [0; 64]).is_ok()
}

fn explain(lab: &Lab, destination: &str, port: u16) -> Explanation {
    let (source, destination) = (COMPUTER.parse().unwrap(), destination.parse().unwrap());
    let question = Question { source, destination, protocol: 17, port };
    match lab.ask(&Request::Explain(question)) {
        Reply::Explanation(explanation) => *explanation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rule_stops_new_flows_and_those_that_go_on_and_counts_them() {
    let lab = Lab::new();
    let (computer, far, other) =
        (socket(&lab.computer, COMPUTER, 5000), socket(&lab.far, FAR, 7), socket(&lab.far, FAR, 9));
    computer.send_to(b"before", (FAR, 7)).unwrap();
    assert!(hears(&far));
    assert_eq!(explain(&lab, FAR, 7).rule.unwrap().1, "lan-to-wan");

    lab.set_rules(
        r#"{"name":"no-echo","action":"drop","from":"lan","to":"wan","protocol":"udp","ports":["7"],"log":true}"#,
    );
    computer.send_to(b"the flow was there already", (FAR, 7)).unwrap();
    assert!(!hears(&far));
    computer.send_to(b"another port", (FAR, 9)).unwrap();
    assert!(hears(&other));
    assert_eq!(lab.rule("no-echo").unwrap().hits, Some(1));
    let told = explain(&lab, FAR, 7);
    assert_eq!(
        (told.outcome, told.rule.unwrap().1.as_str(), told.reason.as_deref()),
        (Outcome::Dropped, "no-echo", Some("rule"))
    );
    lab.wait_for("it is counted by reason", |state| state.not_carried.get("rule") == Some(&1));
    assert!(
        lab.forwarding.datapath.log().contains("rule no-echo drops udp 192.168.42.2 (lan) to 198.51.100.7:7 (wan)")
    );

    lab.set_rules("");
    computer.send_to(b"after", (FAR, 7)).unwrap();
    assert!(hears(&far));
    assert!(lab.rule("no-echo").is_none());
    assert!(lab.rule("lan-to-wan").unwrap().hits >= Some(3), "hits outlive other rules");
}

#[test]
fn a_rule_against_everything_leaves_the_page_to_the_lan() {
    let lab = Lab::new();
    lab.set_rules(r#"{"name":"nothing","action":"drop"}"#);
    let connect = |port: u16| {
        let listener = lab.forwarding.namespace.inside(move || TcpListener::bind((ROUTER, port)).unwrap());
        let to = SocketAddr::new(ROUTER.parse().unwrap(), port);
        let connected = lab.computer.inside(move || TcpStream::connect_timeout(&to, SILENCE).is_ok());
        drop(listener);
        connected
    };
    assert!(connect(443), "the page");
    assert!(!connect(8443), "anything else");
    assert!(lab.rule("own-page").unwrap().hits >= Some(1));
    assert!(lab.rule("nothing").unwrap().hits >= Some(1));
    let told = explain(&lab, ROUTER, 53);
    assert_eq!((told.to.as_str(), told.outcome), ("self", Outcome::Dropped));
}
