//! The sockets inside tunnels: one for each tunnel device.
//!
//! *Does*: bind each to its device, so that what it sends goes over that device's paths and no other; say when the kernel took a datagram in.
//! *Never does*: hear anybody but through a tunnel: `link`'s filter lets nothing else to this port, and `tunnel` lets each site speak with its
//! own addresses alone.
//! *Spec*: `docs/prober.md`, section "Packets"; socket(7), `SO_BINDTODEVICE` and `SO_TIMESTAMPNS`.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, setsockopt, sockopt},
        time::TimeSpec,
    },
};
use patronus_prober::packet;
use patronus_types::ports::PROBER_PORT;
use socket2::{Domain, Protocol, Socket as Plain, Type};

use super::moment;

/// The kernel's stamp is not believed if the time of day was just set.
const MOST_WAIT_US: u64 = 10_000_000;

const BUFFER_BYTES: usize = 1 << 20;

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: Plain,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

/// A datagram that came.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) source: Ipv6Addr,
    pub(crate) bytes: &'a [u8],
    /// How long it has waited for this process.
    pub(crate) waited_us: u64,
}

impl Socket {
    /// On this device, with the box's own address inside tunnels.
    pub(crate) fn open(device: &str, address: Ipv6Addr) -> io::Result<Self> {
        let socket = Plain::new(Domain::IPV6, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
        socket.set_only_v6(true)?;
        socket.bind_device(Some(device.as_bytes()))?;
        socket.set_freebind_v6(true)?;
        // A train of load has to fit in; the kernel gives as much of it as it gives anybody.
        socket.set_recv_buffer_size(BUFFER_BYTES)?;
        socket.set_send_buffer_size(BUFFER_BYTES)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        socket.bind(&SocketAddr::from((address, PROBER_PORT)).into())?;
        // One byte more than may be, so that too much is seen as too much.
        Ok(Self { socket, buffer: vec![0; packet::MOST_BYTES + 1], control: cmsg_space!(TimeSpec) })
    }

    /// The next datagram, if there is one.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Received<'_>>> {
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let message = match recvmsg::<SockaddrIn6>(fd, &mut slices, Some(&mut self.control), flags) {
            Ok(message) => message,
            Err(Errno::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
            _ => None,
        });
        let stamped_us = stamp.and_then(|stamp| {
            let us = stamp.tv_sec().checked_mul(1_000_000)?.checked_add(stamp.tv_nsec() / 1_000)?;
            u64::try_from(us).ok()
        });
        let waited_us =
            stamped_us.map(moment::ago_us).filter(|waited_us| *waited_us < MOST_WAIT_US).unwrap_or_default();
        let (count, source) = (message.bytes, message.address.ok_or(io::ErrorKind::InvalidData)?.ip());
        Ok(Some(Received { source, bytes: self.buffer.get(..count).unwrap_or_default(), waited_us }))
    }

    /// Sends now or not at all.
    pub(crate) fn send(&self, to: Ipv6Addr, bytes: &[u8]) -> io::Result<()> {
        let to = SocketAddrV6::new(to, PROBER_PORT, 0, 0);
        self.socket.send_to(bytes, &SocketAddr::from(to).into()).map(drop)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
