//! WireGuard's own implementation in Go at the far end, in both roles.

use std::net::SocketAddr;

use patronus_ipc::tunnel::{Peer, RemoteSlot, SlotKey};
use patronus_lab::{
    Far, Namespace, WireGuard,
    carry::{tcp, udp},
};
use patronus_tunnel::noise::{Boring, Engine};
use patronus_types::SiteId;

use crate::lab::{MEGABYTE, prefixes, site, slot};

const OURS: &str = "192.0.2.1";
const THEIRS: &str = "192.0.2.2";
const PORT: u16 = 51830;
/// The far end's private key.
const PRIVATE: [u8; 32] = [0x42; 32];

fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), PORT)
}

/// The far end as our `mesh` would tell of it.
fn far_end(endpoints: Vec<SocketAddr>) -> Peer {
    let public_key = SlotKey(Boring::new(PRIVATE).public_key());
    let slots = vec![RemoteSlot { slot: slot(0), public_key, endpoints }];
    Peer { site: SiteId([2; 32]), is_relay: false, slots, prefixes: prefixes(2), keepalive_s: Some(10) }
}

fn carries_both_ways(they_begin: bool) {
    let mut ours = site(1, &["eth0"]);
    let far = Namespace::new("go");
    ours.namespace.cable("eth0", &far, "eth0");
    ours.namespace.ip(&["link", "set", "eth0", "up"]);
    ours.namespace.ip(&["addr", "add", &format!("{OURS}/24"), "dev", "eth0"]);
    far.ip(&["addr", "add", &format!("{THEIRS}/24"), "dev", "eth0"]);
    far.ip(&["addr", "add", "10.2.0.1/32", "dev", "lo"]);
    far.ip(&["addr", "add", "fd00:2::1/128", "dev", "lo", "nodad"]);
    ours.service.start();
    let endpoint = they_begin.then(|| at(OURS));
    let here =
        Far { key: ours.keys(1)[0].0, endpoint, prefixes: prefixes(1).iter().map(ToString::to_string).collect() };
    let _go = WireGuard::start(&far, &["wireguard-go", "-f"], PRIVATE, PORT, &here);
    ours.apply(1, vec![far_end(if they_begin { vec![] } else { vec![at(THEIRS)] })]);
    ours.wait_up(1);
    for (from, to, addresses) in
        [(&ours.namespace, &far, ["10.2.0.1", "fd00:2::1"]), (&far, &ours.namespace, ["10.1.0.1", "fd00:1::1"])]
    {
        for address in addresses {
            udp(from, to, address, 64);
            udp(from, to, address, 1300);
            tcp(from, to, address, 10 * MEGABYTE);
        }
    }
}

#[test]
fn we_begin_and_wireguard_go_answers() {
    carries_both_ways(false);
}

#[test]
fn wireguard_go_begins_and_we_answer() {
    carries_both_ways(true);
}
