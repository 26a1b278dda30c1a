//! A whole site: the real services on one box, behind its uplinks.
//!
//! *Does*: claim the box as its first page does, start its services in their order, tell what they say.
//! *Never does*: stand in for anything but `clock`, which would set the time of the whole machine.

use std::path::Path;

use patronus_ipc::{
    clock::{self, Clock},
    config::{self, Claim, Config},
    datapath::{self, Datapath},
    link::{self, Link},
    mesh::{self, Mesh},
    prober::{self, Prober},
    router::{self, Router},
    tunnel::{self, Tunnel},
};
use patronus_types::{Document, SiteId};
use tokio::sync::watch;

use crate::{Follower, Namespace, Rights, Service, Sockets, pins::Pins};

/// `lab`, which opens nothing: no page runs on these boxes.
const PASSWORD_PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG";

/// A whole site. Its services end before their sockets, and these before the namespace.
#[derive(Debug)]
pub struct Whole {
    /// Which.
    pub number: u8,
    document: Document,
    services: Vec<Service>,
    mesh: Follower<mesh::Reply>,
    tunnel: Follower<tunnel::Reply>,
    prober: Follower<prober::Reply>,
    router: Follower<router::Reply>,
    link: Follower<link::State>,
    clock: watch::Sender<clock::State>,
    /// Unmounted before its directory goes with the sockets.
    _pins: Pins,
    sockets: Sockets,
    host: Namespace,
    namespace: Namespace,
}

impl Whole {
    /// A box with its uplinks plugged in, claimed with this document, its services ready. `programs` has the services' programs.
    #[must_use]
    pub fn start(programs: &Path, number: u8, namespace: Namespace, document: Document) -> Self {
        let host = Namespace::new(&format!("host{number}"));
        namespace.cable("lan0", &host, "eth0");
        host.ip(&["addr", "add", &format!("10.{number}.0.2/16"), "dev", "eth0"]);
        host.ip(&["route", "add", "default", "via", &format!("10.{number}.0.1")]);
        let sockets = Sockets::new(0);
        let pins = Pins::new(&programs.join("../ebpf/datapath.o"), sockets.dir());
        let clock = sockets.publish::<Clock>(clock::State { synchronised: true, ..clock::State::default() });
        // All as root: what each may do as its own user is tested where the manifest is.
        let rights = || Rights::root_without("sys_time");
        let program = |name: &str| programs.join(format!("patronus-{name}"));
        let mut services = vec![
            Service::new::<Config>(program("config"), &sockets, &namespace, rights()),
            Service::new::<Link>(program("link"), &sockets, &namespace, rights()),
            Service::new::<Tunnel>(program("tunnel"), &sockets, &namespace, rights()),
            Service::new::<Mesh>(program("mesh"), &sockets, &namespace, rights()),
            Service::new::<Prober>(program("prober"), &sockets, &namespace, rights()),
            Service::new::<Router>(program("router"), &sockets, &namespace, rights()),
            Service::new::<Datapath>(program("datapath"), &sockets, &namespace, rights()),
        ];
        services.iter_mut().for_each(Service::start);
        let site = Self {
            number,
            document,
            mesh: sockets.follow::<Mesh>(|| mesh::Request::Watch),
            tunnel: sockets.follow::<Tunnel>(|| tunnel::Request::Watch),
            prober: sockets.follow::<Prober>(|| prober::Request::Watch),
            router: sockets.follow::<Router>(|| router::Request::Watch),
            link: sockets.follow::<Link>(|| link::Request::Watch),
            clock,
            services,
            sockets,
            _pins: pins,
            host,
            namespace,
        };
        site.claim();
        site
    }

    fn claim(&self) {
        let (document, password_phc) = (self.document.clone(), PASSWORD_PHC.to_owned());
        let claim = Claim { document, password_phc, network: config::Network::Create };
        let claimed = self.sockets.ask::<Config>(&config::Request::Claim(Box::new(claim)));
        assert!(matches!(claimed, config::Reply::Committed { .. }), "{claimed:?}");
    }

    /// As from the factory, and claimed again: another identity, in no network.
    pub fn reset(&mut self) {
        self.die();
        for entry in std::fs::read_dir(self.sockets.dir()).expect("its directory").flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "redb") {
                std::fs::remove_file(entry.path()).expect("its own file");
            }
        }
        self.services.iter_mut().for_each(Service::start);
        self.claim();
        self.wait_for_mesh("no network", |state| state.site.is_some() && state.network.is_none());
    }

    /// A computer on its LAN.
    #[must_use]
    pub const fn host(&self) -> &Namespace {
        &self.host
    }

    /// The address of the computer on its LAN.
    #[must_use]
    pub fn host_address(&self) -> String {
        format!("10.{}.0.2", self.number)
    }

    /// Where its sockets are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.sockets.dir()
    }

    /// What a test asks of it runs here.
    #[must_use]
    pub const fn runtime(&self) -> &tokio::runtime::Runtime {
        self.sockets.runtime()
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> SiteId {
        self.wait_for_mesh("an identity", |state| state.site.is_some()).site.expect("just seen")
    }

    /// Asks `mesh`.
    #[must_use]
    pub fn ask(&self, request: &mesh::Request) -> mesh::Reply {
        self.sockets.ask::<Mesh>(request)
    }

    /// Makes it the first site of a network.
    pub fn create_network(&self) {
        let reply = self.ask(&mesh::Request::CreateNetwork);
        assert!(matches!(reply, mesh::Reply::Created { .. }), "{reply:?}");
    }

    /// A token for the site with this number, with these seeds.
    #[must_use]
    pub fn make_token(&self, number: u8, seeds: &[String]) -> String {
        self.make_token_for(number, Vec::new(), seeds)
    }

    /// The same for a site that may be more than that.
    #[must_use]
    pub fn make_token_for(&self, number: u8, roles: Vec<mesh::Role>, seeds: &[String]) -> String {
        let prefixes = vec![format!("10.{number}.0.0/16").parse().expect("a prefix")];
        let request = mesh::Request::MakeToken { valid_s: 3_600, roles, prefixes, seeds: seeds.to_vec() };
        match self.ask(&request) {
            mesh::Reply::Token { token } => token,
            other => panic!("no token: {other:?}"),
        }
    }

    /// Begins to join.
    pub fn join(&self, token: &str) {
        let reply = self.ask(&mesh::Request::Join { token: token.to_owned(), prefixes: Vec::new() });
        assert_eq!(reply, mesh::Reply::Accepted);
    }

    /// Waits until `mesh` says what is wanted.
    pub fn wait_for_mesh(&self, what: &str, wanted: impl Fn(&mesh::State) -> bool) -> mesh::State {
        let wanted = |reply: &mesh::Reply| matches!(reply, mesh::Reply::State(state) if wanted(state));
        let mesh::Reply::State(state) = self.mesh.wait_for(what, wanted, || self.story()) else { panic!("no state") };
        *state
    }

    /// Waits until `tunnel` says what is wanted.
    pub fn wait_for_tunnel(&self, what: &str, wanted: impl Fn(&tunnel::State) -> bool) -> tunnel::State {
        let wanted = |reply: &tunnel::Reply| matches!(reply, tunnel::Reply::State(state) if wanted(state));
        let tunnel::Reply::State(state) = self.tunnel.wait_for(what, wanted, || self.story()) else {
            panic!("no state")
        };
        *state
    }

    /// Waits until `prober` says what is wanted.
    pub fn wait_for_prober(&self, what: &str, wanted: impl Fn(&prober::State) -> bool) -> prober::State {
        let wanted = |reply: &prober::Reply| matches!(reply, prober::Reply::State(state) if wanted(state));
        let prober::Reply::State(state) = self.prober.wait_for(what, wanted, || self.story()) else {
            panic!("no state")
        };
        *state
    }

    /// Asks `prober`.
    #[must_use]
    pub fn ask_prober(&self, request: &prober::Request) -> prober::Reply {
        self.sockets.ask::<Prober>(request)
    }

    /// Waits until `router` says what is wanted.
    pub fn wait_for_router(&self, what: &str, wanted: impl Fn(&router::State) -> bool) -> router::State {
        let wanted = |reply: &router::Reply| matches!(reply, router::Reply::State(state) if wanted(state));
        let router::Reply::State(state) = self.router.wait_for(what, wanted, || self.story()) else {
            panic!("no state")
        };
        *state
    }

    /// Asks `router`.
    #[must_use]
    pub fn ask_router(&self, request: &router::Request) -> router::Reply {
        self.sockets.ask::<Router>(request)
    }

    /// Waits until what comes out of so many tunnels' devices is judged.
    pub fn wait_for_judged_tunnels(&self, count: u32) {
        let told = || self.sockets.ask::<Datapath>(&datapath::Request::Watch);
        let is_so = || matches!(told(), datapath::Reply::State(state) if state.tunnels == count);
        crate::eventually("packets out of tunnels are judged", is_so, || self.story());
    }

    /// How many packets its datapath has not carried for this reason.
    #[must_use]
    pub fn not_carried(&self, reason: &str) -> u64 {
        let datapath::Reply::Firewall(told) = self.sockets.ask::<Datapath>(&datapath::Request::Firewall) else {
            return 0;
        };
        told.not_carried.get(reason).copied().unwrap_or(0)
    }

    /// Waits until so many paths are up, and no other is there.
    pub fn wait_for_paths(&self, count: usize) -> tunnel::State {
        let all_up = |state: &tunnel::State| {
            state.paths.len() == count && state.paths.iter().all(|path| path.status == tunnel::PathStatus::Up)
        };
        self.wait_for_tunnel(&format!("{count} paths up"), all_up)
    }

    /// Waits until the uplinks have their addresses.
    pub fn wait_for_uplinks(&self, count: usize) {
        let has_all = |state: &link::State| {
            state.uplinks.iter().filter(|uplink| uplink.carrier && !uplink.addresses.is_empty()).count() == count
        };
        self.link.wait_for("uplinks", has_all, || self.story());
    }

    /// Power off and on: `kill -9` of all services, and all again.
    pub fn restart(&mut self) {
        self.services.iter_mut().for_each(Service::kill);
        self.services.iter_mut().for_each(Service::start);
        // What the dead ones said last is not the answer of these.
        self.mesh = self.sockets.follow::<Mesh>(|| mesh::Request::Watch);
        self.tunnel = self.sockets.follow::<Tunnel>(|| tunnel::Request::Watch);
        self.prober = self.sockets.follow::<Prober>(|| prober::Request::Watch);
        self.router = self.sockets.follow::<Router>(|| router::Request::Watch);
        self.link = self.sockets.follow::<Link>(|| link::Request::Watch);
    }

    /// `kill -9` of one of its services.
    pub fn kill(&mut self, name: &str) {
        self.service(name).kill();
    }

    /// Ends one of its services as `init` does.
    ///
    /// # Panics
    /// If it ends as failed.
    pub fn terminate(&mut self, name: &str) {
        assert!(self.service(name).terminate(), "{}", self.story());
    }

    /// Starts one of its services again.
    pub fn start_again(&mut self, name: &str) {
        self.service(name).start();
    }

    fn service(&mut self, name: &str) -> &mut Service {
        self.services.iter_mut().find(|service| service.name() == name).expect("one of its services")
    }

    /// `kill -9` of all its services: the box is gone.
    pub fn die(&mut self) {
        self.services.iter_mut().filter(|service| service.pid().is_some()).for_each(Service::kill);
    }

    /// Makes this its configuration.
    pub fn configure(&mut self, change: impl FnOnce(&mut Document)) {
        change(&mut self.document);
        let toml = toml::to_string(&self.document).expect("a document");
        let request = config::Request::Apply { toml, base: None, confirm_within_s: None, author: "lab".to_owned() };
        let applied = self.sockets.ask::<Config>(&request);
        assert!(matches!(applied, config::Reply::Committed { .. }), "{applied:?}");
    }

    /// What its services said, what `tunnel` says of its paths now, and which ways inside tunnels the kernel has.
    #[must_use]
    pub fn story(&self) -> String {
        let logs: Vec<String> = self.services.iter().map(Service::log).collect();
        let paths = match self.tunnel.newest() {
            Some(tunnel::Reply::State(state)) => state.paths,
            _ => Vec::new(),
        };
        let routes = self.namespace.ip(&["-6", "route"]);
        let clock = self.clock.borrow().synchronised;
        format!("site {} at {clock:?}\n{}\n{paths:#?}\n{routes}", self.number, logs.join("\n"))
    }
}
