//! A ping that tells what came back.

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddrV4},
    time::{Duration, Instant},
};

use patronus_lab::Namespace;
use socket2::{Domain, Protocol, Socket, Type};

/// How long an answer may take; another ping is sent each second.
const PATIENCE: Duration = Duration::from_secs(60);
const ID: u16 = 0x0777;

#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// From him who was asked.
    Reply(Ipv4Addr),
    /// From a router, and from whom to whom the ping was that it tells of.
    TimeExceeded { from: Ipv4Addr, about: (Ipv4Addr, Ipv4Addr) },
}

/// Pings until something comes back.
pub fn ping(from: &Namespace, to: &str, ttl: u32) -> Option<Answer> {
    let to: Ipv4Addr = to.parse().unwrap();
    from.inside(move || {
        let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
        socket.set_ttl_v4(ttl).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let end = Instant::now() + PATIENCE;
        let mut buffer = [0; 2048];
        while Instant::now() < end {
            socket.send_to(&request(), &SocketAddrV4::new(to, 0).into()).unwrap();
            while let Ok(count) = socket.read(&mut buffer) {
                if let Some(answer) = read(&buffer[..count]) {
                    return Some(answer);
                }
            }
        }
        None
    })
}

fn request() -> [u8; 16] {
    let mut request = [0; 16];
    request[0] = 8;
    request[4..6].copy_from_slice(&ID.to_be_bytes());
    // All that is not zero, as RFC 1071 sums it.
    let sum = !(0x0800 + ID);
    request[2..4].copy_from_slice(&sum.to_be_bytes());
    request
}

/// `None` for what is not about our ping.
fn read(packet: &[u8]) -> Option<Answer> {
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    let id = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    match *packet.get(20)? {
        0 if id(24)? == ID => Some(Answer::Reply(address(12)?)),
        11 if id(52)? == ID => Some(Answer::TimeExceeded { from: address(12)?, about: (address(40)?, address(44)?) }),
        _ => None,
    }
}
