//! The one place that needs `unsafe`: addresses of packet sockets and their registration, for which the libraries have no safe
//! constructors.
#![allow(unsafe_code)]

use std::io;

use socket2::{SockAddr, SockAddrStorage, Socket};
use tokio::io::{Interest, unix::AsyncFd};

/// Hands a socket to the runtime, to be told when there is something to read.
pub(crate) fn readable(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the AsyncFd owns the socket, which keeps the same open descriptor until it is dropped after deregistration.
    let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    registered.map_err(io::Error::from)
}

/// The address of a device for packet sockets: frames of this protocol, to this Ethernet address.
pub(crate) fn link_address(index: u32, protocol: u16, mac: [u8; 6]) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is a plain C struct for which all bit patterns are valid, and it is smaller than sockaddr_storage.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = index.cast_signed();
    address.sll_halen = 6;
    for (place, byte) in address.sll_addr.iter_mut().zip(mac) {
        *place = byte;
    }
    // SAFETY: the family says AF_PACKET, and the length is that of its address type, all of which is initialised above or zero.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as u32) }
}
