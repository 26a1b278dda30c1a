//! Sends ARP announcements.

use std::io;

use patronus_link::Announcement;
use socket2::{Domain, Socket, Type};

use super::{kernel::Picture, sys::link_address};

/// `ETH_P_ARP`.
const ARP: u16 = 0x0806;

/// Sends each once. One that is lost costs a neighbour one question of its own.
pub(crate) fn send(announcements: &[Announcement], picture: &Picture) {
    for announcement in announcements {
        let Some(index) = picture.indexes.get(&announcement.device) else { continue };
        match send_one(announcement, *index) {
            Ok(()) => tracing::info!(device = %announcement.device, address = %announcement.address, "announced"),
            Err(error) => tracing::debug!(device = %announcement.device, %error, "announcement not sent"),
        }
    }
}

fn send_one(announcement: &Announcement, index: u32) -> io::Result<()> {
    // Protocol 0 receives nothing.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.send_to(&announcement.packet(), &link_address(index, ARP, [0xff; 6]))?;
    Ok(())
}
