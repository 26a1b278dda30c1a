//! The one place that needs `unsafe`: requests to TUN devices and socket options for which the libraries have no safe functions.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::net::{AddressFamily, SocketType, socket};

/// Makes `device` the TUN device called `name`, with these flags of `linux/if_tun.h`.
pub(crate) fn attach_tun(device: BorrowedFd<'_>, name: &str, flags: i32) -> io::Result<()> {
    let mut request = named(name)?;
    request.ifr_ifru.ifru_flags = i16::try_from(flags).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: TUNSETIFF reads an ifreq, which lives until the call returns.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw const request) })
}

/// Tells which frames may come out of the device: flags `TUN_F_*`.
pub(crate) fn set_tun_offload(device: BorrowedFd<'_>, flags: u32) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(flags)) })
}

/// Whether the device stays when nobody has it open.
pub(crate) fn set_tun_persistent(device: BorrowedFd<'_>, persistent: bool) -> io::Result<()> {
    // SAFETY: TUNSETPERSIST takes its argument by value.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETPERSIST, libc::c_ulong::from(persistent)) })
}

/// The MTU of a device of this namespace.
pub(crate) fn mtu(device: &str) -> io::Result<u32> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let mut request = named(device)?;
    // SAFETY: SIOCGIFMTU reads the name and writes the MTU of an ifreq, which lives until the call returns.
    check(unsafe { libc::ioctl(any.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) })?;
    // SAFETY: the kernel has just written this member; all bit patterns of an int are valid.
    u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).map_err(io::Error::other)
}

/// Sets a socket option that is a number.
pub(crate) fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the option is read from an int of the given length, which lives until the call returns.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) })
}

fn named(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: ifreq is a plain C struct for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte.cast_signed();
    }
    Ok(request)
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
