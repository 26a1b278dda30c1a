//! Somebody at the other end of a cable who says that he is an IPv6 router (RFC 4861 section 4.2), at once and ten times a second.
#![allow(unreachable_pub)]

use std::{
    net::{Ipv6Addr, SocketAddrV6},
    sync::{Arc, Weak},
    time::Duration,
};

use patronus_lab::Namespace;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// RFC 4861 section 6.1.2: any other says that a router on the way has forwarded it.
const HOP_LIMIT: u32 = 255;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const PAUSE: Duration = Duration::from_millis(100);
/// In seconds, of everything that is advertised.
const LIFETIME_S: u32 = 1800;

/// What is said, and how.
pub struct Advertisement {
    pub source: Ipv6Addr,
    pub hop_limit: u32,
    pub prefixes: Vec<Ipv6Addr>,
    pub resolvers: Vec<Ipv6Addr>,
}

impl Advertisement {
    /// A proper one, with one prefix of 64 bits and one resolver in it.
    pub fn of(prefix: &str) -> Self {
        let prefix: Ipv6Addr = prefix.parse().unwrap();
        let resolver = Ipv6Addr::from_bits(prefix.to_bits() | 0x53);
        Self {
            source: "fe80::1".parse().unwrap(),
            hop_limit: HOP_LIMIT,
            prefixes: vec![prefix],
            resolvers: vec![resolver],
        }
    }

    /// ICMPv6 without checksum, which the kernel fills in.
    fn packet(&self) -> Vec<u8> {
        let mut packet = vec![134, 0, 0, 0, 64, 0];
        packet.extend_from_slice(&(LIFETIME_S as u16).to_be_bytes());
        packet.extend_from_slice(&[0; 8]);
        for prefix in &self.prefixes {
            // On the link, and for addresses of one's own.
            packet.extend_from_slice(&[3, 4, 64, 0xc0]);
            packet.extend_from_slice(&LIFETIME_S.to_be_bytes());
            packet.extend_from_slice(&LIFETIME_S.to_be_bytes());
            packet.extend_from_slice(&[0; 4]);
            packet.extend_from_slice(&prefix.octets());
        }
        if !self.resolvers.is_empty() {
            packet.extend_from_slice(&[25, 1 + 2 * self.resolvers.len() as u8, 0, 0]);
            packet.extend_from_slice(&LIFETIME_S.to_be_bytes());
            packet.extend(self.resolvers.iter().flat_map(Ipv6Addr::octets));
        }
        packet
    }
}

/// Advertises until it is dropped.
pub struct Advertiser(#[allow(dead_code)] Arc<()>);

impl Advertiser {
    pub fn start(namespace: &Namespace, port: &'static str, advertisement: Advertisement) -> Self {
        namespace.ip(&["addr", "replace", &format!("{}/64", advertisement.source), "dev", port, "nodad"]);
        let running = Arc::new(());
        let is_wanted = Arc::downgrade(&running);
        namespace.run(move || advertise(port, &advertisement, &is_wanted));
        Self(running)
    }
}

fn advertise(port: &str, advertisement: &Advertisement, is_wanted: &Weak<()>) {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
    socket.bind_device(Some(port.as_bytes())).unwrap();
    socket.set_multicast_hops_v6(advertisement.hop_limit).unwrap();
    let scope = index_of(&socket, port);
    socket.bind(&SockAddr::from(SocketAddrV6::new(advertisement.source, 0, 0, scope))).unwrap();
    let all = SockAddr::from(SocketAddrV6::new(ALL_NODES, 0, 0, scope));
    while is_wanted.upgrade().is_some() {
        // The port may be down for a moment.
        let _ = socket.send_to(&advertisement.packet(), &all);
        std::thread::sleep(PAUSE);
    }
}

/// The kernel's number of a port, as a scope of link-local addresses.
fn index_of(socket: &Socket, port: &str) -> u32 {
    rustix::net::netdevice::name_to_index(socket, port).unwrap()
}
