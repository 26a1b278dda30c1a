//! Where the STUN servers of the document are.
//!
//! *Does*: look their names up by the uplinks' resolvers; again from time to time, and when the resolvers change.
//! *Never does*: ask them: `tunnel` does, from the sockets in question; forget a server while its name cannot be looked up.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use patronus_mesh::limit;
use patronus_types::HostPort;
use tokio::{sync::watch, time::sleep};

const RETRY_FIRST: Duration = Duration::from_millis(limit::LOOK_UP_FIRST_MS);
const RETRY_LONGEST: Duration = Duration::from_millis(limit::LOOK_UP_LONGEST_MS);
const AGAIN: Duration = Duration::from_millis(limit::LOOK_UP_EVERY_MS);

/// The servers, and where they are.
pub(crate) struct Stun {
    servers: watch::Sender<Vec<HostPort>>,
    addresses: watch::Receiver<Vec<SocketAddr>>,
}

impl Stun {
    /// Looks names up in a task of its own; none yet.
    pub(crate) fn new(resolvers: watch::Receiver<Vec<IpAddr>>) -> Self {
        let (servers, wanted) = watch::channel(Vec::new());
        let (sender, addresses) = watch::channel(Vec::new());
        tokio::spawn(look_up(wanted, resolvers, sender));
        Self { servers, addresses }
    }

    /// From now on these.
    pub(crate) fn follow(&self, servers: Vec<HostPort>) {
        self.servers.send_if_modified(|known| std::mem::replace(known, servers) != *known);
    }

    /// Those that were found, in their order.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.borrow().clone()
    }
}

/// Until nobody wants any.
async fn look_up(
    mut servers: watch::Receiver<Vec<HostPort>>,
    mut resolvers: watch::Receiver<Vec<IpAddr>>,
    addresses: watch::Sender<Vec<SocketAddr>>,
) {
    let mut found: BTreeMap<HostPort, SocketAddr> = BTreeMap::new();
    let mut retry = RETRY_FIRST;
    loop {
        let (wanted, asked) = (servers.borrow_and_update().clone(), resolvers.borrow_and_update().clone());
        found.retain(|server, _| wanted.contains(server));
        let mut pause = AGAIN;
        for server in &wanted {
            match patronus_resolve::resolve(server.host.as_str(), &asked).await {
                Some(address) => _ = found.insert(server.clone(), (address, server.port).into()),
                None => pause = retry,
            }
        }
        let new: Vec<SocketAddr> = wanted.iter().filter_map(|server| found.get(server).copied()).collect();
        addresses.send_if_modified(|known| std::mem::replace(known, new) != *known);
        retry = if pause == AGAIN { RETRY_FIRST } else { (retry * 2).min(RETRY_LONGEST) };
        tokio::select! {
            changed = servers.changed() => if changed.is_err() { return },
            changed = resolvers.changed() => if changed.is_err() { return },
            () = sleep(pause) => {}
        }
    }
}
