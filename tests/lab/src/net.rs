//! Providers, and the sites behind them.
//!
//! ```text
//!  site 1 eth0 --- relay --- provider 0 --+
//!  site 1 eth1 --- relay --- provider 1 --+-- core
//!  site 2 eth0 --- relay --- provider 0 --+
//! ```
//! Behind each site is a computer, 10.`n`.0.2. Site `n` has 203.`m`.`n`.1/24 at provider `m`, or 203.`m`.0.`n`/24 if all its customers are on one wire; and the LAN 10.`n`.0.1/16.
//!
//! *Does*: make it all, in namespaces of its own, and cut it apart.
//! *Never does*: touch the machine's own network.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use patronus_types::Ipv4Method;

use crate::{
    Namespace, Whole,
    impair::Settings,
    nat::{Kind, Nat},
    relay::{Direction, Relay},
    status::Held,
};

/// RFC 8489 section 14.
const STUN_PORT: u16 = 3478;

/// How the customers of a provider are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// On one wire: they hear each other's multicast.
    OneLan,
    /// Each on its own: only the provider's router reaches them.
    Routed,
}

/// Sites, providers and the lines between them. Sites go first.
#[derive(Debug)]
pub struct Net {
    /// By number less one.
    pub sites: Vec<Whole>,
    /// By site, then uplink.
    lines: Vec<Vec<Relay>>,
    wiring: Wiring,
    providers: Vec<Namespace>,
    core: Namespace,
    wires: Namespace,
}

impl Net {
    /// So many sites with so many uplinks each, claimed and alone.
    #[must_use]
    pub fn new(programs: &Path, sites: u8, uplinks: u8, wiring: Wiring) -> Self {
        let (core, wires) = (router("core"), Namespace::new("wires"));
        no_ipv6(&wires);
        let providers: Vec<Namespace> = (0..uplinks).map(|number| provider(number, &core, wiring)).collect();
        let mut net = Self { sites: Vec::new(), lines: Vec::new(), wiring, providers, core, wires };
        for number in 1..=sites {
            net.add(programs, number);
        }
        net
    }

    /// The first site founds a network, the others join it with tokens; all at once.
    pub fn found(&self) {
        let Some((first, others)) = self.sites.split_first() else { return };
        first.create_network();
        for other in others {
            other.join(&first.make_token(other.number, &self.seeds()));
        }
    }

    /// Where its sites can be asked, for who looks at them from outside.
    #[must_use]
    pub fn held(&self) -> Held {
        Held { pid: std::process::id(), sites: self.sites.iter().map(|site| site.dir().to_owned()).collect() }
    }

    /// Where the first site listens, if others do not hear it.
    #[must_use]
    pub fn seeds(&self) -> Vec<String> {
        match self.wiring {
            Wiring::OneLan => Vec::new(),
            Wiring::Routed => vec![format!("{}:51822", self.address(1, 0))],
        }
    }

    /// From now on a direction of a site's line is so. Sites are numbered from 1, uplinks from 0.
    pub fn impair(&self, site: u8, uplink: u8, direction: Direction, settings: Settings) {
        self.lines[usize::from(site) - 1][usize::from(uplink)].set(direction, settings);
    }

    /// From now on there is a translator on a site's line, with an address of its own at the provider, 203.`m`.`n`.99. It knows nobody yet.
    pub fn translate(&self, site: u8, uplink: u8, kind: Kind) {
        let inside = Ipv4Addr::new(203, uplink, site, 1);
        self.put_translator(site, uplink, Nat::new(kind, inside, outside(site, uplink)));
    }

    /// The same, and a port of that address is forwarded to one of the site's. Gives the end of it that others see.
    pub fn translate_and_forward(&self, site: u8, uplink: u8, kind: Kind, port: u16, to: u16) -> SocketAddr {
        let (inside, outside) = (Ipv4Addr::new(203, uplink, site, 1), outside(site, uplink));
        self.put_translator(site, uplink, Nat::new(kind, inside, outside).with_forward(port, to));
        (outside, port).into()
    }

    fn put_translator(&self, site: u8, uplink: u8, nat: Nat) {
        let provider = &self.providers[usize::from(uplink)];
        // The translator has no cable of its own, so nobody there asks who has its address.
        let (port, mac) = (format!("c{site}"), mac(site, uplink));
        let outside = outside(site, uplink).to_string();
        provider.ip(&["neigh", "replace", &outside, "lladdr", &mac, "dev", &port, "nud", "permanent"]);
        self.lines[usize::from(site) - 1][usize::from(uplink)].translate(nat);
    }

    /// From now on nothing goes from the one translator to the other over this uplink's provider. Back it does.
    pub fn block(&self, uplink: u8, from: u8, to: u8) {
        let [from, to] = [from, to].map(|site| outside(site, uplink).to_string());
        self.providers[usize::from(uplink)].ip(&["rule", "add", "blackhole", "from", &from, "to", &to]);
    }

    /// The cable of an uplink is pulled at the provider's end.
    pub fn pull(&self, site: u8, uplink: u8) {
        self.wires.ip(&["link", "set", &format!("s{site}u{uplink}"), "down"]);
    }

    /// It is plugged in again.
    pub fn plug(&self, site: u8, uplink: u8) {
        self.wires.ip(&["link", "set", &format!("s{site}u{uplink}"), "up"]);
    }

    /// All lines of a site fall silent, or all speak again.
    pub fn cut(&self, site: u8, silent: bool) {
        for line in &self.lines[usize::from(site) - 1] {
            for direction in [Direction::Out, Direction::In] {
                line.set(direction, Settings { silent, ..line.settings(direction) });
            }
        }
    }

    /// Providers do not reach each other any more.
    pub fn part_providers(&self) {
        for provider in 0..self.providers.len() {
            self.core.ip(&["link", "set", &format!("isp{provider}"), "down"]);
        }
    }

    /// No provider carries what is for a seed or from one any more: all seeds are dead to all sites.
    pub fn kill_seeds(&self) {
        for provider in &self.providers {
            for port in ["sport", "dport"] {
                provider.ip(&["rule", "add", "pref", "1", "ipproto", "tcp", port, "51822", "blackhole"]);
            }
        }
    }

    /// No provider carries WireGuard to this site or from it any more: others hear of it through seeds alone.
    pub fn mute(&self, site: u8) {
        for (uplink, provider) in (0..).zip(&self.providers) {
            let address = self.address(site, uplink);
            for end in ["from", "to"] {
                provider.ip(&["rule", "add", "pref", "1", end, &address, "ipproto", "udp", "blackhole"]);
            }
        }
    }

    /// Between the providers there is a resolver from now on that knows one name, and behind it a STUN server. Gives its name and the resolver's
    /// address.
    pub fn serve_stun(&self) -> (String, Ipv4Addr) {
        let at = Ipv4Addr::new(203, 255, 0, 2);
        self.core.serve_names_at(at, at);
        self.core.serve_stun(at, STUN_PORT);
        (format!("stun.test:{STUN_PORT}"), at)
    }

    /// An uplink of a site gets this host number from its provider. Only where each customer is on a wire of its own.
    pub fn readdress(&mut self, site: u8, uplink: u8, host: u8) {
        let address = format!("203.{uplink}.{site}.{host}/24").parse().expect("an address");
        self.sites[usize::from(site) - 1].configure(|document| {
            if let Ipv4Method::Static { address: own, .. } = &mut document.uplinks[usize::from(uplink)].ipv4 {
                *own = address;
            }
        });
    }

    fn add(&mut self, programs: &Path, number: u8) {
        let site = Namespace::new(&format!("site{number}"));
        let mut lines = Vec::new();
        let mut text = format!(
            "version = 1\n[site]\nname = \"site-{number}\"\ntimezone = \"UTC\"\n[clock]\nservers = []\n\
             [lan]\nports = [\"lan0\"]\naddress = \"10.{number}.0.1/16\"\n"
        );
        for (uplink, provider) in (0..).zip(&self.providers) {
            let (near, far, port) =
                (format!("s{number}u{uplink}"), format!("p{number}u{uplink}"), format!("c{number}"));
            site.cable(&format!("eth{uplink}"), &self.wires, &near);
            site.ip(&["link", "set", &format!("eth{uplink}"), "address", &mac(number, uplink)]);
            provider.cable(&port, &self.wires, &far);
            provider.ip(&["link", "set", &port, "up"]);
            match self.wiring {
                Wiring::OneLan => _ = provider.ip(&["link", "set", &port, "master", "sw"]),
                Wiring::Routed => {
                    let gateway = format!("203.{uplink}.{number}.254/24");
                    provider.ip(&["addr", "add", &gateway, "dev", &port]);
                }
            }
            lines.push(Relay::new(&self.wires, &near, &far));
            text += &format!(
                "[[uplink]]\nname = \"provider-{uplink}\"\nport = \"eth{uplink}\"\n[uplink.ipv4.static]\n\
                 address = \"{}/24\"\ngateway = \"{}\"\n",
                self.address(number, uplink),
                self.gateway(number, uplink),
            );
        }
        self.lines.push(lines);
        let document = toml::from_str(&text).expect("a document");
        let whole = Whole::start(programs, number, site, document);
        whole.wait_for_uplinks(self.providers.len());
        self.sites.push(whole);
    }

    fn address(&self, site: u8, uplink: u8) -> String {
        match self.wiring {
            Wiring::OneLan => format!("203.{uplink}.0.{site}"),
            Wiring::Routed => format!("203.{uplink}.{site}.1"),
        }
    }

    fn gateway(&self, site: u8, uplink: u8) -> String {
        match self.wiring {
            Wiring::OneLan => format!("203.{uplink}.0.254"),
            Wiring::Routed => format!("203.{uplink}.{site}.254"),
        }
    }
}

/// What a site's translator has at a provider.
fn outside(site: u8, uplink: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, uplink, site, 99)
}

/// A site's own hardware address at a provider.
fn mac(site: u8, uplink: u8) -> String {
    format!("02:00:00:00:{uplink:02x}:{site:02x}")
}

fn provider(number: u8, core: &Namespace, wiring: Wiring) -> Namespace {
    let provider = router(&format!("isp{number}"));
    let port = format!("isp{number}");
    provider.cable("core", core, &port);
    provider.ip(&["link", "set", "core", "up"]);
    provider.ip(&["addr", "add", &format!("203.255.{number}.1/30"), "dev", "core"]);
    core.ip(&["addr", "add", &format!("203.255.{number}.2/30"), "dev", &port]);
    core.ip(&["route", "add", &format!("203.{number}.0.0/16"), "via", &format!("203.255.{number}.1")]);
    provider.ip(&["route", "add", "default", "via", &format!("203.255.{number}.2")]);
    if wiring == Wiring::OneLan {
        provider.ip(&["link", "add", "sw", "type", "bridge", "mcast_snooping", "0"]);
        provider.ip(&["link", "set", "sw", "up"]);
        provider.ip(&["addr", "add", &format!("203.{number}.0.254/24"), "dev", "sw"]);
    }
    provider
}

fn router(role: &str) -> Namespace {
    let router = Namespace::new(role);
    router.inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("a namespace of our own"));
    router
}

/// A wire says nothing by itself.
fn no_ipv6(namespace: &Namespace) {
    namespace.inside(|| {
        for which in ["all", "default"] {
            let path = format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6");
            std::fs::write(path, "1").expect("a namespace of our own");
        }
    });
}
