//! A seed's ear.
//!
//! *Never does*: give one address the places of others, or hold a place for who does not shake hands in time.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use patronus_mesh::limit;
use patronus_types::ports::SEED_PORT;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{CONNECTIONS, CONNECTIONS_PER_SOURCE, Happenings, Identity, connection, tls};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 128;
/// How long none is accepted after descriptors or memory were used up.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens on every address until the handle is aborted.
pub(crate) fn listen(identity: &Identity, happenings: Happenings) -> io::Result<JoinHandle<()>> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, SEED_PORT)).into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let acceptor = TlsAcceptor::from(Arc::clone(&identity.server));
    Ok(tokio::spawn(async move {
        let places = Arc::new(Places::default());
        loop {
            match listener.accept().await {
                Ok((stream, source)) => {
                    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
                    let Some(place) = Places::take(&places, source.ip()) else { continue };
                    let (acceptor, happenings) = (acceptor.clone(), happenings.clone());
                    tokio::spawn(async move {
                        welcome(stream, source, &acceptor, &happenings).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }))
}

async fn welcome(stream: TcpStream, source: SocketAddr, acceptor: &TlsAcceptor, happenings: &Happenings) {
    let _ = stream.set_nodelay(true);
    match timeout(Duration::from_secs(limit::CONNECTION_PATIENCE_S), acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            if let Some(peer) = tls::peer(stream.get_ref().1.peer_certificates()) {
                connection::converse(stream, peer, source, false, happenings).await;
            }
        }
        Ok(Err(error)) => tracing::debug!(%source, %error, "no handshake"),
        Err(_) => tracing::debug!(%source, "handshake too slow"),
    }
}

/// How many connections each address has.
#[derive(Default)]
struct Places(Mutex<BTreeMap<IpAddr, usize>>);

/// One of them, given back when dropped.
struct Place(Arc<Places>, IpAddr);

impl Places {
    fn take(places: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let mut taken = places.0.lock().ok()?;
        let all: usize = taken.values().sum();
        let of_source = taken.entry(source).or_default();
        if all >= CONNECTIONS || *of_source >= CONNECTIONS_PER_SOURCE {
            return None;
        }
        *of_source += 1;
        Some(Place(Arc::clone(places), source))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut taken) = self.0.0.lock() else { return };
        if let Some(count) = taken.get_mut(&self.1) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_its_places_and_others_have_theirs() {
        let places = Arc::new(Places::default());
        let take = |last: u8| Places::take(&places, IpAddr::from([192, 0, 2, last]));
        let held: Vec<_> = (0..CONNECTIONS_PER_SOURCE).filter_map(|_| take(1)).collect();
        assert_eq!(held.len(), CONNECTIONS_PER_SOURCE);
        assert!(take(1).is_none());
        assert!(take(2).is_some());
        drop(held);
        assert!(take(1).is_some());
        assert!(places.0.lock().unwrap().is_empty());
    }
}
