//! The socket inside tunnels.
//!
//! *Does*: open it on this site's own address there, which `tunnel` gives to the box.
//! *Never does*: hear anybody but through a tunnel: `link`'s filter lets nothing else to this port, and `tunnel` lets each site speak with its
//! own addresses alone.
//! *Spec*: `docs/wire.md`, section "Inside tunnels".

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
};

use patronus_mesh::{Destination, Transmit};
use patronus_types::ports::MESH_PORT;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// The socket, while there is one.
#[derive(Default)]
pub(crate) struct Inside {
    socket: Option<(Ipv6Addr, UdpSocket)>,
}

impl Inside {
    /// Listens on this address and no other.
    pub(crate) fn follow(&mut self, address: Option<Ipv6Addr>) {
        if self.socket.as_ref().map(|(open, _)| *open) == address {
            return;
        }
        self.socket = address.and_then(|address| match open(address) {
            Ok(socket) => Some((address, socket)),
            Err(error) => {
                tracing::warn!(%address, %error, "cannot listen inside tunnels");
                None
            }
        });
    }

    /// The next datagram. Without a socket there is none.
    pub(crate) async fn heard(&self) -> (SocketAddr, Vec<u8>) {
        let Some((_, socket)) = &self.socket else { return std::future::pending().await };
        // One byte more than may be, so that too much is seen as too much.
        let mut buffer = vec![0; patronus_wire::limit::DATAGRAM_BYTES + 1];
        loop {
            match socket.recv_from(&mut buffer).await {
                Ok((length, source)) => return (source, buffer.get(..length).unwrap_or_default().to_vec()),
                // What an earlier datagram met on its way.
                Err(error) => tracing::debug!(%error, "inside tunnels"),
            }
        }
    }

    /// Sends what goes there; `false` if this goes elsewhere.
    pub(crate) fn send(&self, transmit: &Transmit) -> bool {
        let Destination::Neighbour(to) = transmit.to else { return false };
        let Some((_, socket)) = self.socket.as_ref().filter(|_| to.port() == MESH_PORT) else { return false };
        if let Err(error) = socket.try_send_to(&transmit.datagram, to) {
            tracing::debug!(%to, %error, "datagram not sent");
        }
        true
    }
}

fn open(address: Ipv6Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    socket.set_only_v6(true)?;
    // `tunnel` gives the box its address at about the same time.
    socket.set_freebind_v6(true)?;
    socket.bind(&SocketAddr::from((address, MESH_PORT)).into())?;
    UdpSocket::from_std(socket.into())
}
