//! Asks routers to say again what only they know: the resolvers that were forgotten when this service ended.
//!
//! *Does*: one solicitation on each port that takes advertisements since before the service started; on others the kernel asks.
//! *Never does*: wait for an answer: it comes by way of the kernel, as every advertisement.
//! *Spec*: RFC 4861 section 4.1.

use std::{
    io,
    net::{Ipv6Addr, SocketAddrV6},
};

use patronus_link::network::Ipv6Mode;
use socket2::{Domain, Protocol, Socket, Type};

use super::kernel::Picture;

/// `ff02::2`.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// Any other is not believed (RFC 4861 section 6.1.1).
const HOP_LIMIT: u32 = 255;
/// Type 133, no options; the kernel fills in the checksum.
const SOLICITATION: [u8; 8] = [133, 0, 0, 0, 0, 0, 0, 0];

/// Asks once. A question that is lost costs the wait for the next advertisement.
pub(crate) fn send(picture: &Picture) {
    let devices = picture.network.devices.iter();
    for (port, _) in devices.filter(|(_, device)| matches!(device.ipv6, Ipv6Mode::Slaac { .. })) {
        let Some(index) = picture.indexes.get(port) else { continue };
        if let Err(error) = send_one(port.as_str(), *index) {
            tracing::debug!(%port, %error, "routers not asked");
        }
    }
}

fn send_one(device: &str, index: u32) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.bind_device(Some(device.as_bytes()))?;
    socket.set_nonblocking(true)?;
    socket.set_multicast_hops_v6(HOP_LIMIT)?;
    socket.send_to(&SOLICITATION, &SocketAddrV6::new(ALL_ROUTERS, 0, 0, index).into())?;
    Ok(())
}
