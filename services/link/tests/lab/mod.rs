//! A box and its neighbours in network namespaces of their own, with the real service in the box.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

pub mod scan;
pub mod server;

use std::path::Path;

use patronus_ipc::{
    config::{self, Claimed, Config, Reply},
    link::{Link, Request, State},
};
use patronus_lab::{Follower, Namespace, Rights, Service, Sockets};
use patronus_types::{Document, Generation, SiteId};
use tokio::sync::watch;

/// The service's own user, as in the manifest.
const UID: u32 = 10002;
/// And all that it may do beyond an ordinary user.
const CAPABILITIES: &str = "-all,+net_admin,+net_raw";

/// A box with a WAN and a LAN cable, its neighbours, and the service.
pub struct Lab {
    pub service: Service,
    pub wan: Namespace,
    pub lan: Namespace,
    pub inside: Namespace,
    config: watch::Sender<Reply>,
    state: Follower<State>,
    sockets: Sockets,
}

impl Lab {
    /// An unclaimed box: `eth0` is WAN, `eth1` is LAN. The service does not run yet.
    pub fn new() -> Self {
        let (wan, lan, inside) = (Namespace::new("wan"), Namespace::new("lan"), Namespace::new("box"));
        inside.cable("eth0", &wan, "w0");
        inside.cable("eth1", &lan, "l0");
        let sockets = Sockets::new(UID);
        let config = sockets.publish::<Config>(Reply::State(Box::default()));
        let rights = Rights::user(UID, CAPABILITIES);
        let service = Service::new::<Link>(env!("CARGO_BIN_EXE_patronus-link"), &sockets, &inside, rights);
        let state = sockets.follow::<Link>(|| Request::Watch);
        Self { service, wan, lan, inside, config, state, sockets }
    }

    /// The box is claimed with this document, or gets a new one.
    pub fn configure(&self, document: Document) {
        let claimed = Claimed { site_id: SiteId([0; 32]), document, trial: None };
        self.config.send_modify(|reply| {
            let generation = match reply {
                Reply::State(state) => state.generation.next(),
                _ => Generation(1),
            };
            *reply = Reply::State(Box::new(config::State { generation, claimed: Some(claimed) }));
        });
    }

    /// Waits until the published state is as wanted.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
        self.state.wait_for(what, wanted, || self.service.log())
    }

    /// Waits until something outside is as wanted.
    pub fn eventually(&self, what: &str, wanted: impl Fn() -> bool) {
        patronus_lab::eventually(what, wanted, || self.service.log());
    }

    pub fn state_dir(&self) -> &Path {
        self.sockets.dir()
    }
}
