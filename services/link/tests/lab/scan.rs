//! A stranger: a TCP SYN and a UDP datagram to each of the 65,535 ports, and everything that comes back.

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddrV4},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

const TCP: u8 = 6;
const UDP: u8 = 17;
const TTL: u8 = 64;
pub const SOURCE_PORT: u16 = 0xc000;

/// IPv4 packets to `own`, from whomever, that came back within a second after the scan.
pub fn scan(own: Ipv4Addr, target: Ipv4Addr, ports: impl Iterator<Item = u16>) -> Vec<Vec<u8>> {
    scan_with(own, target, ports, TTL)
}

/// The same with packets that live for so many hops.
pub fn scan_with(own: Ipv4Addr, target: Ipv4Addr, ports: impl Iterator<Item = u16>, ttl: u8) -> Vec<Vec<u8>> {
    let sniffer =
        Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(i32::from(0x0800_u16.to_be())))).unwrap();
    sniffer.set_nonblocking(true).unwrap();
    let raw = raw();
    let mut answers = Vec::new();
    for port in ports {
        for protocol in [TCP, UDP] {
            raw.send_to(&probe(own, target, protocol, port, ttl), &SocketAddrV4::new(target, 0).into()).unwrap();
        }
        if port % 16 == 0 {
            collect(&sniffer, own, &mut answers);
        }
    }
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        collect(&sniffer, own, &mut answers);
        std::thread::sleep(Duration::from_millis(10));
    }
    answers
}

/// One datagram of a given source, whoever that is, from [`SOURCE_PORT`].
pub fn send_udp(source: Ipv4Addr, target: Ipv4Addr, port: u16) {
    raw().send_to(&probe(source, target, UDP, port, TTL), &SocketAddrV4::new(target, 0).into()).unwrap();
}

/// Whether one of a few pings is answered.
pub fn echoes(target: Ipv4Addr) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut request = [8, 0, 0, 0, 0, 7, 0, 1];
    let sum = checksum(&request);
    request[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut buffer = [0; 2048];
    (0..3).any(|_| {
        socket.send_to(&request, &SocketAddrV4::new(target, 0).into()).unwrap();
        (&socket).read(&mut buffer).is_ok() && buffer[12..16] == target.octets() && buffer[20] == 0
    })
}

fn raw() -> Socket {
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW))).unwrap()
}

fn collect(sniffer: &Socket, own: Ipv4Addr, answers: &mut Vec<Vec<u8>>) {
    let mut buffer = [0; 2048];
    while let Ok(count) = (&mut &*sniffer).read(&mut buffer) {
        if buffer[16..20] == own.octets() && buffer[12..16] != own.octets() {
            answers.push(buffer[..count].to_vec());
        }
    }
}

fn probe(own: Ipv4Addr, target: Ipv4Addr, protocol: u8, port: u16, ttl: u8) -> Vec<u8> {
    let mut body = SOURCE_PORT.to_be_bytes().to_vec();
    body.extend_from_slice(&port.to_be_bytes());
    if protocol == TCP {
        // Sequence number 1, header of 20 bytes, SYN, window 1024.
        body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 4, 0, 0, 0, 0, 0]);
    } else {
        body.extend_from_slice(&[0, 8, 0, 0]);
    }
    if protocol == TCP {
        let length = body.len() as u16;
        let pseudo = [&own.octets()[..], &target.octets(), &[0, protocol], &length.to_be_bytes(), &body].concat();
        let sum = checksum(&pseudo);
        body[16..18].copy_from_slice(&sum.to_be_bytes());
    }
    // The kernel fills in length, identification and checksum.
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, ttl, protocol, 0, 0];
    packet.extend_from_slice(&own.octets());
    packet.extend_from_slice(&target.octets());
    packet.extend_from_slice(&body);
    packet
}

fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}
