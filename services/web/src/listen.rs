//! Where the front door stands open: TCP 443 on every LAN address, bound to the LAN device.
//!
//! *Does*: follow `link`'s state; open and close listeners as addresses come and go.
//! *Never does*: listen on any other address or device; without a LAN nothing is open.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use patronus_ipc::link;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle, time::sleep};

use crate::server::FrontDoor;

/// HTTPS.
const PORT: u16 = 443;
/// Connections that the kernel completes before we accept them.
const BACKLOG: i32 = 128;
/// Pause before an address that could not be bound is tried again: an IPv6 address is tentative for a second.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A LAN address on its device.
type Place = (String, IpAddr);

/// Listeners by place.
pub(crate) struct Listeners {
    door: Arc<FrontDoor>,
    /// Told whenever one has been opened.
    opened: Arc<Notify>,
    open: BTreeMap<Place, JoinHandle<()>>,
}

impl Listeners {
    /// No listener yet.
    #[must_use]
    pub(crate) fn new(door: Arc<FrontDoor>, opened: Arc<Notify>) -> Self {
        Self { door, opened, open: BTreeMap::new() }
    }

    /// Opens what is new and closes what is gone.
    pub(crate) fn handle_links(&mut self, links: &link::State) {
        let wanted = places(links);
        self.open.retain(|place, task| {
            let stays = wanted.contains(place);
            if !stays {
                task.abort();
                tracing::info!(device = place.0, address = %place.1, "closed");
            }
            stays
        });
        for place in wanted {
            let (door, opened) = (Arc::clone(&self.door), Arc::clone(&self.opened));
            self.open.entry(place.clone()).or_insert_with(|| tokio::spawn(hold_open(place, door, opened)));
        }
    }
}

/// The LAN addresses that can be bound without a scope.
fn places(links: &link::State) -> BTreeSet<Place> {
    let Some(device) = &links.lan.device else { return BTreeSet::new() };
    let addresses = links.lan.addresses.iter().map(patronus_types::IpNet::addr);
    let global = addresses.filter(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    global.map(|address| (device.to_string(), address)).collect()
}

/// Listens at one place until aborted.
async fn hold_open(place: Place, door: Arc<FrontDoor>, opened: Arc<Notify>) {
    let mut said = false;
    loop {
        match bind(&place) {
            Ok(listener) => {
                tracing::info!(device = place.0, address = %place.1, "listening");
                opened.notify_one();
                return door.serve(listener).await;
            }
            Err(error) if !said => {
                tracing::warn!(device = place.0, address = %place.1, %error, "cannot listen yet");
                said = true;
            }
            Err(_) => {}
        }
        sleep(RETRY_AFTER).await;
    }
}

fn bind((device, address): &Place) -> io::Result<TcpListener> {
    let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(device.as_bytes()))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SocketAddr::new(*address, PORT).into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_lan_device_nothing_is_open() {
        let mut links = link::State::default();
        links.lan.addresses = vec!["192.168.42.1/24".parse().unwrap()];
        assert!(places(&links).is_empty());
        links.lan.device = Some("lan".parse().unwrap());
        assert_eq!(places(&links).len(), 1);
    }

    #[test]
    fn link_local_addresses_are_left_alone() {
        let mut links = link::State::default();
        links.lan.device = Some("lan".parse().unwrap());
        links.lan.addresses = vec!["fe80::1/64".parse().unwrap(), "fd00::1/64".parse().unwrap()];
        assert_eq!(places(&links), BTreeSet::from([("lan".to_owned(), "fd00::1".parse().unwrap())]));
    }
}
