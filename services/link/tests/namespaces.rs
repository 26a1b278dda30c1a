//! The real service in real network namespaces, against a real DHCP server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lab;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use dhcproto::v4::MessageType;
use lab::{
    Lab,
    scan::{SOURCE_PORT, echoes, scan, scan_with, send_udp},
    server::{SERVER, Server},
};
use patronus_ipc::link::{Role, State};
use patronus_lab::Namespace;
use patronus_types::ports::INNER_PORTS;
use patronus_types::{Document, Ipv4Method, Ipv6Method};
use redb::ReadableTable;

fn uplink_address(state: &State) -> Option<String> {
    state.uplinks.first()?.addresses.iter().find(|net| net.addr().is_ipv4()).map(ToString::to_string)
}

fn bound(state: &State) -> bool {
    uplink_address(state).as_deref() == Some("203.0.113.9/24")
}

fn document() -> Document {
    let text = r#"{"version":1,"site":{"name":"lab","timezone":"UTC"},"clock":{"servers":[]},
        "lan":{"ports":["eth1"],"address":"10.7.0.1/24","address_v6":"fd07::1/64"},
        "uplink":[{"name":"fibre","port":"eth0","ipv4":{"static":{"address":"203.0.113.50/24","gateway":"203.0.113.1"}},
        "ipv6":{"static":{"address":"2001:db8::50/64","gateway":"2001:db8::1"}}}]}"#;
    serde_json::from_str(text).unwrap()
}

#[test]
fn first_boot_gives_the_lan_address_and_a_lease_on_wan() {
    let mut lab = Lab::new();
    let server = Server::start(&lab.wan);
    lab.service.start();
    let state = lab.wait_for("a lease", bound);
    let roles: Vec<(&str, Role)> = state.ports.iter().map(|port| (port.name.as_str(), port.role)).collect();
    assert_eq!(roles, [("eth0", Role::Wan), ("eth1", Role::Lan)]);
    assert_eq!(state.lan.device.as_ref().map(ToString::to_string).as_deref(), Some("lan"));
    assert!(state.lan.addresses.iter().any(|net| net.to_string() == "192.168.42.1/24"));
    let uplink = &state.uplinks[0];
    assert_eq!((uplink.gateways[0].to_string(), uplink.ntp.clone()), (SERVER.to_string(), vec![SERVER]));
    assert_eq!(uplink.lease.as_ref().unwrap().state, "BOUND");
    let main = lab.inside.ip(&["route", "show", "default"]);
    assert!(main.contains("via 203.0.113.1 dev eth0") && main.contains("metric 100"), "{main}");
    let own = lab.inside.ip(&["route", "show", "table", "1000"]);
    assert!(own.contains("default via 203.0.113.1 dev eth0"), "{own}");
    assert!(lab.inside.ip(&["rule"]).contains("from 203.0.113.9 lookup 1000"));
    assert!(lab.inside.ip(&["link", "show", "eth0"]).contains("mtu 1400"), "the lease's link size");
    assert_eq!(
        server.seen().iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        [MessageType::Discover, MessageType::Request]
    );
}

#[test]
fn a_short_lease_is_renewed_and_a_refused_one_is_replaced() {
    let mut lab = Lab::new();
    let server = Server::start(&lab.wan);
    server.set(|manners| manners.lease_s = 4);
    lab.service.start();
    lab.wait_for("a lease", bound);
    lab.eventually("renewals", || server.seen().len() >= 4);
    assert!(bound(&lab.wait_for("still bound", |_| true)));
    server.set(|manners| manners.address = [203, 0, 113, 77].into());
    lab.wait_for("the new address", |state| uplink_address(state).as_deref() == Some("203.0.113.77/24"));
    assert!(!lab.inside.ip(&["addr"]).contains("203.0.113.9/"), "the refused address is gone");
    server.set(|manners| manners.silent = true);
    lab.wait_for("the lease is over", |state| uplink_address(state).is_none());
}

#[test]
fn a_silent_server_that_wakes_up_is_found() {
    let mut lab = Lab::new();
    let server = Server::start(&lab.wan);
    server.set(|manners| manners.silent = true);
    lab.service.start();
    lab.eventually("two questions", || server.seen().len() >= 2);
    server.set(|manners| manners.silent = false);
    lab.wait_for("a lease", bound);
}

#[test]
fn after_a_power_cut_the_old_address_is_asked_for_first() {
    let mut lab = Lab::new();
    let server = Server::start(&lab.wan);
    lab.service.start();
    lab.wait_for("a lease", bound);
    lab.service.kill();
    // A new boot: the port lost everything, and the record is of another boot.
    forget_boot(&lab);
    lab.inside.ip(&["addr", "flush", "dev", "eth0"]);
    server.set(|manners| manners.seen.clear());
    lab.service.start();
    lab.wait_for("a lease", bound);
    assert_eq!(server.seen(), [(MessageType::Request, Some([203, 0, 113, 9].into()))]);
}

/// Gives the stored lease another boot id of the same length.
fn forget_boot(lab: &Lab) {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let database = redb::Database::create(lab.state_dir().join("link.redb")).unwrap();
    let leases: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("leases-1");
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(leases).unwrap();
        let mut record = table.get("eth0").unwrap().unwrap().value().to_vec();
        let at = record.windows(36).position(|window| window == id.trim().as_bytes()).unwrap();
        record[at..at + 36].fill(b'0');
        table.insert("eth0", record.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn a_kill_changes_nothing_and_a_connection_over_the_lan_goes_on() {
    let mut lab = Lab::new();
    let server = Server::start(&lab.wan);
    lab.service.start();
    lab.wait_for("a lease", bound);
    lab.lan.ip(&["addr", "add", "192.168.42.9/24", "dev", "l0"]);
    let accept = lab.inside.run(|| TcpListener::bind("192.168.42.1:443").unwrap()).join().unwrap();
    let mut near = lab.lan.run(|| TcpStream::connect("192.168.42.1:443").unwrap()).join().unwrap();
    let (mut far, _) = accept.accept().unwrap();
    // The kernel checks its own addresses for a second or two (RFC 4862 section 5.4).
    lab.eventually("addresses are checked", || !lab.inside.ip(&["-6", "addr"]).contains("tentative"));
    let before = picture(&lab);
    let asked = server.seen().len();
    for _ in 0..3 {
        lab.service.kill();
        near.write_all(b"still here").unwrap();
        lab.service.start();
        let mut word = [0; 10];
        far.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"still here");
        assert_eq!(picture(&lab), before);
    }
    assert_eq!(server.seen().len(), asked, "nothing was asked again");
    assert!(lab.service.terminate(), "SIGTERM ends it well");
    assert_eq!(picture(&lab), before);
}

#[test]
fn a_bridge_that_the_last_process_only_made_is_finished() {
    let mut lab = Lab::new();
    lab.inside.ip(&["link", "add", "lan", "type", "bridge"]);
    lab.service.start();
    lab.eventually("the bridge is up", || lab.inside.ip(&["link", "show", "lan"]).contains(",UP"));
    let accepts = || std::fs::read_to_string("/proc/sys/net/ipv4/conf/lan/accept_local").unwrap();
    assert_eq!(lab.inside.run(accepts).join().unwrap().trim(), "1", "what the datapath has translated comes in");
}

/// Addresses, routes and rules as `ip` shows them, without counters of time.
fn picture(lab: &Lab) -> [String; 4] {
    [
        lab.inside.ip(&["-4", "-o", "addr"]),
        lab.inside.ip(&["route", "show", "table", "all"]),
        lab.inside.ip(&["rule"]),
        lab.inside.ip(&["-o", "link", "show", "lan"]),
    ]
}

#[test]
fn a_pulled_wan_cable_takes_the_default_route_and_plugging_in_brings_it_back() {
    let mut lab = Lab::new();
    let _server = Server::start(&lab.wan);
    lab.service.start();
    lab.wait_for("a lease", bound);
    lab.wan.ip(&["link", "set", "w0", "down"]);
    lab.wait_for("no carrier", |state| !state.uplinks[0].carrier);
    lab.eventually("no default route", || lab.inside.ip(&["route", "show", "default"]).is_empty());
    lab.wan.ip(&["link", "set", "w0", "up"]);
    lab.wait_for("carrier", |state| state.uplinks[0].carrier);
    lab.eventually("a default route", || lab.inside.ip(&["route", "show", "default"]).contains("203.0.113.1"));
}

#[test]
fn a_document_replaces_the_first_boot_settings_without_a_restart() {
    let mut lab = Lab::new();
    lab.service.start();
    lab.configure(document());
    lab.wait_for("the static address", |state| uplink_address(state).as_deref() == Some("203.0.113.50/24"));
    let state =
        lab.wait_for("the LAN address", |state| state.lan.addresses.iter().any(|net| net.to_string() == "10.7.0.1/24"));
    assert!(state.lan.addresses.iter().all(|net| net.to_string() != "192.168.42.1/24"));
    assert!(state.uplinks[0].addresses.iter().any(|net| net.to_string() == "2001:db8::50/64"));
    assert!(lab.inside.ip(&["-6", "route", "show", "default"]).contains("via 2001:db8::1 dev eth0"));
}

#[test]
fn ports_change_roles_come_and_go() {
    let mut lab = Lab::new();
    lab.service.start();
    let mut swapped = document();
    swapped.lan.ports = vec!["eth0".parse().unwrap()];
    swapped.uplinks[0].port = "eth1".parse().unwrap();
    swapped.uplinks[0].ipv4 = Ipv4Method::Off;
    swapped.uplinks[0].ipv6 = Ipv6Method::Off;
    lab.configure(swapped);
    lab.wait_for("swapped", |state| state.ports.iter().map(|port| port.role).eq([Role::Lan, Role::Wan]));
    assert!(lab.inside.ip(&["link", "show", "master", "lan"]).contains("eth0"));
    lab.inside.cable("eth2", &lab.lan, "l2");
    lab.wait_for("the new port", |state| state.ports.len() == 3 && state.ports[2].role == Role::Unused);
    lab.wait_for("its cable is seen", |state| state.ports.last().is_some_and(|port| port.carrier));
    assert_eq!(lab.inside.ip(&["addr", "show", "dev", "eth2"]).matches("inet").count(), 0, "it says nothing");
    lab.inside.ip(&["link", "del", "eth2"]);
    lab.wait_for("the port is gone", |state| state.ports.len() == 2);
}

#[test]
fn a_lease_inside_the_lan_is_refused_and_said() {
    let mut lab = Lab::new();
    let server = Server::start(&lab.wan);
    server.set(|manners| manners.address = [192, 168, 42, 77].into());
    lab.service.start();
    let state =
        lab.wait_for("the problem", |state| state.uplinks.first().is_some_and(|uplink| uplink.problem.is_some()));
    assert!(state.uplinks[0].problem.as_ref().unwrap().contains("LAN"));
    assert!(uplink_address(&state).is_none());
}

#[test]
fn a_stranger_on_wan_gets_nothing_from_any_port_and_the_lan_reaches_the_page() {
    let mut lab = Lab::new();
    let _server = Server::start(&lab.wan);
    lab.service.start();
    lab.wait_for("a lease", bound);
    lab.lan.ip(&["addr", "add", "192.168.42.9/24", "dev", "l0"]);
    // Worse than the real page, which is bound to the LAN: a listener on every address.
    let _page = lab.inside.run(|| TcpListener::bind("0.0.0.0:443").unwrap()).join().unwrap();
    let (wan, lan) = (Ipv4Addr::new(203, 0, 113, 9), Ipv4Addr::new(192, 168, 42, 1));
    let heard = lab.wan.run(move || scan(SERVER, wan, 1..=65535)).join().unwrap();
    assert_eq!(heard, Vec::<Vec<u8>>::new(), "packets to a stranger");
    lab.wan.ip(&["route", "add", "192.168.42.0/24", "via", "203.0.113.9"]);
    let heard = lab.wan.run(move || scan(SERVER, lan, 1..=1024)).join().unwrap();
    assert_eq!(heard, Vec::<Vec<u8>>::new(), "packets to a stranger who knows the LAN");
    // The same scan hears answers where there are some.
    let heard = lab.lan.run(move || scan([192, 168, 42, 9].into(), lan, 443..=443)).join().unwrap();
    assert!(heard.iter().any(|packet| packet[9] == 6 && packet[33] == 0x12), "SYN and ACK from the page");
    lab.lan.run(|| TcpStream::connect("192.168.42.1:443").unwrap()).join().unwrap();
}

/// A claimed box, and a host at another site, 10.9.0.2, behind a cable in the place of the tunnel device `mesh0-0`.
fn lab_with_another_site() -> (Lab, Namespace) {
    let mut lab = Lab::new();
    lab.configure(document());
    lab.service.start();
    lab.wait_for("the static address", |state| uplink_address(state).as_deref() == Some("203.0.113.50/24"));
    lab.wan.ip(&["addr", "add", "203.0.113.1/24", "dev", "w0"]);
    let far = Namespace::new("far");
    lab.inside.cable("mesh0-0", &far, "f0");
    lab.inside.ip(&["link", "set", "mesh0-0", "up"]);
    lab.inside.ip(&["route", "add", "10.9.0.0/16", "dev", "mesh0-0"]);
    far.ip(&["addr", "add", "10.9.0.2/16", "dev", "f0"]);
    far.ip(&["route", "add", "10.7.0.0/24", "via", "10.7.0.1", "dev", "f0", "onlink"]);
    far.ip(&["route", "add", "203.0.113.0/24", "via", "10.7.0.1", "dev", "f0", "onlink"]);
    lab.lan.ip(&["addr", "add", "10.7.0.9/24", "dev", "l0"]);
    for there in ["10.9.0.0/16", "203.0.113.0/24"] {
        lab.lan.ip(&["route", "add", there, "via", "10.7.0.1"]);
    }
    lab.wan.ip(&["route", "add", "10.0.0.0/8", "via", "203.0.113.50"]);
    (lab, far)
}

/// Whether one of a few datagrams to an address of `to` arrives.
fn arrives(from: &Namespace, to: &Namespace, address: &'static str) -> bool {
    arrives_at(from, to, address, 4000)
}

fn arrives_at(from: &Namespace, to: &Namespace, address: &'static str, port: u16) -> bool {
    let ear = to.inside(move || UdpSocket::bind((address, port)).unwrap());
    ear.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    from.inside(move || {
        let mouth = UdpSocket::bind("0.0.0.0:0").unwrap();
        (0..5).for_each(|_| _ = mouth.send_to(b"word", (address, port)));
    });
    ear.recv(&mut [0; 8]).is_ok()
}

#[test]
fn what_sites_say_inside_tunnels_comes_from_tunnels_and_from_no_computer() {
    let (lab, far) = lab_with_another_site();
    for port in INNER_PORTS {
        assert!(arrives_at(&far, &lab.inside, "10.7.0.1", port), "from another site");
        assert!(!arrives_at(&lab.lan, &lab.inside, "10.7.0.1", port), "from the LAN to this site");
        assert!(!arrives_at(&lab.lan, &far, "10.9.0.2", port), "from the LAN to another site, as if it were this one");
        assert!(!arrives_at(&far, &lab.lan, "10.7.0.9", port), "from another site to the LAN");
        assert!(!arrives_at(&lab.wan, &lab.inside, "203.0.113.50", port), "from WAN");
    }
    // Any other port of the same addresses is open.
    assert!(arrives(&lab.lan, &lab.inside, "10.7.0.1") && arrives(&lab.lan, &far, "10.9.0.2"));
}

#[test]
fn packets_go_between_the_lan_and_tunnels_and_nowhere_else() {
    let (lab, far) = lab_with_another_site();
    patronus_lab::carry::udp(&lab.lan, &far, "10.9.0.2", 1200);
    patronus_lab::carry::udp(&far, &lab.lan, "10.7.0.9", 1200);
    for (from, to, address) in [
        (&lab.wan, &lab.lan, "10.7.0.9"),
        (&lab.wan, &far, "10.9.0.2"),
        (&lab.lan, &lab.wan, "203.0.113.1"),
        (&far, &lab.wan, "203.0.113.1"),
    ] {
        assert!(!arrives(from, to, address), "to {address}");
    }
    // The way is there: only the filter closes it.
    assert!(arrives(&lab.lan, &far, "10.9.0.2") && arrives(&far, &lab.lan, "10.7.0.9"));
    // A router would tell that a packet's last hop was here, or that there is no way; this one is silent towards WAN.
    for target in [[10, 7, 0, 9], [10, 9, 0, 2], [10, 77, 0, 1]].map(Ipv4Addr::from) {
        let heard = lab.wan.run(move || scan_with(SERVER, target, 1..=16, 1)).join().unwrap();
        assert_eq!(heard, Vec::<Vec<u8>>::new(), "packets to a stranger who asks for {target}");
    }
}

#[test]
fn the_page_is_for_the_lan_and_another_site_hears_that_the_box_is_there() {
    let (lab, far) = lab_with_another_site();
    let _page = lab.inside.run(|| TcpListener::bind("0.0.0.0:443").unwrap()).join().unwrap();
    let heard = far.run(|| scan([10, 9, 0, 2].into(), [10, 7, 0, 1].into(), 1..=1024)).join().unwrap();
    assert_eq!(heard, Vec::<Vec<u8>>::new(), "the page answers another site");
    assert!(far.inside(|| echoes([10, 7, 0, 1].into())));
    // Who lives at another site does not come by WAN, not even with an answer to what the box has asked there.
    let ear = lab.inside.inside(|| UdpSocket::bind("10.7.0.1:4001").unwrap());
    ear.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    ear.send_to(b"ask", (Ipv4Addr::new(10, 9, 0, 2), SOURCE_PORT)).unwrap();
    lab.wan.inside(|| send_udp([10, 9, 0, 2].into(), [10, 7, 0, 1].into(), 4001));
    assert!(ear.recv(&mut [0; 8]).is_err(), "a forged answer was heard");
    far.inside(|| send_udp([10, 9, 0, 2].into(), [10, 7, 0, 1].into(), 4001));
    assert!(ear.recv(&mut [0; 8]).is_ok(), "the answer was not heard");
}

#[test]
fn a_service_that_cannot_answer_any_more_ends_so_that_it_is_started_anew() {
    let mut lab = Lab::new();
    assert!(lab.service.start_unreachable());
}

#[test]
fn a_flood_to_port_68_is_counted_and_does_not_write_the_log_or_keep_the_box_from_its_work() {
    const FLOOD: u64 = 20_000;
    let mut lab = Lab::new();
    let server = Server::start(&lab.wan);
    lab.service.start();
    lab.wait_for("a lease", bound);
    let flood = lab.wan.run(|| {
        let socket = UdpSocket::bind((SERVER, 0)).unwrap();
        (0..FLOOD).filter(|_| socket.send_to(b"noise", "203.0.113.9:68").is_ok()).count()
    });
    server.set(|manners| manners.silent = true);
    lab.inside.ip(&["addr", "add", "10.99.0.1/24", "dev", "eth0"]);
    lab.eventually("a foreign address is taken away", || !lab.inside.ip(&["addr"]).contains("10.99.0.1"));
    assert!(flood.join().unwrap() > 0);
    // Counts are shown with the next change.
    lab.wan.ip(&["link", "set", "w0", "down"]);
    let state = lab.wait_for("counts", |state| state.rejected.contains_key("truncated"));
    assert!(state.rejected["truncated"] <= FLOOD);
    assert!(lab.service.log().matches("not used").count() <= 2, "{}", lab.service.log());
}
