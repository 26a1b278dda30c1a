//! The DHCP clients of all uplinks that want one.
//!
//! *Does*: one [`Client`], one pair of sockets and one reading task for each; leases to and from the store.
//! *Never does*: keep a client for a port that is no DHCP uplink any more.

use std::collections::BTreeMap;

use patronus_link::{
    Port, Settings,
    dhcp::{Client, Lease, Rejected, Rejects, State},
};
use patronus_store::{Spare, StoreError};
use patronus_types::{Ipv4Method, Ipv4Net, PortName};
use tokio::{sync::mpsc, task::AbortHandle};

use super::{
    packet::DhcpSocket,
    store::{Before, Store},
};

/// A message for the client of a port.
pub(crate) type Incoming = (PortName, Vec<u8>);

/// All clients.
pub(crate) struct Clients {
    by_port: BTreeMap<PortName, Running>,
    incoming: mpsc::Sender<Incoming>,
    rejects: Rejects,
}

struct Running {
    client: Client,
    index: u32,
    socket: DhcpSocket,
    reader: AbortHandle,
    saved: Option<Lease>,
    shown: Shown,
}

/// What others are told of a client.
type Shown = (State, Option<Lease>, Option<Rejected>);

impl Drop for Running {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Clients {
    /// None yet. What comes from the network goes to `incoming`.
    pub(crate) fn new(incoming: mpsc::Sender<Incoming>) -> Self {
        Self { by_port: BTreeMap::new(), incoming, rejects: Rejects::default() }
    }

    /// Starts and stops clients so that they are those of the settings, and tells them about cables and the LAN.
    pub(crate) fn follow(
        &mut self,
        settings: &Settings,
        ports: &[Port],
        store: &mut Spare<Store>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let wanted = |port: &Port| {
            settings.uplinks.iter().any(|uplink| uplink.port == port.name && uplink.ipv4 == Ipv4Method::Dhcp)
        };
        self.by_port.retain(|name, running| {
            ports.iter().any(|port| port.name == *name && port.index == running.index && wanted(port))
        });
        for port in ports.iter().filter(|port| wanted(port)) {
            if !self.by_port.contains_key(&port.name) {
                self.start(port, store, now_ms)?;
            }
            if let Some(running) = self.by_port.get_mut(&port.name) {
                let lan: [Ipv4Net; 1] = [settings.lan.address];
                running.client.handle_lan(&lan, now_ms);
                running.client.handle_carrier(port.carrier, now_ms);
            }
        }
        self.flush(store).map(drop)
    }

    fn start(&mut self, port: &Port, store: &mut Spare<Store>, now_ms: u64) -> Result<(), StoreError> {
        let socket = match DhcpSocket::open(port.index, port.name.as_str()) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(port = %port.name, %error, "dhcp socket failed, tried again later");
                return Ok(());
            }
        };
        let mut client = Client::new(port.mac, seed());
        let mut saved = None;
        match store.with(|store| store.load(&port.name))?.unwrap_or(Before::Nothing) {
            Before::ThisBoot(lease) => {
                client.resume(lease.clone(), now_ms);
                if client.lease().is_none() {
                    client.keep(lease.address.addr());
                }
                saved = Some(lease);
            }
            Before::EarlierBoot(lease) => client.keep(lease.address.addr()),
            Before::Nothing => {}
        }
        let reader = tokio::spawn(read(socket.clone(), port.name.clone(), self.incoming.clone())).abort_handle();
        let shown = show(&client);
        self.by_port.insert(port.name.clone(), Running { client, index: port.index, socket, reader, saved, shown });
        Ok(())
    }

    /// A message from the network.
    pub(crate) fn handle(&mut self, (port, payload): &Incoming, now_ms: u64) {
        let Some(running) = self.by_port.get_mut(port) else { return };
        if let Err(reason) = running.client.handle_datagram(payload, now_ms)
            && self.rejects.count(reason, now_ms)
        {
            tracing::warn!(%port, %reason, "dhcp reply not used; no more lines like this for a minute");
        }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now_ms: u64) {
        for running in self.by_port.values_mut() {
            running.client.handle_timeout(now_ms);
        }
    }

    /// Sends what is to be sent, keeps what is to be kept. Whether any client has news for others.
    pub(crate) fn flush(&mut self, store: &mut Spare<Store>) -> Result<bool, StoreError> {
        let mut has_news = false;
        for (port, running) in &mut self.by_port {
            while let Some(transmit) = running.client.poll_transmit() {
                if let Err(error) = running.socket.send(&transmit) {
                    tracing::debug!(%port, %error, "dhcp message not sent");
                }
            }
            if let Some(lease) = running.client.lease().filter(|lease| running.saved.as_ref() != Some(lease)) {
                tracing::info!(%port, address = %lease.address, server = %lease.server, "dhcp lease");
                // The lease holds, kept or not.
                store.with(|store| store.save(port, lease))?;
                running.saved = Some(lease.clone());
            }
            let shown = show(&running.client);
            has_news |= shown != running.shown;
            running.shown = shown;
        }
        Ok(has_news)
    }

    /// When [`Clients::handle_timeout`] wants to be called next.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.by_port.values().filter_map(|running| running.client.deadline()).min()
    }

    /// The client of a port.
    pub(crate) fn get(&self, port: &PortName) -> Option<&Client> {
        self.by_port.get(port).map(|running| &running.client)
    }

    /// How many messages were not used, by reason.
    pub(crate) fn rejected(&self) -> BTreeMap<String, u64> {
        self.rejects.by_name()
    }

    /// All leases that hold now.
    pub(crate) fn leases(&self) -> BTreeMap<PortName, Lease> {
        let lease = |(port, running): (&PortName, &Running)| Some((port.clone(), running.client.lease()?.clone()));
        self.by_port.iter().filter_map(lease).collect()
    }
}

fn show(client: &Client) -> Shown {
    (client.state(), client.lease().cloned(), client.problem())
}

async fn read(socket: DhcpSocket, port: PortName, incoming: mpsc::Sender<Incoming>) {
    loop {
        match socket.receive().await {
            // Full: the message is dropped, as the network might have done; the client asks again.
            Ok(payload) => drop(incoming.try_send((port.clone(), payload))),
            // The device is down for now.
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
            Err(error) => {
                tracing::warn!(%port, %error, "dhcp socket closed");
                return;
            }
        }
    }
}

/// Randomness for jitter and transaction numbers.
fn seed() -> u64 {
    getrandom::u64().unwrap_or_else(|_| std::process::id().into())
}
