use std::net::SocketAddr;

use patronus_ipc::tunnel::{RemoteSlot, SlotKey, Traffic, device_name};
use patronus_types::{Generation, SiteId};

use super::*;

fn slot(number: u8) -> UplinkSlot {
    UplinkSlot::new(number).unwrap()
}

fn peer(number: u16, endpoints: usize, prefixes: usize) -> Peer {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let endpoints = vec![SocketAddr::from(([192, 0, 2, 1], 51830)); endpoints];
    Peer {
        site: SiteId(id),
        is_relay: false,
        slots: vec![RemoteSlot { slot: slot(1), public_key: SlotKey(id), endpoints }],
        prefixes: (0..prefixes).map(|n| format!("10.{}.{n}.0/24", number % 256).parse().unwrap()).collect(),
        keepalive_s: None,
    }
}

fn wish(generation: u64, peers: Vec<Peer>) -> Desired {
    Desired {
        generation: Generation(generation),
        is_relay: false,
        peers,
        address: None,
        stun: Vec::new(),
        closed: Vec::new(),
    }
}

fn checked(peers: Vec<Peer>) -> Result<(), Rejected> {
    check(&wish(1, peers), &Desired::default())
}

fn up(peer: &Peer, local: u8, remote: u8, status: PathStatus) -> PathState {
    PathState {
        peer: peer.site,
        local: slot(local),
        remote: slot(remote),
        status,
        endpoint: None,
        via: None,
        session_age_ms: None,
        heard_ago_ms: None,
        sent: Traffic::default(),
        received: Traffic::default(),
        lost: 0,
        reordered: 0,
        emptied_ago_ms: None,
        longest: None,
    }
}

#[test]
fn each_limit_holds_and_one_above_it_is_refused_by_name() {
    let peers = |count: usize| (0..count).map(|number| peer(number as u16, 0, 0)).collect::<Vec<_>>();
    assert_eq!(checked(peers(limit::PEERS)), Ok(()));
    assert_eq!(checked(peers(limit::PEERS + 1)), Err(Rejected::TooManyPeers));
    assert_eq!(checked(vec![peer(1, limit::CANDIDATES, limit::PREFIXES)]), Ok(()));
    assert_eq!(checked(vec![peer(1, limit::CANDIDATES + 1, 0)]), Err(Rejected::TooManyEndpoints));
    assert_eq!(checked(vec![peer(1, 0, limit::PREFIXES + 1)]), Err(Rejected::TooManyPrefixes));
    let stun = |count| Desired { stun: vec![SocketAddr::from(([192, 0, 2, 1], 3478)); count], ..wish(1, Vec::new()) };
    assert_eq!(check(&stun(limit::STUN_SERVERS), &Desired::default()), Ok(()));
    assert_eq!(check(&stun(limit::STUN_SERVERS + 1), &Desired::default()), Err(Rejected::TooManyStunServers));
}

#[test]
fn what_cannot_be_two_things_is_refused() {
    assert_eq!(checked(vec![peer(1, 0, 0), peer(1, 0, 0)]), Err(Rejected::Repeated));
    let (first, mut second) = (peer(1, 0, 0), peer(2, 0, 0));
    second.slots[0].public_key = first.slots[0].public_key;
    assert_eq!(checked(vec![first.clone(), second]), Err(Rejected::KeyUsedTwice));
    let twice = Peer { slots: [first.slots.clone(), first.slots.clone()].concat(), ..first };
    assert_eq!(checked(vec![twice]), Err(Rejected::Repeated));
}

#[test]
fn an_older_wish_is_stale_and_the_same_one_may_come_again() {
    assert_eq!(check(&wish(6, vec![]), &wish(7, vec![])), Err(Rejected::StaleGeneration));
    assert_eq!(check(&wish(7, vec![]), &wish(7, vec![])), Ok(()));
}

#[test]
fn a_prefix_is_routed_to_the_first_path_of_its_site_that_is_up() {
    let peers = [peer(1, 0, 1), peer(2, 0, 1), peer(3, 0, 1)];
    let paths = [
        up(&peers[0], 0, 1, PathStatus::Down),
        up(&peers[0], 1, 1, PathStatus::Up),
        up(&peers[0], 1, 0, PathStatus::Up),
        up(&peers[1], 0, 1, PathStatus::Up),
        up(&peers[2], 0, 1, PathStatus::Down),
    ];
    let routes = routes(&wish(1, peers.to_vec()), &paths, &Preferred::new());
    let expected = [("10.1.0.0/24", (1, 0)), ("10.2.0.0/24", (0, 1))];
    let expected = expected.map(|(prefix, (local, remote))| (prefix.parse().unwrap(), (slot(local), slot(remote))));
    assert_eq!(routes, BTreeMap::from(expected));
}

#[test]
fn what_is_closed_is_no_whole_family() {
    let nets = |nets: &[&str]| nets.iter().map(|net| net.parse().unwrap()).collect::<Vec<IpNet>>();
    let wish = Desired { closed: nets(&["fd00:9::7/128", "0.0.0.0/0", "::/0", "10.1.9.9/24"]), ..Desired::default() };
    assert_eq!(closed(&wish), BTreeSet::from_iter(nets(&["10.1.9.0/24", "fd00:9::7/128"])));
    let many = |count: usize| Desired { closed: vec![nets(&["10.1.9.0/24"])[0]; count], ..Desired::default() };
    assert_eq!(check(&many(limit::CLOSED), &Desired::default()), Ok(()));
    assert_eq!(check(&many(limit::CLOSED + 1), &Desired::default()), Err(Rejected::TooManyPrefixes));
}

#[test]
fn a_device_has_the_shorter_packets_as_soon_as_one_of_its_peers_may_be_reached_by_ipv6() {
    let mut peers = vec![peer(1, 1, 0), peer(2, 1, 0)];
    assert_eq!(remotes(&wish(1, peers.clone())), BTreeMap::from([(slot(1), false)]));
    peers[1].slots[0].endpoints.push("[2001:db8::1]:51831".parse().unwrap());
    assert_eq!(remotes(&wish(1, peers)), BTreeMap::from([(slot(1), true)]));
}

#[test]
fn the_narrowest_path_counts_if_it_is_up_and_direct() {
    let (one, other) = (peer(1, 1, 0), peer(2, 1, 0));
    let path = |peer: &Peer, local, status, longest| PathState { longest, ..up(peer, local, 1, status) };
    let relayed = PathState { via: Some(other.site), ..path(&one, 4, PathStatus::Up, Some(1280)) };
    let paths = [
        path(&one, 0, PathStatus::Up, Some(1440)),
        path(&one, 1, PathStatus::Up, Some(1376)),
        path(&one, 2, PathStatus::Down, Some(1216)),
        path(&one, 3, PathStatus::Up, None),
        relayed,
        path(&other, 0, PathStatus::Up, Some(1408)),
    ];
    assert_eq!(narrowest(paths.iter()), BTreeMap::from([(one.site, 1376), (other.site, 1408)]));
}

#[test]
fn names_and_ports_are_those_of_the_document() {
    assert_eq!(device_name(slot(2), slot(15)), "mesh2-15");
    assert_eq!((listen_port(slot(0)), listen_port(slot(15))), (51830, 51845));
}
