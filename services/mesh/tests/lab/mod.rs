//! Sites on one switch, each in a namespace of its own with the real `mesh`; the test stands in for the services beside it.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::panic)]

use std::net::Ipv4Addr;

use patronus_ipc::{
    Answer, Handler,
    clock::{self, Clock},
    config::{self, Claimed, Config, IdentitySeed},
    link::{self, Link},
    mesh::{Mesh, Reply, Request, Site, State},
    tunnel::{self, Desired, Slot, SlotKey, Tunnel},
};
use patronus_lab::{Follower, Namespace, PATIENCE, Rights, Service, Sockets};
use patronus_types::{Document, Generation, SiteId, UplinkSlot};
use tokio::sync::watch;

const UID: u32 = 10_006;

/// What all sites are plugged into.
pub struct Switch(Namespace);

impl Switch {
    pub fn new() -> Self {
        let namespace = Namespace::new("switch");
        namespace.ip(&["link", "add", "sw", "type", "bridge"]);
        namespace.ip(&["link", "set", "sw", "up"]);
        Self(namespace)
    }

    /// Pulls or plugs the cable of a site.
    pub fn plug(&self, number: u8, is_in: bool) {
        self.0.ip(&["link", "set", &format!("p{number}"), if is_in { "up" } else { "down" }]);
    }
}

/// Two LANs that share nothing but a router between them: 192.0.2.0/24 and 198.51.100.0/24.
pub struct Internet {
    pub near: Switch,
    pub far: Switch,
    _router: Namespace,
}

impl Internet {
    pub fn new() -> Self {
        let (near, far, router) = (Switch::new(), Switch::new(), Namespace::new("router"));
        for (port, switch, address) in [("n0", &near, "192.0.2.254/24"), ("f0", &far, "198.51.100.254/24")] {
            router.cable(port, &switch.0, "uplink");
            switch.0.ip(&["link", "set", "uplink", "master", "sw"]);
            router.ip(&["addr", "add", address, "dev", port]);
            router.ip(&["link", "set", port, "up"]);
        }
        router.inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        Self { near, far, _router: router }
    }
}

/// A claimed box whose `eth0` is on the switch.
pub struct Box_ {
    pub service: Service,
    pub state: Follower<Reply>,
    pub wish: watch::Receiver<Option<Desired>>,
    pub sockets: Sockets,
    clock: watch::Sender<clock::State>,
    pub inside: Namespace,
}

impl Box_ {
    /// Number 1 to 250; its LAN is 10.NUMBER.0.0/16.
    pub fn new(switch: &Switch, number: u8) -> Self {
        Self::at(switch, number, "192.0.2")
    }

    /// With another network in front of it, whose router is number 254.
    pub fn at(switch: &Switch, number: u8, net: &str) -> Self {
        let inside = Namespace::new(&format!("site{number}"));
        let port = format!("p{number}");
        inside.cable("eth0", &switch.0, &port);
        switch.0.ip(&["link", "set", &port, "master", "sw"]);
        inside.ip(&["addr", "add", &format!("{net}.{number}/24"), "dev", "eth0"]);
        inside.ip(&["link", "set", "eth0", "up"]);
        inside.ip(&["route", "add", "default", "via", &format!("{net}.254")]);
        let sockets = Sockets::new(UID);
        let identity = [number; 32];
        sockets.answer::<Config>("watch,identity", ConfigDesk::new(identity, document(number)));
        let clock = sockets.publish::<Clock>(clock::State { synchronised: true, ..clock::State::default() });
        sockets.publish::<Link>(link_state(number, net));
        let (sender, wish) = watch::channel(None);
        sockets.answer::<Tunnel>("watch,apply", TunnelDesk::new(number, sender));
        let rights = Rights::user(UID, "-all");
        let service = Service::new::<Mesh>(env!("CARGO_BIN_EXE_patronus-mesh"), &sockets, &inside, rights);
        let state = sockets.follow::<Mesh>(|| Request::Watch);
        let mut site = Self { service, state, wish, sockets, clock, inside };
        site.service.start();
        site.wait_for("the claim", |state| state.site.is_some());
        site
    }

    pub fn ask(&self, request: &Request) -> Reply {
        self.sockets.ask::<Mesh>(request)
    }

    /// The one copy of the root's key.
    pub fn create_network(&self) -> String {
        let Reply::Created { root_secret } = self.ask(&Request::CreateNetwork) else { panic!("no network") };
        root_secret
    }

    pub fn make_token(&self, prefixes: &[&str]) -> String {
        self.make_token_with(prefixes, &[])
    }

    pub fn make_token_with(&self, prefixes: &[&str], seeds: &[&str]) -> String {
        let seeds = seeds.iter().map(|seed| (*seed).to_owned()).collect();
        let prefixes = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
        let request = Request::MakeToken { valid_s: 600, roles: Vec::new(), prefixes, seeds };
        match self.ask(&request) {
            Reply::Token { token } => token,
            other => panic!("{other:?}"),
        }
    }

    pub fn join(&self, token: &str) {
        assert_eq!(self.ask(&Request::Join { token: token.to_owned(), prefixes: Vec::new() }), Reply::Accepted);
    }

    /// The name of the reason why the request changes nothing.
    pub fn rejection(&self, request: &Request) -> String {
        match self.ask(request) {
            Reply::Rejected(problem) => problem.code,
            other => panic!("{other:?}"),
        }
    }

    pub fn wait_for(&self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
        let reply = self.state.wait_for(
            what,
            |reply| matches!(reply, Reply::State(state) if wanted(state)),
            || self.service.log(),
        );
        let Reply::State(state) = reply else { panic!() };
        *state
    }

    /// Waits until it knows as many members that are heard, and hears no other.
    pub fn wait_for_active(&self, count: usize) -> State {
        let is_active = |site: &&Site| site.is_active;
        self.wait_for(&format!("{count} active"), |state| state.sites.iter().filter(is_active).count() == count)
    }

    /// Waits until `tunnel` is told what is wanted.
    pub fn wait_for_wish(&self, what: &str, wanted: impl Fn(&Desired) -> bool) -> Desired {
        let mut wish = self.wish.clone();
        let told = self.sockets.runtime().block_on(async {
            let told = wish.wait_for(|wish| wish.as_ref().is_some_and(&wanted));
            tokio::time::timeout(PATIENCE, told).await.map(|wish| wish.unwrap().clone())
        });
        match told {
            Ok(wish) => wish.unwrap(),
            Err(_) => panic!("never: {what}\n{:#?}\n{}", self.wish.borrow(), self.service.log()),
        }
    }

    pub fn id(&self) -> SiteId {
        self.wait_for("an identity", |state| state.site.is_some()).site.unwrap()
    }

    /// `kill -9`, and on again.
    pub fn restart(&mut self) {
        self.service.kill();
        self.service.start();
    }
}

struct ConfigDesk {
    state: watch::Receiver<config::Reply>,
    identity: [u8; 32],
}

impl ConfigDesk {
    fn new(identity: [u8; 32], document: Document) -> Self {
        let key = patronus_wire::IdentityKey::from(&ed25519_dalek::SigningKey::from_bytes(&identity));
        let claimed = Claimed { site_id: patronus_wire::site_id(&key), document, trial: None };
        let state = config::State { generation: Generation(1), claimed: Some(claimed) };
        let (sender, state) = watch::channel(config::Reply::State(Box::new(state)));
        // Nothing changes any more; the channel lives as long as the test.
        std::mem::forget(sender);
        Self { state, identity }
    }
}

impl Handler<Config> for ConfigDesk {
    async fn handle(&self, _: u32, request: config::Request) -> Answer<Config> {
        match request {
            config::Request::Identity => Answer::Once(config::Reply::Identity(Some(IdentitySeed(self.identity)))),
            _ => Answer::Follow(self.state.clone()),
        }
    }
}

struct TunnelDesk {
    state: watch::Receiver<tunnel::Reply>,
    wish: watch::Sender<Option<Desired>>,
}

impl TunnelDesk {
    fn new(number: u8, wish: watch::Sender<Option<Desired>>) -> Self {
        let slot = Slot {
            slot: UplinkSlot::new(0).unwrap(),
            device: "eth0".parse().unwrap(),
            public_key: SlotKey([number; 32]),
            listen_port: 51_830,
            seen: vec!["198.51.100.7:4242".parse().unwrap()],
            stun: Vec::new(),
        };
        let state = tunnel::State { slots: vec![slot], ..tunnel::State::default() };
        let (sender, state) = watch::channel(tunnel::Reply::State(Box::new(state)));
        std::mem::forget(sender);
        Self { state, wish }
    }
}

impl Handler<Tunnel> for TunnelDesk {
    async fn handle(&self, _: u32, request: tunnel::Request) -> Answer<Tunnel> {
        match request {
            tunnel::Request::Apply(desired) => {
                let generation = desired.generation;
                self.wish.send_replace(Some(*desired));
                Answer::Once(tunnel::Reply::Applied(generation))
            }
            _ => Answer::Follow(self.state.clone()),
        }
    }
}

fn document(number: u8) -> Document {
    let json = format!(
        r#"{{"version":1,"site":{{"name":"site-{number}","timezone":"UTC"}},"clock":{{"servers":[]}},
        "lan":{{"ports":["eth1"],"address":"10.{number}.0.1/16"}},"uplink":[{{"name":"wan","port":"eth0"}}]}}"#
    );
    serde_json::from_str(&json).unwrap()
}

fn link_state(number: u8, net: &str) -> link::State {
    let uplink = link::Uplink {
        name: "wan".parse().unwrap(),
        port: "eth0".parse().unwrap(),
        carrier: true,
        addresses: vec![format!("{net}.{number}/24").parse().unwrap()],
        gateways: Vec::new(),
        dns: vec![Ipv4Addr::LOCALHOST.into()],
        ntp: Vec::new(),
        lease: None,
        problem: None,
    };
    link::State { generation: Generation(1), uplinks: vec![uplink], ..link::State::default() }
}
