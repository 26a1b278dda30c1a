//! Sockets that are not granted, and callers' rights.
#![forbid(unsafe_code)]

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixStream,
    time::Duration,
};

use rustix::thread::CapabilitySet;

use super::{Attempt, Outcome, call};
use crate::{Place, sys::Word::Number};

/// A request of `patronus_ipc::init`: switch off.
const INIT_POWER_OFF: u8 = 4;
/// A request of `patronus_ipc::config`: the password's verifier.
const CONFIG_CREDENTIAL: u8 = 8;
/// How long a service may take to refuse.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("open a raw IPv4 socket", |_| socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP))
        .unless(CapabilitySet::NET_RAW),
    Attempt::new("open a raw IPv6 socket", |_| socket(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6))
        .unless(CapabilitySet::NET_RAW),
    Attempt::new("open a packet socket", |_| socket(libc::AF_PACKET, libc::SOCK_RAW, 0x0300))
        .unless(CapabilitySet::NET_RAW),
    Attempt::new("open a netlink socket", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 0))
        .unless(CapabilitySet::NET_ADMIN),
    Attempt::new("open a vsock socket", |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    Attempt::new("open a socket to the kernel's ciphers", |_| socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
    Attempt::new("listen on TCP port 22", |_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 22)).map(|_| Outcome::Done)),
    Attempt::new("listen on TCP port 8080", |_| {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).map(|_| Outcome::Done)
    }),
    Attempt::new("listen on UDP port 53", |_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 53)).map(|_| Outcome::Done))
        .unless(CapabilitySet::NET_BIND_SERVICE),
    Attempt::new("connect to TCP port 25", |_| TcpStream::connect((Ipv4Addr::LOCALHOST, 25)).map(|_| Outcome::Done)),
    Attempt::new("switch the machine off over IPC", |place| ask(place, "init", INIT_POWER_OFF, "web")),
    Attempt::new("ask for the administrator's credential over IPC", |place| {
        ask(place, "config", CONFIG_CREDENTIAL, "web")
    }),
];

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<Outcome> {
    call(libc::SYS_socket, &[Number(family.into()), Number(kind.into()), Number(protocol.into())])
}

/// Asks a service for something that only `granted` may ask for. The request is a frame with a postcard enum without fields; the
/// answer is a frame that begins with 0 for a reply and 1 for a refusal.
fn ask(place: &Place, service: &str, request: u8, granted: &str) -> io::Result<Outcome> {
    if [service, granted].contains(&place.service.as_str()) {
        return Ok(Outcome::NobodyThere);
    }
    let mut stream = UnixStream::connect(place.sockets.join(format!("{service}.sock")))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[1, 0, 0, 0, request])?;
    let mut answer = [0; 5];
    match stream.read_exact(&mut answer) {
        Ok(()) if answer[4] == 1 => Err(io::Error::from_raw_os_error(libc::EACCES)),
        Ok(()) => Ok(Outcome::Done),
        // Another probe stands there and answers nobody.
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(Outcome::NobodyThere),
        Err(error) => Err(error),
    }
}
