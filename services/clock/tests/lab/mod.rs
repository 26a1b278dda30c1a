//! A namespace with servers on its loopback, and the real service in it.

use std::{net::Ipv4Addr, time::SystemTime};

use patronus_ipc::{
    clock::{Clock, Request, State},
    config::{self, Claimed, Config, Reply},
    link::{self, Link},
};
use patronus_lab::{Follower, Namespace, Rights, Service, Sockets, eventually};
use patronus_types::{Document, Generation, Lan, Site, SiteId};
use tokio::sync::watch;

pub(crate) struct Lab {
    pub(crate) service: Service,
    namespace: Namespace,
    state: Follower<State>,
    _values: (watch::Sender<Reply>, watch::Sender<link::State>),
    _sockets: Sockets,
}

impl Lab {
    /// A box that is configured to ask these servers; its resolver is 127.0.0.1.
    pub(crate) fn new(servers: &[&str]) -> Self {
        Self::with_dhcp(servers, &[])
    }

    /// The same, and DHCP names these.
    pub(crate) fn with_dhcp(servers: &[&str], by_dhcp: &[&str]) -> Self {
        let namespace = Namespace::new("clock");
        let sockets = Sockets::new(0);
        let config = sockets.publish::<Config>(Reply::State(Box::new(configured(servers))));
        let uplinks = sockets.publish::<Link>(link::State {
            generation: Generation(1),
            uplinks: vec![uplink(by_dhcp)],
            ..Default::default()
        });
        let rights = Rights::root_without("sys_time");
        let service = Service::new::<Clock>(env!("CARGO_BIN_EXE_patronus-clock"), &sockets, &namespace, rights);
        let state = sockets.follow::<Clock>(|| Request::Watch);
        Self { service, namespace, state, _values: (config, uplinks), _sockets: sockets }
    }

    /// A time server whose clock is wrong by this much.
    pub(crate) fn serve_time(&self, address: &str, wrong_us: i64) {
        self.serve(address, 123, move |question| Some(time_answer(question, wrong_us)));
    }

    /// A time server that asks for fewer questions (RFC 4330 section 8).
    pub(crate) fn serve_rate(&self, address: &str) {
        self.serve(address, 123, |question| {
            let mut answer = time_answer(question, 0);
            answer[1] = 0;
            answer[12..16].copy_from_slice(b"RATE");
            Some(answer)
        });
    }

    /// A resolver that knows one address for every name.
    pub(crate) fn serve_names(&self, address: Ipv4Addr) {
        self.namespace.serve_names(address);
    }

    fn serve(&self, address: &str, port: u16, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) {
        self.namespace.serve(address.parse().unwrap(), port, answer);
    }

    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
        self.state.wait_for(what, wanted, || self.service.log())
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        eventually(text, || self.service.log().contains(text), || self.service.log());
    }
}

fn configured(servers: &[&str]) -> config::State {
    let document = Document {
        version: 1,
        site: Site { name: "lab".parse().unwrap(), timezone: "UTC".parse().unwrap() },
        clock: patronus_types::Clock { servers: servers.iter().map(|server| server.parse().unwrap()).collect() },
        discovery: Default::default(),
        lan: Lan { ports: Vec::new(), address: "192.168.42.1/24".parse().unwrap(), address_v6: None },
        uplinks: Vec::new(),
        forwards: Vec::new(),
        rules: Vec::new(),
        guard: Default::default(),
        policy: Default::default(),
        ipfix: None,
    };
    let claimed = Some(Claimed { site_id: SiteId([0; 32]), document, trial: None });
    config::State { generation: Generation(1), claimed }
}

fn uplink(ntp: &[&str]) -> link::Uplink {
    link::Uplink {
        name: "wan".parse().unwrap(),
        port: "lo".parse().unwrap(),
        carrier: true,
        addresses: Vec::new(),
        gateways: Vec::new(),
        dns: vec![Ipv4Addr::LOCALHOST.into()],
        ntp: ntp.iter().map(|server| server.parse().unwrap()).collect(),
        lease: None,
        problem: None,
    }
}

/// Version 4, mode 4, stratum 2; the question's time of sending comes back as origin.
fn time_answer(question: &[u8], wrong_us: i64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as i64 + wrong_us;
    let seconds = (now.div_euclid(1_000_000) + 2_208_988_800) as u64;
    let fraction = ((now.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
    let timestamp = (seconds << 32 | fraction).to_be_bytes();
    let mut answer = vec![0; 48];
    (answer[0], answer[1]) = (4 << 3 | 4, 2);
    answer[24..32].copy_from_slice(&question[40..48]);
    answer[32..40].copy_from_slice(&timestamp);
    answer[40..48].copy_from_slice(&timestamp);
    answer
}
