//! A box that forwards: the real `link` and the real `datapath`, with a document of the test's own.
//!
//! *Does*: give both what they need and no more rights than the manifest gives; tell what `datapath` says.
//! *Never does*: stand in for the programs in the kernel.

use std::path::Path;

use patronus_ipc::{
    config::{self, Claimed, Config},
    datapath::{Datapath, Reply, Request, State},
    link::Link,
    mesh::{self, Mesh, Standing},
};
use patronus_types::{Document, Generation, IpNet, SiteId};
use tokio::sync::watch;

use crate::{Follower, Namespace, Rights, Service, Sockets, pins::Pins};

/// Who asks and answers.
const UID: u32 = 0;

/// The box. Its services end before the places where they pin and listen, and these before the namespace.
#[derive(Debug)]
pub struct Forwarding {
    /// Not started yet after [`Forwarding::start`].
    pub datapath: Service,
    link: Service,
    state: Follower<Reply>,
    /// Unmounted before its directory goes with the sockets.
    _pins: Pins,
    sockets: Sockets,
    config: watch::Sender<config::Reply>,
    mesh: Option<watch::Sender<mesh::Reply>>,
    /// Where it is.
    pub namespace: Namespace,
}

impl Forwarding {
    /// A box with its ports plugged in, and `link` on them. `programs` has those of the services, `object` is that of the datapath.
    #[must_use]
    pub fn start(programs: &Path, object: &Path, namespace: Namespace, document: Document) -> Self {
        // The packet filter of bridges, which this machine's kernel may have and the image's has not, would put fragments together.
        namespace.inside(|| _ = std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "0"));
        let sockets = Sockets::new(UID);
        let pins = Pins::new(object, sockets.dir());
        let config = sockets.publish::<Config>(claimed(Generation(1), document));
        let rights = |capabilities| Rights::user(UID, capabilities);
        let program = |name: &str| programs.join(format!("patronus-{name}"));
        let mut link = Service::new::<Link>(program("link"), &sockets, &namespace, rights("-all,+net_admin,+net_raw"));
        link.start();
        let capabilities = "-all,+net_admin,+bpf,+perfmon";
        let datapath = Service::new::<Datapath>(program("datapath"), &sockets, &namespace, rights(capabilities));
        let state = sockets.follow::<Datapath>(|| Request::Watch);
        Self { datapath, link, state, sockets, config, mesh: None, _pins: pins, namespace }
    }

    /// `kill -9` of `datapath`, and a new one; what the dead one said last is not its answer.
    pub fn restart(&mut self) {
        self.datapath.kill();
        self.datapath.start();
        self.state = self.sockets.follow::<Datapath>(|| Request::Watch);
    }

    /// This is the document from now on.
    pub fn configure(&self, document: Document) {
        let generation = match &*self.config.borrow() {
            config::Reply::State(state) => state.generation.next(),
            other => unreachable!("{other:?}"),
        };
        self.config.send_replace(claimed(generation, document));
        self.wait_for("the document", |state| state.configuration == generation);
    }

    /// There is another site, and this is behind it.
    ///
    /// # Panics
    /// If there is one already.
    pub fn add_site(&mut self, prefix: &str) {
        assert!(self.mesh.is_none(), "one is all that was needed so far");
        let state = mesh::State { sites: vec![other_site(prefix.parse().unwrap())], ..mesh::State::default() };
        self.mesh = Some(self.sockets.publish::<Mesh>(mesh::Reply::State(Box::new(state))));
    }

    /// Waits until what `datapath` says is as wanted.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
        let wanted = |reply: &Reply| matches!(reply, Reply::State(state) if wanted(state));
        let story = || format!("{}\n{}", self.datapath.log(), self.link.log());
        match self.state.wait_for(what, wanted, story) {
            Reply::State(state) => *state,
            other => unreachable!("{other:?}"),
        }
    }

    /// Asks `datapath`.
    #[must_use]
    pub fn ask(&self, request: &Request) -> Reply {
        self.sockets.ask::<Datapath>(request)
    }

    /// What `link` has said.
    #[must_use]
    pub fn link_log(&self) -> String {
        self.link.log()
    }
}

fn claimed(generation: Generation, document: Document) -> config::Reply {
    let claimed = Some(Claimed { site_id: SiteId([0; 32]), document, trial: None });
    config::Reply::State(Box::new(config::State { generation, claimed }))
}

fn other_site(prefix: IpNet) -> mesh::Site {
    mesh::Site {
        id: SiteId([1; 32]),
        name: "other".parse().unwrap(),
        standing: Standing::Valid,
        is_active: true,
        heard_uptime_ms: None,
        roles: Vec::new(),
        prefixes: vec![prefix],
        member_since_unix_s: 0,
        valid_until_unix_s: u64::MAX,
        uplinks: Vec::new(),
    }
}
