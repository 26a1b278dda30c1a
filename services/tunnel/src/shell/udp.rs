//! The socket of one uplink slot for one address family.
//!
//! *Does*: send batches and receive batches; where the kernel refuses, send and receive one by one.
//! *Never does*: wait longer than [`SEND_LIMIT`] for a full queue; use another uplink than its own.
//! *Spec*: udp(7): `UDP_SEGMENT`, `UDP_GRO`.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    time::Duration,
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, sockopt},
};
use patronus_tunnel::{Transmit, limit};
use socket2::{Domain, Socket, Type};

use super::sys;

/// How long a full queue may hold up a batch before it is dropped.
const SEND_LIMIT: Duration = Duration::from_millis(20);
/// Room for what arrives while this thread does not run: 100 ms at 400 Mb/s.
const RECEIVE_QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// `IP_PMTUDISC_DONT`: a datagram that is too long for a link is fragmented, not lost.
const FRAGMENT: i32 = 0;
/// `IP_PMTUDISC_PROBE`: it is lost, whatever the kernel believes to know of the way.
const UNCUT: i32 = 3;

/// A socket.
#[derive(Debug)]
pub(crate) struct Udp {
    socket: Socket,
    v4: bool,
    /// Whether the kernel segments.
    segments: bool,
    buffer: Box<[u8]>,
    control: Vec<u8>,
}

/// Datagrams that came in one piece.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) bytes: &'a [u8],
    pub(crate) segment_bytes: usize,
}

impl Udp {
    /// Bound to a device and a port.
    pub(crate) fn open(v4: bool, device: &str, port: u16) -> io::Result<Self> {
        let socket = Socket::new(if v4 { Domain::IPV4 } else { Domain::IPV6 }, Type::DGRAM.cloexec(), None)?;
        socket.bind_device(Some(device.as_bytes()))?;
        socket.set_write_timeout(Some(SEND_LIMIT))?;
        if v4 {
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
        } else {
            socket.set_only_v6(true)?;
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
        }
        // Without the right to exceed the limit, up to the limit.
        if nix::sys::socket::setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_QUEUE_BYTES).is_err() {
            socket.set_recv_buffer_size(RECEIVE_QUEUE_BYTES)?;
        }
        let segments = nix::sys::socket::getsockopt(&socket, sockopt::UdpGsoSegment);
        let joins = nix::sys::socket::setsockopt(&socket, sockopt::UdpGroSegment, &true);
        for refused in [segments.err(), joins.err()].into_iter().flatten() {
            tracing::warn!(device, error = %refused, "UDP offload refused");
        }
        let buffer = vec![0; limit::FRAME_BYTES].into_boxed_slice();
        let socket = Self { socket, v4, segments: segments.is_ok(), buffer, control: cmsg_space!(i32) };
        socket.discover(FRAGMENT)?;
        Ok(socket)
    }

    /// What becomes of the next datagrams where they are too long.
    fn discover(&self, how: i32) -> io::Result<()> {
        let (level, option) = match self.v4 {
            true => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
            false => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
        };
        sys::set_option(self.socket.as_fd(), level, option, how)
    }

    /// The next datagrams; `None` if there are none now.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Received<'_>>> {
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let message = match recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut self.control), flags) {
            Ok(message) => message,
            Err(Errno::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (count, from) = (message.bytes, message.address.as_ref().and_then(address));
        let joined = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(bytes) => usize::try_from(bytes).ok(),
            _ => None,
        });
        let from = from.ok_or(io::ErrorKind::InvalidData)?;
        let bytes = self.buffer.get(..count).unwrap_or_default();
        Ok(Some(Received { from, bytes, segment_bytes: joined.unwrap_or(count) }))
    }

    /// Sends a batch, and one by one what the kernel does not take as such.
    pub(crate) fn send(&mut self, batch: &Transmit<'_>) -> io::Result<()> {
        let to = SockaddrStorage::from(batch.to);
        if batch.is_uncut {
            self.discover(UNCUT)?;
            let sent = self.send_once(&to, batch.bytes, None);
            self.discover(FRAGMENT)?;
            return Ok(sent?);
        }
        if self.segments && batch.bytes.len() > batch.segment_bytes {
            match self.send_once(&to, batch.bytes, u16::try_from(batch.segment_bytes).ok()) {
                Ok(()) => return Ok(()),
                // The device has no checksum offload, which segmentation needs: it never will.
                Err(Errno::EIO) => {
                    self.segments = false;
                    tracing::warn!("UDP segmentation refused by the device: one datagram at a time");
                }
                // This path does not carry datagrams of this size unfragmented.
                Err(Errno::EMSGSIZE | Errno::EINVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for datagram in batch.bytes.chunks(batch.segment_bytes.max(1)) {
            self.send_once(&to, datagram, None)?;
        }
        Ok(())
    }

    fn send_once(&self, to: &SockaddrStorage, bytes: &[u8], segment_bytes: Option<u16>) -> Result<(), Errno> {
        let slices = [IoSlice::new(bytes)];
        let fd = self.socket.as_raw_fd();
        let sent = match &segment_bytes {
            Some(size) => sendmsg(fd, &slices, &[ControlMessage::UdpGsoSegments(size)], MsgFlags::empty(), Some(to)),
            None => sendmsg(fd, &slices, &[], MsgFlags::empty(), Some(to)),
        };
        sent.map(drop)
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
