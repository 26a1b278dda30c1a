//! Datagrams on the LAN and the uplinks: one socket for each device and family, each in its group.
//!
//! *Does*: follow which devices there are; say everything to all of them, or to one neighbour over the device on which it was heard.
//! *Never does*: answer anybody by itself; keep more than [`QUEUE`] datagrams.
//! *Spec*: `docs/membership.md`, section "Discovery".

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::AsFd,
    sync::Arc,
};

use patronus_mesh::{Destination, Transmit, limit};
use patronus_types::{PortName, ports::DISCOVERY_PORT};
use rustix::net::netdevice::name_to_index;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::{net::UdpSocket, sync::mpsc, task::JoinHandle};

/// Administratively scoped (RFC 2365).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 42, 1);
/// Link-local scope, not assigned by IANA (RFC 4291 section 2.7).
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0x5061, 0x7472);
/// Datagrams that wait to be judged; with more, the kernel's own queue fills, and drops.
const QUEUE: usize = 256;

/// What was heard.
pub(crate) struct Heard {
    pub(crate) source: SocketAddr,
    pub(crate) datagram: Vec<u8>,
    device: PortName,
}

/// The sockets.
pub(crate) struct Lan {
    devices: BTreeMap<PortName, Device>,
    /// Over which device a neighbour was heard last.
    neighbours: BTreeMap<SocketAddr, PortName>,
    sender: mpsc::Sender<Heard>,
    incoming: mpsc::Receiver<Heard>,
}

struct Device {
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    readers: Vec<JoinHandle<()>>,
}

impl Drop for Device {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

impl Lan {
    /// On no device yet.
    pub(crate) fn new() -> Self {
        let (sender, incoming) = mpsc::channel(QUEUE);
        Self { devices: BTreeMap::new(), neighbours: BTreeMap::new(), sender, incoming }
    }

    /// Listens on these devices and no others. Whether there is a new one.
    pub(crate) fn follow(&mut self, wanted: &[PortName]) -> bool {
        self.devices.retain(|name, _| wanted.contains(name));
        let mut is_new = false;
        for name in wanted {
            if self.devices.contains_key(name) {
                continue;
            }
            match open(name, &self.sender) {
                Ok(device) => {
                    tracing::info!(device = %name, "discovery listens");
                    self.devices.insert(name.clone(), device);
                    is_new = true;
                }
                Err(error) => tracing::warn!(device = %name, %error, "discovery cannot listen"),
            }
        }
        is_new
    }

    /// The next datagram.
    pub(crate) async fn heard(&mut self) -> Option<Heard> {
        let heard = self.incoming.recv().await?;
        if self.neighbours.len() >= limit::SOURCES && !self.neighbours.contains_key(&heard.source) {
            self.neighbours.pop_first();
        }
        self.neighbours.insert(heard.source, heard.device.clone());
        Some(heard)
    }

    /// Sends without waiting: what the kernel has no room for is lost, and said again later.
    pub(crate) fn send(&self, transmit: &Transmit) {
        match transmit.to {
            Destination::Lan => {
                for (group, socket) in self.devices.values().flat_map(|device| &device.sockets) {
                    send(socket, &transmit.datagram, *group);
                }
            }
            Destination::Neighbour(to) => {
                let device = self.neighbours.get(&to).and_then(|name| self.devices.get(name));
                let sockets = device.into_iter().flat_map(|device| &device.sockets);
                if let Some((_, socket)) = sockets.into_iter().find(|(group, _)| group.is_ipv4() == to.is_ipv4()) {
                    send(socket, &transmit.datagram, to);
                }
            }
        }
    }
}

fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) {
    // A device without an address of this family has no way out: normal.
    if let Err(error) = socket.try_send_to(datagram, to) {
        tracing::debug!(%to, %error, "datagram not sent");
    }
}

fn open(name: &PortName, sender: &mpsc::Sender<Heard>) -> io::Result<Device> {
    let v4 = socket(name, Domain::IPV4)?;
    let index = name_to_index(v4.as_fd(), name.as_str())?;
    v4.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))?;
    v4.set_multicast_ttl_v4(1)?;
    v4.set_multicast_loop_v4(false)?;
    let v6 = socket(name, Domain::IPV6)?;
    v6.join_multicast_v6(&GROUP_V6, index)?;
    v6.set_multicast_if_v6(index)?;
    v6.set_multicast_hops_v6(1)?;
    v6.set_multicast_loop_v6(false)?;
    let groups = [
        (SocketAddr::from((GROUP_V4, DISCOVERY_PORT)), v4),
        (SocketAddrV6::new(GROUP_V6, DISCOVERY_PORT, 0, index).into(), v6),
    ];
    let mut device = Device { sockets: Vec::new(), readers: Vec::new() };
    for (group, socket) in groups {
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        device.readers.push(tokio::spawn(read(Arc::clone(&socket), name.clone(), sender.clone())));
        device.sockets.push((group, socket));
    }
    Ok(device)
}

fn socket(name: &PortName, domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    // Sockets on other devices have the same port.
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(name.as_str().as_bytes()))?;
    let any: IpAddr = if domain == Domain::IPV4 {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        socket.set_only_v6(true)?;
        Ipv6Addr::UNSPECIFIED.into()
    };
    socket.bind(&SocketAddr::new(any, DISCOVERY_PORT).into())?;
    Ok(socket)
}

/// Hands on what arrives until the device goes.
async fn read(socket: Arc<UdpSocket>, device: PortName, sender: mpsc::Sender<Heard>) {
    // One byte more than may be, so that too much is seen as too much.
    let mut buffer = vec![0; patronus_wire::limit::DATAGRAM_BYTES + 1];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, source)) => {
                let datagram = buffer.get(..length).unwrap_or_default().to_vec();
                if sender.send(Heard { source, datagram, device: device.clone() }).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // The device is down, or gone; `link` says so, and then this task is ended.
                tracing::debug!(%device, %error, "discovery hears nothing");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}
