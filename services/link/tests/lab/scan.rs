//! A stranger: a TCP SYN and a UDP datagram to each of the 65,535 ports, and everything that comes back.

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddrV4},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// IPv4 packets from `target` that came back to the device of `own` within a second after the scan.
pub fn scan(own: Ipv4Addr, target: Ipv4Addr, ports: impl Iterator<Item = u16>) -> Vec<Vec<u8>> {
    let sniffer =
        Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(i32::from(0x0800_u16.to_be())))).unwrap();
    sniffer.set_nonblocking(true).unwrap();
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW))).unwrap();
    let mut answers = Vec::new();
    for port in ports {
        for protocol in [TCP, UDP] {
            raw.send_to(&probe(own, target, protocol, port), &SocketAddrV4::new(target, 0).into()).unwrap();
        }
        if port % 16 == 0 {
            collect(&sniffer, target, &mut answers);
        }
    }
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        collect(&sniffer, target, &mut answers);
        std::thread::sleep(Duration::from_millis(10));
    }
    answers
}

fn collect(sniffer: &Socket, target: Ipv4Addr, answers: &mut Vec<Vec<u8>>) {
    let mut buffer = [0; 2048];
    while let Ok(count) = (&mut &*sniffer).read(&mut buffer) {
        if buffer[12..16] == target.octets() {
            answers.push(buffer[..count].to_vec());
        }
    }
}

fn probe(own: Ipv4Addr, target: Ipv4Addr, protocol: u8, port: u16) -> Vec<u8> {
    let mut body = vec![0xc0, 0x00];
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
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
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
