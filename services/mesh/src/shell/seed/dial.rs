//! Calling seeds.
//!
//! *Does*: keep one connection to each seed that it is told; try again after 1 s, then slower, up to a minute.
//! *Never does*: keep more than [`limit::SEEDS_CALLED`] connections.

use std::{collections::BTreeMap, io, net::IpAddr, sync::Arc, time::Duration};

use patronus_mesh::{limit, seeds_to_call};
use patronus_wire::Seed;
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{Happening, Happenings, Identity, connection, tls};

const RETRY_FIRST: Duration = Duration::from_millis(limit::REDIAL_FIRST_MS);
const RETRY_LONGEST: Duration = Duration::from_millis(limit::REDIAL_LONGEST_MS);

/// Keeps connections to seeds.
pub(crate) struct Dialler {
    identity: Identity,
    happenings: Happenings,
    resolvers: watch::Receiver<Vec<IpAddr>>,
    calls: BTreeMap<(String, u16), JoinHandle<()>>,
}

impl Drop for Dialler {
    fn drop(&mut self) {
        self.calls.values().for_each(JoinHandle::abort);
    }
}

impl Dialler {
    /// Calls nobody yet. Seeds that have a name are looked up with the resolvers that there are at that moment.
    pub(crate) const fn new(
        identity: Identity,
        happenings: Happenings,
        resolvers: watch::Receiver<Vec<IpAddr>>,
    ) -> Self {
        Self { identity, happenings, resolvers, calls: BTreeMap::new() }
    }

    /// Calls these and no others.
    pub(crate) fn follow(&mut self, seeds: &[Seed]) {
        let wanted = seeds_to_call(seeds.iter().map(|seed| (seed.host.as_str().to_owned(), seed.port)));
        self.calls.retain(|seed, call| {
            let is_wanted = wanted.contains(seed);
            if !is_wanted {
                call.abort();
            }
            is_wanted
        });
        for seed in wanted {
            if !self.calls.contains_key(&seed) {
                let (identity, happenings) = (self.identity.clone(), self.happenings.clone());
                let call = tokio::spawn(keep(seed.clone(), identity, happenings, self.resolvers.clone()));
                self.calls.insert(seed, call);
            }
        }
    }
}

async fn keep(
    seed: (String, u16),
    identity: Identity,
    happenings: Happenings,
    resolvers: watch::Receiver<Vec<IpAddr>>,
) {
    let mut retry = RETRY_FIRST;
    loop {
        let began = Instant::now();
        let known = resolvers.borrow().clone();
        if let Err(error) = connect(&seed, &known, &identity, &happenings).await {
            tracing::info!(host = seed.0, port = seed.1, %error, "seed not reached");
            let unreached = Happening::Unreached { host: seed.0.clone(), port: seed.1, error: error.to_string() };
            // Only while the service ends.
            let _ = happenings.send(unreached).await;
        }
        // A connection that held for a while was a good one.
        retry = if began.elapsed() > RETRY_LONGEST { RETRY_FIRST } else { retry };
        sleep(retry).await;
        retry = (retry * 2).min(RETRY_LONGEST);
    }
}

async fn connect(
    (host, port): &(String, u16),
    resolvers: &[IpAddr],
    identity: &Identity,
    happenings: &Happenings,
) -> io::Result<()> {
    let patience = Duration::from_secs(limit::CONNECTION_PATIENCE_S);
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "no resolver of an uplink knows this name");
    let address = patronus_resolve::resolve(host, resolvers).await.ok_or_else(unknown)?;
    let stream = timeout(patience, TcpStream::connect((address, *port))).await??;
    stream.set_nodelay(true)?;
    let source = stream.peer_addr()?;
    // The name says nothing: the key does.
    let name = ServerName::IpAddress(source.ip().into());
    let connector = TlsConnector::from(Arc::clone(&identity.client));
    let stream = timeout(patience, connector.connect(name, stream)).await??;
    let peer = tls::peer(stream.get_ref().1.peer_certificates()).ok_or(io::ErrorKind::PermissionDenied)?;
    connection::converse(stream, peer, source, true, happenings).await;
    Ok(())
}
