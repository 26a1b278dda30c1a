//! A site with a real tunnel service, and the test in the place of its `link` and `mesh`.
//!
//! *Does*: number the sites: site `n` has the prefixes 10.n.0.0/16 and fd00:n::/32, and the first address of each for itself.
//! *Never does*: decide anything that `mesh` decides.

use std::{
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use patronus_ipc::{
    link::{self, Link, Role},
    tunnel::{Desired, PathState, PathStatus, Peer, RemoteSlot, Reply, Request, SlotKey, State, Tunnel},
};
use patronus_types::{Generation, IpNet, MacAddr, SiteId, UplinkSlot};
use tokio::sync::watch;

use crate::{Follower, Namespace, Rights, Service, Sockets};

/// The service's own user, as in the manifest.
const UID: u32 = 10005;
/// And all that it may do beyond an ordinary user.
const CAPABILITIES: &str = "-all,+net_admin";

/// The slot with this number.
#[must_use]
pub fn slot(number: u8) -> UplinkSlot {
    UplinkSlot::new(number).unwrap()
}

/// A site.
#[derive(Debug)]
pub struct Site {
    /// Its tunnel service.
    pub service: Service,
    /// Where it lives.
    pub namespace: Namespace,
    number: u8,
    /// Whether it was ever told of a network. Its own word for that comes later than the next question.
    has_wish: AtomicBool,
    link: Option<watch::Sender<link::State>>,
    state: Follower<Reply>,
    sockets: Sockets,
}

impl Site {
    /// With these devices as uplinks, in this order; they need not be there yet.
    #[must_use]
    pub fn new(program: &Path, number: u8, uplinks: &[&str]) -> Self {
        let namespace = Namespace::new(&format!("site{number}"));
        namespace.ip(&["addr", "add", &format!("10.{number}.0.1/32"), "dev", "lo"]);
        namespace.ip(&["addr", "add", &format!("fd00:{number}::1/128"), "dev", "lo", "nodad"]);
        let sockets = Sockets::new(UID);
        let link = sockets.publish::<Link>(link_state(number, uplinks));
        let rights = Rights::user(UID, CAPABILITIES);
        let service = Service::new::<Tunnel>(program, &sockets, &namespace, rights);
        let state = sockets.follow::<Tunnel>(|| Request::Watch);
        Self { service, namespace, number, has_wish: AtomicBool::new(false), link: Some(link), state, sockets }
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> SiteId {
        SiteId([self.number; 32])
    }

    /// Its uplinks are these now.
    pub fn uplinks(&self, uplinks: &[&str]) {
        self.link.as_ref().unwrap().send_replace(link_state(self.number, uplinks));
    }

    /// Nobody answers any more but the tunnel itself.
    pub fn stop_others(&mut self) {
        self.link = None;
        self.sockets.end::<Link>();
    }

    /// What is granted to it.
    #[must_use]
    pub fn prefixes(&self) -> Vec<IpNet> {
        prefixes(self.number)
    }

    /// Its address in the tunnels.
    #[must_use]
    pub fn address(&self) -> String {
        format!("10.{}.0.1", self.number)
    }

    /// And that of IPv6.
    #[must_use]
    pub fn address_v6(&self) -> String {
        format!("fd00:{}::1", self.number)
    }

    /// Asks it as `mesh` does.
    pub fn ask(&self, request: &Request) -> Reply {
        let answer = self.sockets.runtime().block_on(patronus_ipc::call::<Tunnel>(self.sockets.dir(), request));
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.service.log()))
    }

    /// Tells it who its peers are.
    pub fn apply(&self, generation: u64, peers: Vec<Peer>) {
        let closed = peers.iter().flat_map(|peer| peer.prefixes.clone()).collect();
        let desired = Desired { generation: Generation(generation), peers, closed, ..Desired::default() };
        self.has_wish.store(true, Ordering::Relaxed);
        assert_eq!(self.ask(&Request::Apply(Box::new(desired))), Reply::Applied(Generation(generation)));
    }

    /// Waits until its state is as wanted.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
        let reply = self.state.wait_for(
            what,
            |reply| matches!(reply, Reply::State(state) if wanted(state)),
            || self.service.log(),
        );
        let Reply::State(state) = reply else { panic!("no state") };
        *state
    }

    /// Waits until all paths are up.
    pub fn wait_up(&self, paths: usize) -> Vec<PathState> {
        let up =
            |state: &State| state.paths.len() == paths && state.paths.iter().all(|path| path.status == PathStatus::Up);
        self.wait_for("all paths up", up).paths
    }

    /// The keys of its slots, as soon as it has so many.
    #[must_use]
    pub fn keys(&self, slots: usize) -> Vec<SlotKey> {
        // A site makes keys as soon as it is in a network, also when it is the only one there.
        if !self.has_wish.load(Ordering::Relaxed) {
            self.apply(1, Vec::new());
        }
        let state = self.wait_for("slots", |state| state.slots.len() == slots);
        state.slots.iter().map(|slot| slot.public_key).collect()
    }

    /// This site as others are told of it: each uplink with where it can be reached.
    #[must_use]
    pub fn as_peer(&self, endpoints: &[&[&str]]) -> Peer {
        let keys = self.keys(endpoints.len());
        let slots = (0..).zip(keys).zip(endpoints).map(|((number, public_key), endpoints)| RemoteSlot {
            slot: slot(number),
            public_key,
            endpoints: endpoints.iter().map(|endpoint| endpoint.parse::<SocketAddr>().unwrap()).collect(),
        });
        Peer {
            site: self.id(),
            is_relay: false,
            slots: slots.collect(),
            prefixes: self.prefixes(),
            keepalive_s: Some(10),
        }
    }

    /// Writes a setting of its kernel, such as `net/ipv4/ip_forward`.
    pub fn sysctl(&self, name: &str, value: &str) {
        let (path, value) = (format!("/proc/sys/{name}"), value.to_owned());
        self.namespace.inside(move || std::fs::write(path, value).unwrap());
    }

    /// Waits until something outside is as wanted.
    pub fn eventually(&self, what: &str, wanted: impl Fn() -> bool) {
        crate::eventually(what, wanted, || self.service.log());
    }
}

/// What is granted to a site.
#[must_use]
pub fn prefixes(number: u8) -> Vec<IpNet> {
    vec![format!("10.{number}.0.0/16").parse().unwrap(), format!("fd00:{number}::/32").parse().unwrap()]
}

/// Two sites on one cable: 192.0.2.1 and 192.0.2.2, 2001:db8::1 and ::2. They do not know each other yet.
#[must_use]
pub fn two_on_a_cable(program: &Path) -> (Site, Site) {
    let (a, b) = (Site::new(program, 1, &["eth0"]), Site::new(program, 2, &["eth0"]));
    a.namespace.cable("eth0", &b.namespace, "eth0");
    for (site, number) in [(&a, 1), (&b, 2)] {
        site.namespace.ip(&["link", "set", "eth0", "up"]);
        site.namespace.ip(&["addr", "add", &format!("192.0.2.{number}/24"), "dev", "eth0"]);
        site.namespace.ip(&["addr", "add", &format!("2001:db8::{number}/64"), "dev", "eth0", "nodad"]);
    }
    (a, b)
}

/// The same, started, with a session over IPv4.
#[must_use]
pub fn two_with_a_tunnel(program: &Path) -> (Site, Site) {
    let (mut a, mut b) = two_on_a_cable(program);
    a.service.start();
    b.service.start();
    introduce(&a, &b, "192.0.2.1:51830", "192.0.2.2:51830");
    (a, b)
}

/// Tells both of each other and waits for the session.
pub fn introduce(a: &Site, b: &Site, at: &str, bt: &str) {
    a.apply(1, vec![b.as_peer(&[&[bt]])]);
    b.apply(1, vec![a.as_peer(&[&[at]])]);
    a.wait_up(1);
    b.wait_up(1);
}

fn link_state(number: u8, uplinks: &[&str]) -> link::State {
    let port = |name: &&str| link::Port {
        name: name.parse().unwrap(),
        mac: MacAddr([2, 0, 0, 0, 0, number]),
        driver: "veth".to_owned(),
        role: Role::Wan,
        carrier: true,
        speed_mbps: None,
    };
    let uplink = |name: &&str| link::Uplink {
        name: name.parse().unwrap(),
        port: name.parse().unwrap(),
        carrier: true,
        addresses: Vec::new(),
        gateways: Vec::new(),
        dns: Vec::new(),
        ntp: Vec::new(),
        lease: None,
        problem: None,
    };
    link::State {
        generation: Generation(1),
        ports: uplinks.iter().map(port).collect(),
        uplinks: uplinks.iter().map(uplink).collect(),
        lan: link::Lan {
            device: None,
            addresses: vec![
                format!("10.{number}.0.1/16").parse().unwrap(),
                format!("fd00:{number}::1/32").parse().unwrap(),
            ],
        },
        ..link::State::default()
    }
}
