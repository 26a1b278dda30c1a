//! A computer, the box, its provider, and somebody far away.
//!
//! ```text
//!  computer 192.168.42.2 --- eth1 [box] eth0 203.0.113.2 --- .254 [provider] 198.51.100.254 --- [far] 198.51.100.7
//! ```
//! The provider has no way to 192.168.42.0/24: nothing comes back to a source that was not translated.

use std::path::{Path, PathBuf};

use patronus_ipc::{
    config::{self, Claimed, Config},
    datapath::{Datapath, Flow, Reply, Request, State},
    link::Link,
};
use patronus_lab::{Follower, Namespace, Rights, Service, Sockets};
use patronus_types::{Generation, SiteId};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::lab::heard::Wire;

pub mod heard;

pub const COMPUTER: &str = "192.168.42.2";
pub const OUTSIDE: &str = "203.0.113.2";
pub const PROVIDER: &str = "203.0.113.254";
pub const FAR: &str = "198.51.100.7";

/// Who asks and answers in a lab.
const UID: u32 = 0;
/// All that the service may do beyond an ordinary user, as in the manifest.
const CAPABILITIES: &str = "-all,+net_admin,+bpf,+perfmon";

const DOCUMENT: &str = r#"{"version":1,"site":{"name":"lab","timezone":"UTC"},"clock":{"servers":[]},
    "lan":{"ports":["eth1"],"address":"192.168.42.1/24"},
    "uplink":[{"name":"fibre","port":"eth0","ipv4":{"static":{"address":"203.0.113.2/24","gateway":"203.0.113.254"}}}]}"#;

/// All of it. Services end before the places where they pin and listen.
pub struct Lab {
    pub datapath: Service,
    _link: Service,
    pub computer: Namespace,
    _inside: Namespace,
    _provider: Namespace,
    pub far: Namespace,
    /// What goes over the wire between box and provider.
    pub wire: Wire,
    state: Follower<Reply>,
    sockets: Sockets,
    _pins: Pins,
    _config: tokio::sync::watch::Sender<config::Reply>,
}

impl Lab {
    /// Up to the point at which packets are carried.
    pub fn new() -> Self {
        let mut lab = Self::without_datapath();
        lab.datapath.start();
        lab.wait_for("LAN and uplink", |state| state.lan.is_some() && state.uplinks.len() == 1);
        lab
    }

    /// Everything but the datapath runs.
    pub fn without_datapath() -> Self {
        let [computer, inside, provider, far] = ["computer", "box", "provider", "far"].map(Namespace::new);
        inside.cable("eth0", &provider, "box");
        inside.cable("eth1", &computer, "eth0");
        far.cable("eth0", &provider, "far");
        far.ip(&["link", "set", "eth0", "up"]);
        for (namespace, address, device) in [
            (&computer, "192.168.42.2/24", "eth0"),
            (&provider, "203.0.113.254/24", "box"),
            (&provider, "198.51.100.254/24", "far"),
            (&far, "198.51.100.7/24", "eth0"),
        ] {
            namespace.ip(&["addr", "add", address, "dev", device]);
        }
        computer.ip(&["route", "add", "default", "via", "192.168.42.1"]);
        far.ip(&["route", "add", "default", "via", "198.51.100.254"]);
        provider.inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        let wire = Wire::listen(&provider);
        // The packet filter of bridges, which this machine's kernel may have and the image's has not, would put fragments together.
        inside.inside(|| _ = std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "0"));

        let sockets = Sockets::new(UID);
        std::fs::copy(beside(Path::new("../ebpf/datapath.o")), sockets.dir().join("datapath.o"))
            .expect("the object: cargo xtask image, or cargo xtask ebpf, builds it");
        let pins = Pins::new(&sockets.dir().join("bpf"));
        let config = sockets.publish::<Config>(claimed());
        let rights = |capabilities| Rights::user(UID, capabilities);
        let program = beside(Path::new("patronus-link"));
        let mut link = Service::new::<Link>(program, &sockets, &inside, rights("-all,+net_admin,+net_raw"));
        link.start();
        let program = env!("CARGO_BIN_EXE_patronus-datapath");
        let datapath = Service::new::<Datapath>(program, &sockets, &inside, rights(CAPABILITIES));
        let state = sockets.follow::<Datapath>(|| Request::Watch);
        patronus_lab::eventually(
            "an uplink",
            || inside.ip(&["route"]).contains("default via 203.0.113.254"),
            || link.log(),
        );
        Self {
            datapath,
            computer,
            far,
            wire,
            state,
            _link: link,
            _inside: inside,
            _provider: provider,
            sockets,
            _pins: pins,
            _config: config,
        }
    }

    /// Waits until the published state is as wanted.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
        let wanted = |reply: &Reply| matches!(reply, Reply::State(state) if wanted(state));
        match self.state.wait_for(what, wanted, || self.datapath.log()) {
            Reply::State(state) => *state,
            Reply::Flows(_) => unreachable!("not a state"),
        }
    }

    /// Flows, those first that carried most.
    pub fn flows(&self) -> Vec<Flow> {
        match self.sockets.ask::<Datapath>(&Request::Flows) {
            Reply::Flows(flows) => flows,
            Reply::State(_) => panic!("a state"),
        }
    }
}

fn claimed() -> config::Reply {
    let document = serde_json::from_str(DOCUMENT).unwrap();
    let claimed = Some(Claimed { site_id: SiteId([0; 32]), document, trial: None });
    config::Reply::State(Box::new(config::State { generation: Generation(1), claimed }))
}

/// What was built beside the service's own program.
fn beside(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_patronus-datapath")).parent().unwrap().join(path)
}

/// A place where the kernel keeps what is pinned; gone with its owner, and with it the programs.
struct Pins(PathBuf);

impl Pins {
    fn new(place: &Path) -> Self {
        std::fs::create_dir(place).unwrap();
        mount("bpf", place, "bpf", MountFlags::empty(), Some(c"mode=0700")).unwrap();
        Self(place.to_owned())
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}
