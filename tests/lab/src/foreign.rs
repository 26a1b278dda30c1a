//! A site at which another implementation of WireGuard runs, on a cable to one of ours.
//!
//! *Does*: the cable, both addresses, keys and prefixes on both ends, until there is a session.
//! *Never does*: more than one path.

use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use patronus_ipc::tunnel::{Peer, RemoteSlot, SlotKey};
use patronus_types::SiteId;

use crate::{
    Far, Implementation, Namespace, Site, WireGuard,
    site::{prefixes, slot},
};

/// Our end of the cable.
pub const OURS: &str = "192.0.2.1";
/// The far end.
pub const THEIRS: &str = "192.0.2.2";
/// Of both ends.
const PORT: u16 = 51830;
/// The far end's private key.
const PRIVATE: [u8; 32] = [0x42; 32];

/// The far end: site 2, with the first address of each of its prefixes for itself.
#[derive(Debug)]
pub struct Foreign {
    /// Where it lives.
    pub namespace: Namespace,
    end: WireGuard,
}

impl Foreign {
    /// Facing our site 1, which has the uplink `eth0` and does not run yet. Who is to begin is told where the other one is.
    ///
    /// # Panics
    /// If there is no session.
    #[must_use]
    pub fn facing(ours: &mut Site, implementation: Implementation<'_>, they_begin: bool) -> Self {
        let namespace = Namespace::new("foreign");
        ours.namespace.cable("eth0", &namespace, "eth0");
        ours.namespace.ip(&["link", "set", "eth0", "up"]);
        ours.namespace.ip(&["addr", "add", &format!("{OURS}/24"), "dev", "eth0"]);
        namespace.ip(&["addr", "add", &format!("{THEIRS}/24"), "dev", "eth0"]);
        namespace.ip(&["addr", "add", "10.2.0.1/32", "dev", "lo"]);
        namespace.ip(&["addr", "add", "fd00:2::1/128", "dev", "lo", "nodad"]);
        ours.service.start();
        let here = Far {
            key: ours.keys(1)[0].0,
            endpoint: they_begin.then(|| at(OURS)),
            prefixes: prefixes(1).iter().map(ToString::to_string).collect(),
        };
        let end = WireGuard::start(&namespace, implementation, PRIVATE, PORT, &here);
        ours.apply(1, vec![as_peer(if they_begin { Vec::new() } else { vec![at(THEIRS)] })]);
        ours.wait_up(1);
        Self { namespace, end }
    }

    /// It moves to another port.
    ///
    /// # Panics
    /// If it refuses.
    pub fn listen_on(&self, port: u16) {
        let port = port.to_string();
        let mut wg = self.namespace.command("wg");
        assert!(wg.args(["set", self.end.device(), "listen-port", &port]).status().unwrap().success());
    }

    /// Where it believes ours to be.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let output = self.namespace.command("wg").args(["show", self.end.device(), "endpoints"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().nth(1).unwrap_or_default().to_owned()
    }
}

fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), PORT)
}

/// The far end as our `mesh` would tell of it.
fn as_peer(endpoints: Vec<SocketAddr>) -> Peer {
    let slots = vec![RemoteSlot { slot: slot(0), public_key: SlotKey(public_key()), endpoints }];
    Peer { site: SiteId([2; 32]), slots, prefixes: prefixes(2), keepalive_s: Some(10) }
}

fn public_key() -> [u8; 32] {
    let mut wg = Command::new("wg").arg("pubkey").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    wg.stdin.take().unwrap().write_all(BASE64.encode(PRIVATE).as_bytes()).unwrap();
    let said = wg.wait_with_output().unwrap().stdout;
    BASE64.decode(said.trim_ascii()).unwrap().try_into().unwrap()
}
