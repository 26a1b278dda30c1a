//! A computer, a router of some kind, and somebody outside.
//!
//! ```text
//!  computer 192.168.42.2 --- eth1 in the bridge lan [router] eth0 203.0.113.2 --- eth0 203.0.113.254 [far]
//! ```

use std::{fs, io::Write, net::UdpSocket, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use patronus_lab::{Forwarding, Namespace, eventually};

use super::load::PORT;

/// Somebody outside.
pub(super) const FAR: &str = "203.0.113.254";
/// The router, as seen from there.
pub(super) const OUTSIDE: &str = "203.0.113.2";
/// Rules of a filter that has many.
const MANY: u32 = 1000;

const DOCUMENT: &str = r#"{"version":1,"site":{"name":"bench","timezone":"UTC"},"clock":{"servers":[]},
    "lan":{"ports":["eth1"],"address":"192.168.42.1/24"},
    "uplink":[{"name":"fibre","port":"eth0","ipv4":{"static":{"address":"203.0.113.2/24","gateway":"203.0.113.254"}}}]}"#;

/// What the router is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ours,
    Plain,
    Nftables,
    NftablesMany,
    Iptables,
    /// As `Ours`, with somebody outside on a list of many that the driver keeps out.
    OursListed,
    /// As `Nftables`, with such a list where packets come in.
    NftablesListed,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Ours,
        Self::Plain,
        Self::Nftables,
        Self::NftablesMany,
        Self::Iptables,
        Self::OursListed,
        Self::NftablesListed,
    ];

    /// Ours, then the rivals.
    pub(super) const COLUMNS: [Self; 5] = [Self::Ours, Self::Plain, Self::Nftables, Self::NftablesMany, Self::Iptables];

    /// Of the column in which its figures stand.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ours | Self::OursListed => "patronus",
            Self::Plain => "plain forwarding",
            Self::Nftables | Self::NftablesListed => "nftables",
            Self::NftablesMany => "nftables, 1000 rules",
            Self::Iptables => "iptables-nft",
        }
    }

    /// Without a filter the kernel answers a stranger instead.
    pub(super) const fn refuses(self) -> bool {
        !matches!(self, Self::Plain)
    }

    /// Whether whoever is outside is on a list.
    pub(super) const fn lists(self) -> bool {
        matches!(self, Self::OursListed | Self::NftablesListed)
    }
}

/// All three; the router with what makes it one.
pub(super) struct Bed {
    pub(super) computer: Namespace,
    pub(super) far: Namespace,
    router: Router,
    /// Takes what comes, so that nobody says that nobody is there.
    _sink: UdpSocket,
}

enum Router {
    Ours(Box<Forwarding>),
    Kernel(Namespace),
}

impl Bed {
    /// Up to the point at which packets come through. `built` is where what cargo builds lies.
    pub(super) fn new(kind: Kind, built: &Path) -> Result<Self> {
        let [computer, router, far] = ["computer", "router", "far"].map(Namespace::new);
        router.cable("eth0", &far, "eth0");
        router.cable("eth1", &computer, "eth0");
        computer.ip(&["addr", "add", "192.168.42.2/24", "dev", "eth0"]);
        computer.ip(&["route", "add", "default", "via", "192.168.42.1"]);
        far.ip(&["addr", "add", &format!("{FAR}/24"), "dev", "eth0"]);
        let sink = far.inside(|| UdpSocket::bind((FAR, PORT)))?;
        let router = match kind {
            Kind::Ours => Router::Ours(Box::new(ours(router, built, DOCUMENT)?)),
            Kind::OursListed => Router::Ours(Box::new(ours(router, built, &listed()?)?)),
            _ => Router::Kernel(kernels(kind, router, &far)?),
        };
        comes_through(&computer, &sink)?;
        Ok(Self { computer, far, router, _sink: sink })
    }

    pub(super) fn router(&self) -> &Namespace {
        match &self.router {
            Router::Ours(forwarding) => &forwarding.namespace,
            Router::Kernel(namespace) => namespace,
        }
    }
}

/// The document with a list.
fn listed() -> Result<String> {
    let before = DOCUMENT.strip_suffix('}').context("no document")?;
    let prefixes = prefixes().map(|prefix| format!("\"{prefix}\"")).collect::<Vec<_>>().join(",");
    Ok(format!(r#"{before},"guard":{{"hook":"xdp","block":[{{"name":"many","prefixes":[{prefixes}]}}]}}}}"#))
}

/// Many, and whoever is outside.
fn prefixes() -> impl Iterator<Item = String> {
    (0..MANY).map(|n| format!("10.{}.{}.0/24", n / 250, n % 250)).chain([format!("{FAR}/32")])
}

fn ours(router: Namespace, built: &Path, document: &str) -> Result<Forwarding> {
    let document = serde_json::from_str(document)?;
    let mut forwarding = Forwarding::start(&built.join("debug"), &built.join("ebpf/datapath.o"), router, document);
    forwarding.datapath.start();
    forwarding.wait_for("LAN and uplink", |state| state.lan.is_some() && state.uplinks.len() == 1);
    Ok(forwarding)
}

/// A router as people set one up by hand.
fn kernels(kind: Kind, router: Namespace, far: &Namespace) -> Result<Namespace> {
    for command in [
        "link add lan type bridge",
        "link set eth1 master lan",
        "link set eth0 up",
        "link set eth1 up",
        "link set lan up",
        "addr add 192.168.42.1/24 dev lan",
        "addr add 203.0.113.2/24 dev eth0",
    ] {
        router.ip(&command.split(' ').collect::<Vec<_>>());
    }
    router.inside(|| {
        // As in our image, where it does not exist.
        let _ = fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
        fs::write("/proc/sys/net/ipv4/ip_forward", "1")
    })?;
    match kind {
        Kind::Ours | Kind::OursListed | Kind::Plain => {
            far.ip(&["route", "add", "192.168.42.0/24", "via", OUTSIDE]);
        }
        Kind::Nftables => load(&router, &["nft", "-f", "-"], &nftables(0))?,
        Kind::NftablesMany => load(&router, &["nft", "-f", "-"], &nftables(MANY))?,
        Kind::NftablesListed => load(&router, &["nft", "-f", "-"], &(nftables(0) + &nftables_list()))?,
        Kind::Iptables => load(&router, &["iptables-nft-restore"], IPTABLES)?,
    }
    Ok(router)
}

/// Rules that a newcomer writes, behind so many that fit no packet and look at nothing but the packet.
fn nftables(more: u32) -> String {
    let rule = |n: u32| format!("ip saddr 10.{}.{}.0/24 tcp dport {} drop\n", n / 250, n % 250, 1000 + n);
    let many: String = (0..more).map(rule).collect();
    format!(
        "table ip filter {{
            chain input {{ type filter hook input priority 0; policy drop;
                {many}
                ct state established,related accept
                iifname \"lo\" accept
                iifname \"lan\" accept
            }}
            chain forward {{ type filter hook forward priority 0; policy drop;
                {many}
                ct state established,related accept
                iifname \"lan\" oifname \"eth0\" accept
            }}
        }}
        table ip nat {{ chain post {{ type nat hook postrouting priority 100; oifname \"eth0\" masquerade; }}; }}\n"
    )
}

/// A set, asked before connections are tracked.
fn nftables_list() -> String {
    let elements = prefixes().collect::<Vec<_>>().join(", ");
    format!(
        "table ip guard {{
            set many {{ type ipv4_addr; flags interval; elements = {{ {elements} }}; }}
            chain first {{ type filter hook prerouting priority raw; ip saddr @many drop; }}
        }}\n"
    )
}

/// The same without more.
const IPTABLES: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -i lan -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i lan -o eth0 -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
";

fn load(router: &Namespace, program: &[&str], rules: &str) -> Result<()> {
    let (name, arguments) = program.split_first().context("no program")?;
    let mut child = router.command(name).args(arguments).stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("no way to tell it the rules")?.write_all(rules.as_bytes())?;
    ensure!(child.wait()?.success(), "{name} does not take the rules");
    Ok(())
}

/// Waits for the first datagram.
fn comes_through(computer: &Namespace, sink: &UdpSocket) -> Result<()> {
    sink.set_read_timeout(Some(Duration::from_millis(100)))?;
    let socket = computer.inside(|| UdpSocket::bind("0.0.0.0:0"))?;
    let tried = || socket.send_to(b"?", (FAR, PORT)).is_ok() && sink.recv(&mut [0; 8]).is_ok();
    eventually("a datagram comes through", tried, String::new);
    Ok(())
}
