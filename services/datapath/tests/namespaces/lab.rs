//! A computer, the box, its provider, and somebody far away.
//!
//! ```text
//!  computer  192.168.42.2 --- eth1 [box] eth0 203.0.113.2 --- .254 [provider] 198.51.100.254 --- [far] 198.51.100.7
//!  neighbour 192.168.42.3 --- eth2
//! ```
//! The provider has no way to 192.168.42.0/24: nothing comes back to a source that was not translated. To 2001:db8:42::/64, the LAN's own, it has.

use std::path::{Path, PathBuf};

use patronus_ipc::datapath::{Flow, Guard, Reply, Request, Rule, State};
use patronus_lab::{Forwarding, Namespace};
use patronus_types::Document;

use crate::lab::heard::Wire;

pub mod heard;

pub const COMPUTER: &str = "192.168.42.2";
pub const NEIGHBOUR: &str = "192.168.42.3";
pub const OUTSIDE: &str = "203.0.113.2";
pub const PROVIDER: &str = "203.0.113.254";
pub const FAR: &str = "198.51.100.7";
pub const COMPUTER_SIX: &str = "2001:db8:42::2";
pub const FAR_SIX: &str = "2001:db8:2::7";

/// Without what each test puts behind it.
const DOCUMENT: &str = r#"{"version":1,"site":{"name":"lab","timezone":"UTC"},"clock":{"servers":[]},
    "lan":{"ports":["eth1","eth2"],"address":"192.168.42.1/24","address_v6":"2001:db8:42::1/64"},
    "uplink":[{"name":"fibre","port":"eth0","ipv4":{"static":{"address":"203.0.113.2/24","gateway":"203.0.113.254"}},
    "ipv6":{"static":{"address":"2001:db8:1::2/64","gateway":"2001:db8:1::254"}}}]"#;

/// All of it.
pub struct Lab {
    /// The box.
    pub forwarding: Forwarding,
    pub computer: Namespace,
    pub neighbour: Namespace,
    pub provider: Namespace,
    pub far: Namespace,
    /// What goes over the wire between box and provider.
    pub wire: Wire,
}

impl Lab {
    /// Up to the point at which packets are carried.
    pub fn new() -> Self {
        let mut lab = Self::without_datapath();
        lab.forwarding.datapath.start();
        lab.wait_for("LAN and uplink", |state| state.lan.is_some() && state.uplinks.len() == 1);
        lab
    }

    /// Everything but the datapath runs.
    pub fn without_datapath() -> Self {
        let Wires { computer, neighbour, inside, provider, far } = Wires::new();
        let wire = Wire::listen(&provider);
        let programs = beside(Path::new(""));
        let object = beside(Path::new("../ebpf/datapath.o"));
        let forwarding = Forwarding::start(&programs, &object, inside, document(""));
        patronus_lab::eventually(
            "an uplink",
            || forwarding.namespace.ip(&["route"]).contains("default via 203.0.113.254"),
            || forwarding.link_log(),
        );
        Self { forwarding, computer, neighbour, provider, far, wire }
    }

    /// The document has these port forwards from now on.
    pub fn forward(&self, forwards: &str) {
        self.configure(&format!(r#","forward":[{forwards}]"#));
    }

    /// And these rules.
    pub fn set_rules(&self, rules: &str) {
        self.configure(&format!(r#","rule":[{rules}]"#));
    }

    /// And this guard, with these port forwards.
    pub fn set_guard(&self, guard: &str, forwards: &str) {
        self.configure(&format!(r#","guard":{{{guard}}},"forward":[{forwards}]"#));
    }

    /// The uplink has this address, and this router; the guard is as it is by itself.
    pub fn move_uplink(&self, address: &str, gateway: &str) {
        let text = format!("{DOCUMENT}}}").replace("203.0.113.254", gateway).replace("203.0.113.2/24", address);
        self.forwarding.configure(serde_json::from_str(&text).unwrap());
    }

    /// What uplinks do not let in.
    pub fn guard(&self) -> Guard {
        let Reply::Firewall(firewall) = self.ask(&Request::Firewall) else { panic!("no guard") };
        firewall.guard
    }

    /// And these collectors, told of flows that go on as often as may be.
    pub fn export(&self, collectors: &str) {
        self.configure(&format!(r#","ipfix":{{"collectors":[{collectors}],"active_seconds":10,"domain":7}}"#));
    }

    fn configure(&self, more: &str) {
        self.forwarding.configure(document(more));
    }

    /// Waits until the published state is as wanted.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
        self.forwarding.wait_for(what, wanted)
    }

    /// An answer of the service.
    pub fn ask(&self, request: &Request) -> Reply {
        self.forwarding.ask(request)
    }

    /// A rule with what it has decided.
    pub fn rule(&self, name: &str) -> Option<Rule> {
        let Reply::Firewall(firewall) = self.ask(&Request::Firewall) else { panic!("no rules") };
        firewall.rules.into_iter().find(|rule| rule.name == name)
    }

    /// Flows, those first that carried most.
    pub fn flows(&self) -> Vec<Flow> {
        match self.ask(&Request::Flows) {
            Reply::Flows(flows) => flows,
            other => panic!("{other:?}"),
        }
    }
}

/// Who is there, with cables and addresses; the box has only cables.
pub struct Wires {
    pub computer: Namespace,
    pub neighbour: Namespace,
    pub inside: Namespace,
    pub provider: Namespace,
    pub far: Namespace,
}

impl Wires {
    pub fn new() -> Self {
        let [computer, neighbour, inside, provider, far] =
            ["computer", "neighbour", "box", "provider", "far"].map(Namespace::new);
        inside.cable("eth0", &provider, "box");
        inside.cable("eth1", &computer, "eth0");
        inside.cable("eth2", &neighbour, "eth0");
        far.cable("eth0", &provider, "far");
        far.ip(&["link", "set", "eth0", "up"]);
        for (namespace, address, device) in [
            (&computer, "192.168.42.2/24", "eth0"),
            (&neighbour, "192.168.42.3/24", "eth0"),
            (&provider, "203.0.113.254/24", "box"),
            (&provider, "198.51.100.254/24", "far"),
            (&far, "198.51.100.7/24", "eth0"),
        ] {
            namespace.ip(&["addr", "add", address, "dev", device]);
        }
        for (namespace, address, device) in [
            (&computer, "2001:db8:42::2/64", "eth0"),
            (&provider, "2001:db8:1::254/64", "box"),
            (&provider, "2001:db8:2::254/64", "far"),
            (&far, "2001:db8:2::7/64", "eth0"),
        ] {
            namespace.ip(&["addr", "add", address, "dev", device, "nodad"]);
        }
        computer.ip(&["-6", "route", "add", "default", "via", "2001:db8:42::1"]);
        far.ip(&["-6", "route", "add", "default", "via", "2001:db8:2::254"]);
        provider.ip(&["-6", "route", "add", "2001:db8:42::/64", "via", "2001:db8:1::2"]);
        for namespace in [&computer, &neighbour] {
            namespace.ip(&["route", "add", "default", "via", "192.168.42.1"]);
        }
        far.ip(&["route", "add", "default", "via", "198.51.100.254"]);
        provider.inside(|| {
            for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                std::fs::write(format!("/proc/sys/net/{setting}"), "1").unwrap();
            }
        });
        Self { computer, neighbour, inside, provider, far }
    }
}

fn document(more: &str) -> Document {
    serde_json::from_str(&format!("{DOCUMENT}{more}}}")).unwrap()
}

/// What was built beside the service's own program.
fn beside(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_patronus-datapath")).parent().unwrap().join(path)
}
