//! What the box and its neighbours on a cable tell each other, in real network namespaces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "neighbours/ear.rs"]
mod ear;
mod lab;

use ear::Ear;
use lab::{Lab, Namespace};

/// As `init` sets it before any service runs.
fn as_on_a_box(inside: &Namespace) {
    let set = || std::fs::write("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1").unwrap();
    inside.run(set).join().unwrap();
}

/// A kernel setting of one device.
fn setting(lab: &Lab, device: &str, name: &str) -> String {
    let path = format!("/proc/sys/net/ipv6/conf/{device}/{name}");
    lab.inside.run(|| std::fs::read_to_string(path).unwrap()).join().unwrap().trim().to_owned()
}

#[test]
fn all_ports_come_up_first_and_the_bridge_before_a_port_joins_it() {
    let mut lab = Lab::new();
    lab.inside.cable("eth2", &lab.lan, "l2");
    lab.start();
    lab.wait_for("the LAN", |state| !state.lan.addresses.is_empty());
    let log = lab.log();
    let at = |line: &str| log.find(line).unwrap_or_else(|| panic!("not logged: {line}\n{log}"));
    let ports = ["link set eth0 up", "link set eth1 up", "link set eth2 up"].map(at);
    assert!(ports.into_iter().max() < Some(at("link add lan")), "{log}");
    assert!(at("link set lan up") < at("link set eth1 master lan"), "{log}");
    assert!(at("link set lan up") < at("link set eth2 master lan"), "{log}");
    let forwards = |port| lab.inside.ip(&["-d", "link", "show", port]).contains("state forwarding");
    lab.eventually("the LAN's ports forward", || forwards("eth1") && forwards("eth2"));
}

#[test]
fn neighbours_on_the_lan_are_told_of_its_addresses_before_they_ask() {
    let mut lab = Lab::new();
    as_on_a_box(&lab.inside);
    let ear = Ear::at(&lab.lan, "l0");
    lab.start();
    ear.hear("an ARP announcement", |frame| {
        frame[12..14] == [8, 6] && frame[20..22] == [0, 1] && frame[28..32] == [192, 168, 42, 1]
    });
    lab.wait_for("a link-local address", |state| state.lan.addresses.iter().any(|net| net.addr().is_ipv6()));
    assert_eq!(["ndisc_notify", "accept_ra"].map(|name| setting(&lab, "lan", name)), ["1", "0"]);
    // Neighbour advertisement to all nodes, with the address that it is about.
    ear.hear("a neighbour advertisement", |frame| {
        frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 136 && frame[62..64] == [0xfe, 0x80]
    });
}
