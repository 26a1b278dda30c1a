//! What the LAN gets: the Internet.

use patronus_lab::carry::{MEGABYTE, tcp, udp};

use crate::{
    lab::{COMPUTER, FAR, Lab, OUTSIDE, PROVIDER},
    ping::{Answer, ping},
};

#[test]
fn a_computer_on_the_lan_reaches_the_internet_with_the_uplinks_address() {
    let lab = Lab::new();
    tcp(&lab.computer, &lab.far, FAR, 8 * MEGABYTE);
    udp(&lab.computer, &lab.far, FAR, 1200);
    assert!(lab.wire.was_never_private(), "{:?}", lab.wire.ends());
    let flows = lab.flows();
    let tcp = flows.iter().find(|flow| flow.protocol == 6).expect("a flow");
    assert_eq!((tcp.inside.ip().to_string(), tcp.remote.ip().to_string()), (COMPUTER.into(), FAR.into()));
    assert_eq!(tcp.outside.ip().to_string(), OUTSIDE);
    assert_eq!(tcp.uplink.as_ref().map(ToString::to_string).as_deref(), Some("fibre"));
    assert!(tcp.answered && tcp.sent.bytes > 8 * MEGABYTE as u64 && tcp.received.bytes > 0, "{tcp:?}");
    assert!(flows.iter().any(|flow| flow.protocol == 17), "{flows:?}");
}

/// Datagrams that are too long for any wire, there and back.
#[test]
fn a_datagram_in_parts_arrives_whole_with_the_uplinks_address() {
    let lab = Lab::new();
    udp(&lab.computer, &lab.far, FAR, 4000);
    udp(&lab.computer, &lab.far, FAR, 60_000);
    assert!(lab.wire.was_never_private(), "{:?}", lab.wire.ends());
    let flow = lab.flows().into_iter().find(|flow| flow.sent.bytes > 60_000).expect("all parts are counted");
    assert!(flow.received.bytes > 60_000 && flow.received.packets > 40, "{flow:?}");
}

/// The errors about packets that lived too short come back to who sent them, about what he sent.
#[test]
fn pings_and_the_hops_of_a_traceroute_come_back() {
    let lab = Lab::new();
    let hops = [(1, "192.168.42.1"), (2, PROVIDER)];
    for (ttl, router) in hops {
        let answer = ping(&lab.computer, FAR, ttl);
        let about = (COMPUTER.parse().unwrap(), FAR.parse().unwrap());
        assert_eq!(answer, Some(Answer::TimeExceeded { from: router.parse().unwrap(), about }), "{ttl} hops");
    }
    // Three routers would be one too many if the box counted twice.
    assert_eq!(ping(&lab.computer, FAR, 3), Some(Answer::Reply(FAR.parse().unwrap())));
    assert!(lab.wire.was_never_private(), "{:?}", lab.wire.ends());
}
