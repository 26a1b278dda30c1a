//! The part of networking that is nobody's: the machine's name, and the loopback device.
//!
//! *Does*: set both once.
//! *Never does*: touch a port; `link` does.
//! *Spec*: none.

use std::io;

use rustix::{
    fd::AsFd,
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
};

use crate::sys;

/// Until the configuration names the site.
const HOST_NAME: &[u8] = b"patronus";

/// Sets the host name and brings up the loopback device.
///
/// # Errors
/// What the kernel says of the first step that fails.
pub fn start() -> io::Result<()> {
    rustix::system::sethostname(HOST_NAME)?;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    sys::boot::bring_up_loopback(socket.as_fd())
}
