//! The sockets of the DHCP client: below IP, because there is no address yet.
//!
//! *Does*: receive UDP datagrams to port 68 of one device; send by broadcast below IP, or to a known server through IP.
//! *Never does*: open a UDP port: a port scan finds nothing.

use std::{
    io::{self, Read},
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use patronus_link::{datagram, dhcp::Transmit, limit};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::{Interest, unix::AsyncFd};

use super::sys::{link_address, readable};

/// `ETH_P_IP`.
const IPV4: u16 = 0x0800;

/// The two sockets of one uplink.
#[derive(Clone)]
pub(crate) struct DhcpSocket {
    index: u32,
    below_ip: Arc<AsyncFd<Socket>>,
    through_ip: Arc<Socket>,
}

impl DhcpSocket {
    /// Opens both for the device with this index and name.
    pub(crate) fn open(index: u32, device: &str) -> io::Result<Self> {
        // Protocol 0 receives nothing: the filter is in place before the first packet comes.
        let below_ip = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
        below_ip.attach_filter(&FILTER)?;
        below_ip.bind(&link_address(index, IPV4, [0; 6]))?;
        below_ip.set_nonblocking(true)?;
        // A raw socket and no UDP one: port 68 would need another capability and would be open.
        let through_ip = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        through_ip.bind_device(Some(device.as_bytes()))?;
        through_ip.set_nonblocking(true)?;
        let below_ip = readable(below_ip)?;
        Ok(Self { index, below_ip: Arc::new(below_ip), through_ip: Arc::new(through_ip) })
    }

    /// The next DHCP message, as it came from the network.
    pub(crate) async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; limit::DHCP_MESSAGE_BYTES + 64];
        loop {
            let read = |socket: &Socket| {
                let mut reader = socket;
                reader.read(&mut buffer)
            };
            let count = self.below_ip.async_io(Interest::READABLE, read).await?;
            if let Some(payload) = buffer.get(..count).and_then(datagram::payload) {
                return Ok(payload.to_vec());
            }
        }
    }

    /// Sends one message. A full queue loses it, as the network might.
    pub(crate) fn send(&self, transmit: &Transmit) -> io::Result<()> {
        let packet = datagram::build(transmit.source, transmit.destination, &transmit.payload);
        if transmit.destination == Ipv4Addr::BROADCAST {
            let everybody = link_address(self.index, IPV4, [0xff; 6]);
            self.below_ip.get_ref().send_to(&packet, &everybody)?;
        } else {
            self.through_ip.send_to(&packet, &SocketAddrV4::new(transmit.destination, 0).into())?;
        }
        Ok(())
    }
}

/// Classic BPF (`linux/filter.h`): UDP, not a later fragment, to port 68. The packet begins with the IPv4 header.
const FILTER: [SockFilter; 9] = [
    step(LOAD_BYTE, 0, 0, 9),
    step(JUMP_EQUAL, 0, 5, 17),
    step(LOAD_HALF, 0, 0, 6),
    step(JUMP_ANY_BIT, 3, 0, 0x1fff),
    step(LOAD_HEADER_LENGTH, 0, 0, 0),
    step(LOAD_HALF_INDEXED, 0, 0, 2),
    step(JUMP_EQUAL, 1, 0, datagram::CLIENT_PORT as u32),
    step(RETURN, 0, 0, 0),
    step(RETURN, 0, 0, u32::MAX),
];

const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF: u16 = 0x28;
const LOAD_HALF_INDEXED: u16 = 0x48;
const LOAD_HEADER_LENGTH: u16 = 0xb1;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> SockFilter {
    SockFilter::new(code, jt, jf, k)
}
