//! The one place that needs `unsafe`: sockets below IP, for which the libraries have no safe constructors.
#![allow(unsafe_code)]

use std::{io, os::fd::AsRawFd};

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

/// A socket that hears and sends whole frames of one device, with the kernel's notes on checksums and segments before each.
pub(crate) fn frames_of(index: u32) -> io::Result<Socket> {
    // Protocol 0 receives nothing until the socket is bound to its device.
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
    for option in [libc::PACKET_VNET_HDR, libc::PACKET_IGNORE_OUTGOING] {
        let (on, length) = (1_i32, size_of::<i32>() as libc::socklen_t);
        // SAFETY: the option is read from an int of the given length, which lives until the call returns.
        let set =
            unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, (&raw const on).cast(), length) };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    socket.bind(&address(index))?;
    Ok(socket)
}

fn address(index: u32) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is a plain C struct for which all bit patterns are valid, and it is smaller than sockaddr_storage.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index.cast_signed();
    // SAFETY: the family says AF_PACKET, and the length is that of its address type, all of which is initialised above or zero.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as u32) }
}
