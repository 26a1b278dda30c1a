//! Sockets that are not granted, and callers' rights.
#![forbid(unsafe_code)]

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::{UnixDatagram, UnixStream},
    },
    time::Duration,
};

use rustix::{
    net::{AddressFamily, SendFlags, SocketType},
    thread::CapabilitySet,
};

use super::{Attempt, Outcome, call};
use crate::{Place, sys::Word::Number};

/// A request of `patronus_ipc::init`: switch off.
const INIT_POWER_OFF: u8 = 4;
/// A request of `patronus_ipc::config`: the password's verifier.
const CONFIG_CREDENTIAL: u8 = 8;
/// A request of `patronus_ipc::config`: the seed of the site's identity.
const CONFIG_IDENTITY: u8 = 9;
/// A request of `patronus_ipc::mesh`: found a network.
const MESH_CREATE_NETWORK: u8 = 1;
/// The services with the system calls of TCP, and a port of their own.
const SPEAK_TCP: [&str; 2] = ["web", "mesh"];
/// The service that may connect to any port.
const CONNECTS: &str = "mesh";
/// The services with the system calls of UDP.
const SPEAK_UDP: [&str; 5] = ["clock", "tunnel", "datapath", "mesh", "prober"];
/// The service with the packet filter.
const FILTERS: &str = "link";
/// The service that makes devices.
const MAKES_DEVICES: &str = "tunnel";
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
    Attempt::new("open a socket to the packet filter", |place| match place.service.as_str() {
        FILTERS => Ok(Outcome::NobodyThere),
        _ => socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER),
    }),
    Attempt::new("open the device that makes devices", |place| match place.service.as_str() {
        MAKES_DEVICES => Ok(Outcome::NobodyThere),
        _ => File::open("/dev/net/tun").map(|_| Outcome::Done),
    }),
    Attempt::new("make a network device", |place| match place.service.as_str() {
        MAKES_DEVICES => Ok(Outcome::NobodyThere),
        _ => request(libc::TUNSETIFF),
    }),
    Attempt::new("give a network device to somebody else", |_| request(libc::TUNSETOWNER)),
    Attempt::new("open a vsock socket", |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    Attempt::new("open a socket to the kernel's ciphers", |_| socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
    Attempt::new("listen on TCP port 22", |_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 22)).map(|_| Outcome::Done)),
    Attempt::new("listen on TCP port 8080", |_| {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).map(|_| Outcome::Done)
    }),
    Attempt::new("open a TCP socket", |place| match place.service.as_str() {
        service if SPEAK_TCP.contains(&service) => Ok(Outcome::NobodyThere),
        _ => tcp_socket().map(|_| Outcome::Done),
    }),
    Attempt::new("listen on a socket that was not bound", |place| match place.service.as_str() {
        // Where `listen` is allowed, nothing tells a socket that was bound before from one that was not.
        service if SPEAK_TCP.contains(&service) => Ok(Outcome::NobodyThere),
        _ => listen_unbound(),
    }),
    Attempt::new("listen on UDP port 53", |_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 53)).map(|_| Outcome::Done)),
    Attempt::new("open a UDP socket", |place| match place.service.as_str() {
        service if SPEAK_UDP.contains(&service) => Ok(Outcome::NobodyThere),
        _ => socket(libc::AF_INET, libc::SOCK_DGRAM, 0),
    }),
    Attempt::new("connect to TCP port 25", |place| match place.service.as_str() {
        CONNECTS => Ok(Outcome::NobodyThere),
        _ => TcpStream::connect((Ipv4Addr::LOCALHOST, 25)).map(|_| Outcome::Done),
    }),
    Attempt::new("connect to TCP port 25 by sending", |_| connect_by_sending()),
    Attempt::new("switch the machine off over IPC", |place| ask(place, "init", INIT_POWER_OFF, "web")),
    Attempt::new("ask for the administrator's credential over IPC", |place| {
        ask(place, "config", CONFIG_CREDENTIAL, "web")
    }),
    Attempt::new("ask for the site's identity over IPC", |place| ask(place, "config", CONFIG_IDENTITY, "mesh")),
    Attempt::new("found a network over IPC", |place| ask(place, "mesh", MESH_CREATE_NETWORK, "web")),
];

/// A request to whatever is standard input, which is no device: a call that gets through fails for that reason.
fn request(number: libc::c_ulong) -> io::Result<Outcome> {
    call(libc::SYS_ioctl, &[Number(0), Number(number.cast_signed()), Number(0)])
}

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<Outcome> {
    call(libc::SYS_socket, &[Number(family.into()), Number(kind.into()), Number(protocol.into())])
}

/// A TCP socket would get a port when it begins to listen. This one cannot: if the call gets through, the kernel says so.
fn listen_unbound() -> io::Result<Outcome> {
    let socket = UnixDatagram::unbound()?;
    call(libc::SYS_listen, &[Number(socket.as_raw_fd().into()), Number(1)])
}

/// TCP Fast Open: the first data carry the connection.
fn connect_by_sending() -> io::Result<Outcome> {
    let socket = tcp_socket()?;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 25);
    rustix::net::sendto(&socket, b"x", SendFlags::from_bits_retain(libc::MSG_FASTOPEN.cast_unsigned()), &address)?;
    Ok(Outcome::Done)
}

fn tcp_socket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?)
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
