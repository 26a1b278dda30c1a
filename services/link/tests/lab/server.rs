//! A small real DHCP server on the WAN side (RFC 2131 section 4.3), whose manners the test changes.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex},
    time::Duration,
};

use dhcproto::{
    Decodable, Decoder, Encodable, Encoder,
    v4::{DhcpOption, Message, MessageType, Opcode, OptionCode},
};
use patronus_lab::Namespace;
use socket2::{Domain, Socket, Type};

pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// How the server behaves, and what it has seen.
#[derive(Clone, Debug)]
pub struct Manners {
    pub address: Ipv4Addr,
    pub lease_s: u32,
    pub silent: bool,
    pub seen: Vec<(MessageType, Option<Ipv4Addr>)>,
}

#[derive(Clone)]
pub struct Server(Arc<Mutex<Manners>>);

impl Server {
    /// Starts serving in a namespace whose port is `w0`; ends with the last handle.
    pub fn start(namespace: &Namespace) -> Self {
        namespace.ip(&["addr", "replace", &format!("{SERVER}/24"), "dev", "w0"]);
        let manners = Manners { address: [203, 0, 113, 9].into(), lease_s: 3600, silent: false, seen: Vec::new() };
        let shared = Arc::new(Mutex::new(manners));
        let weak = Arc::downgrade(&shared);
        namespace.run(move || {
            let socket = open();
            let mut buffer = [0; 2000];
            loop {
                let count = std::io::Read::read(&mut &socket, &mut buffer).unwrap_or(0);
                let Some(shared) = weak.upgrade() else { return };
                if let Some((answer, to)) = answer(&mut shared.lock().unwrap(), &buffer[..count]) {
                    socket.send_to(&answer, &SocketAddrV4::new(to, 68).into()).unwrap();
                }
            }
        });
        Self(shared)
    }

    pub fn set(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.0.lock().unwrap());
    }

    pub fn seen(&self) -> Vec<(MessageType, Option<Ipv4Addr>)> {
        self.0.lock().unwrap().seen.clone()
    }
}

fn open() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.set_broadcast(true).unwrap();
    socket.bind_device(Some(b"w0")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67).into()).unwrap();
    socket
}

fn answer(manners: &mut Manners, bytes: &[u8]) -> Option<(Vec<u8>, Ipv4Addr)> {
    let question = Message::decode(&mut Decoder::new(bytes)).ok()?;
    let kind = question.opts().msg_type()?;
    let requested = match question.opts().get(OptionCode::RequestedIpAddress) {
        Some(DhcpOption::RequestedIpAddress(address)) => Some(*address),
        _ => None,
    };
    manners.seen.push((kind, requested));
    if manners.silent {
        return None;
    }
    let answer = match kind {
        MessageType::Discover => MessageType::Offer,
        MessageType::Request if requested.unwrap_or(question.ciaddr()) != manners.address => MessageType::Nak,
        MessageType::Request => MessageType::Ack,
        _ => return None,
    };
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(question.xid(), none, manners.address, none, none, question.chaddr());
    message.set_opcode(Opcode::BootReply);
    let options = [
        DhcpOption::MessageType(answer),
        DhcpOption::ServerIdentifier(SERVER),
        DhcpOption::SubnetMask([255, 255, 255, 0].into()),
        DhcpOption::Router(vec![first_of(manners.address)]),
        DhcpOption::DomainNameServer(vec![SERVER]),
        DhcpOption::NtpServers(vec![SERVER]),
        DhcpOption::InterfaceMtu(1400),
        DhcpOption::AddressLeaseTime(manners.lease_s),
    ];
    for option in options {
        message.opts_mut().insert(option);
    }
    let mut reply = Vec::new();
    message.encode(&mut Encoder::new(&mut reply)).ok()?;
    let to = if question.ciaddr().is_unspecified() { Ipv4Addr::BROADCAST } else { question.ciaddr() };
    Some((reply, to))
}

/// The router of a network is its first address, as that of [`SERVER`]'s is.
fn first_of(address: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = address.octets();
    Ipv4Addr::new(a, b, c, 1)
}
