//! What a tunnel is for: packets of all kinds, both ways, over every path.

use std::{
    fs,
    net::{Ipv6Addr, UdpSocket},
    time::Duration,
};

use patronus_lab::Namespace;
use patronus_types::ports::PROBER_PORT;

use crate::lab::{MEGABYTE, Site, site, tcp, two_on_a_cable, two_with_a_tunnel, udp};

#[test]
fn tcp_and_udp_of_both_families_pass_both_ways() {
    let (a, b) = two_with_a_tunnel();
    for (from, to) in [(&a, &b), (&b, &a)] {
        for address in [to.address(), to.address_v6()] {
            udp(from, to, &address, 64);
            udp(from, to, &address, 1300);
            tcp(from, to, &address, 20 * MEGABYTE);
        }
    }
    let bytes = 40 * MEGABYTE as u64;
    let state =
        a.wait_for("counted", |state| state.paths[0].sent.bytes > bytes && state.paths[0].received.bytes > bytes);
    assert_eq!((state.paths[0].lost, state.paths[0].reordered), (0, 0), "{state:?}");
}

#[test]
fn a_tunnel_over_ipv6_carries_as_well_and_its_packets_are_shorter() {
    let (mut a, mut b) = two_on_a_cable();
    a.service.start();
    b.service.start();
    crate::lab::introduce(&a, &b, "[2001:db8::1]:51830", "[2001:db8::2]:51830");
    assert!(a.wait_up(1)[0].endpoint.unwrap().is_ipv6());
    assert!(a.namespace.ip(&["link", "show", "mesh0-0"]).contains("mtu 1408"));
    tcp(&a, &b, &b.address(), 5 * MEGABYTE);
    udp(&b, &a, &a.address_v6(), 1300);
}

/// A router with a cable to each of two uplinks of each site: 192.0.10.1 is uplink 0 of the first, 192.0.21.1 uplink 1 of the second.
fn internet(sites: &[&Site]) -> Namespace {
    let internet = Namespace::new("internet");
    internet.inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    for (number, site) in (1..).zip(sites) {
        for uplink in 0..2 {
            let (device, port) = (format!("eth{uplink}"), format!("s{number}u{uplink}"));
            site.namespace.cable(&device, &internet, &port);
            site.namespace.ip(&["link", "set", &device, "up"]);
            site.namespace.ip(&["addr", "add", &format!("192.0.{number}{uplink}.1/24"), "dev", &device]);
            internet.ip(&["addr", "add", &format!("192.0.{number}{uplink}.254/24"), "dev", &port]);
            let (gateway, metric) = (format!("192.0.{number}{uplink}.254"), format!("10{uplink}"));
            site.namespace.ip(&["route", "add", "default", "via", &gateway, "dev", &device, "metric", &metric]);
            site.sysctl(&format!("net/ipv4/conf/{device}/rp_filter"), "0");
        }
        site.sysctl("net/ipv4/conf/all/rp_filter", "0");
    }
    internet
}

#[test]
fn two_uplinks_here_and_two_there_are_four_paths_with_devices_of_their_own() {
    let (mut a, mut b) = (site(1, &["eth0", "eth1"]), site(2, &["eth0", "eth1"]));
    let _internet = internet(&[&a, &b]);
    a.service.start();
    b.service.start();
    a.apply(1, vec![b.as_peer(&[&["192.0.20.1:51830"], &["192.0.21.1:51831"]])]);
    b.apply(1, vec![a.as_peer(&[&["192.0.10.1:51830"], &["192.0.11.1:51831"]])]);
    let paths = a.wait_up(4);
    b.wait_up(4);
    let pairs: Vec<(u8, u8)> = paths.iter().map(|path| (path.local.number(), path.remote.number())).collect();
    assert_eq!(pairs, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    for device in ["mesh0-0", "mesh0-1", "mesh1-0", "mesh1-1"] {
        assert!(a.namespace.ip(&["link", "show", device]).contains("mtu 1440"));
    }
    tcp(&a, &b, &b.address(), MEGABYTE);
    // A wish without the site removes devices and routes.
    a.apply(2, vec![]);
    a.eventually("no devices", || !a.namespace.ip(&["link"]).contains("mesh"));
    a.eventually("no routes", || !a.namespace.ip(&["route"]).contains("10.2."));
}

#[test]
fn what_sites_say_to_each_other_passes_a_queue_that_is_full() {
    let (a, b) = two_with_a_tunnel();
    let socket = |site: &Site, port: u16| {
        let address: Ipv6Addr = site.address_v6().parse().unwrap();
        let socket = site.namespace.inside(move || UdpSocket::bind((address, port)).unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    };
    let [own, carried] = [PROBER_PORT, 5_000].map(|port| (socket(&a, port), socket(&b, port)));
    for (here, there) in [&own, &carried] {
        there.send_to(b"a flow of two directions", here.local_addr().unwrap()).unwrap();
        here.recv(&mut [0; 64]).unwrap();
    }
    let dropped = || {
        let table = a.namespace.inside(|| fs::read_to_string("/proc/thread-self/net/dev").unwrap());
        let line = table.lines().find(|line| line.trim_start().starts_with("mesh0-0:")).unwrap().to_owned();
        line.split_whitespace().nth(12).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(dropped(), 0);
    a.service.pause();
    for _ in 0..1_000 {
        carried.0.send_to(&[7; 500], carried.1.local_addr().unwrap()).unwrap();
    }
    assert!(dropped() > 0, "the queue is not full");
    own.0.send_to(b"a probe", own.1.local_addr().unwrap()).unwrap();
    a.service.resume();
    let mut said = [0; 64];
    let bytes = own.1.recv(&mut said).unwrap();
    assert_eq!(said.get(..bytes), Some(&b"a probe"[..]));
}

#[test]
fn what_is_for_a_site_without_a_path_leaves_by_no_uplink() {
    let (mut a, mut b) = (site(1, &["eth0", "eth1"]), site(2, &["eth0", "eth1"]));
    let _internet = internet(&[&a, &b]);
    a.service.start();
    b.service.start();
    let peer = b.as_peer(&[&["192.0.20.1:51830"], &["192.0.21.1:51831"]]);
    b.service.kill();
    let closed = |site: &Site| {
        let routes = ["-4", "-6"].map(|family| site.namespace.ip(&[family, "route", "show", "type", "unreachable"]));
        ["10.2.0.0/16", "fd00:2::/32"].map(|net| routes.iter().any(|routes| routes.contains(net)))
    };
    assert_eq!(closed(&a), [false, false], "anybody's so far");
    a.apply(1, vec![peer]);
    assert_eq!(closed(&a), [true, true]);
    // What another life has left ends as well.
    a.service.kill();
    a.service.start();
    a.apply(2, vec![]);
    assert_eq!(closed(&a), [false, false]);
}
