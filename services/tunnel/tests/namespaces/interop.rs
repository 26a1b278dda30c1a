//! WireGuard's own implementation in Go at the far end, in both roles.

use std::{
    io::Write,
    process::{Child, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use patronus_ipc::tunnel::{Peer, RemoteSlot, SlotKey};
use patronus_lab::{Namespace, eventually};
use patronus_tunnel::noise::{Boring, Engine as _};
use patronus_types::SiteId;

use crate::lab::{MEGABYTE, Site, prefixes, slot, tcp_between, udp_between};

const OURS: &str = "192.0.2.1";
const THEIRS: &str = "192.0.2.2";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// `wireguard-go` in a namespace, as site 2. Ends when dropped.
struct WireGuardGo {
    namespace: Namespace,
    process: Child,
    key: [u8; 32],
}

impl WireGuardGo {
    /// Knows our key, and where we are if it shall begin.
    fn start(namespace: Namespace, ours: SlotKey, begins: bool) -> Self {
        // Its control socket is in a directory of all namespaces, so the name must be like no other.
        let device = format!("wg{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let private = [0x42; 32];
        let process = namespace
            .command("wireguard-go")
            .args(["-f", &device])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("wireguard-go is installed");
        let there = format!("/var/run/wireguard/{device}.sock");
        eventually("wireguard-go", || std::path::Path::new(&there).exists(), || there.clone());
        let go = Self { namespace, process, key: Boring::new(private).public_key() };
        let mut arguments = vec!["set", &device, "listen-port", "51830", "private-key", "/dev/stdin", "peer"];
        let (ours, endpoint) = (BASE64.encode(ours.0), format!("{OURS}:51830"));
        arguments.extend([ours.as_str(), "allowed-ips", "10.1.0.0/16,fd00:1::/32", "persistent-keepalive", "1"]);
        if begins {
            arguments.extend(["endpoint", &endpoint]);
        }
        let mut set = go.namespace.command("wg").args(&arguments).stdin(Stdio::piped()).spawn().unwrap();
        set.stdin.take().unwrap().write_all(BASE64.encode(private).as_bytes()).unwrap();
        assert!(set.wait().unwrap().success());
        go.namespace.ip(&["addr", "add", "10.2.0.1/32", "dev", &device]);
        go.namespace.ip(&["addr", "add", "fd00:2::1/128", "dev", &device, "nodad"]);
        go.namespace.ip(&["link", "set", &device, "mtu", "1420", "up"]);
        go.namespace.ip(&["route", "add", "10.1.0.0/16", "dev", &device]);
        go.namespace.ip(&["route", "add", "fd00:1::/32", "dev", &device]);
        go
    }

    fn as_peer(&self, begins: bool) -> Peer {
        let endpoints = if begins { vec![] } else { vec![format!("{THEIRS}:51830").parse().unwrap()] };
        let slot = RemoteSlot { slot: slot(0), public_key: SlotKey(self.key), endpoints };
        Peer { site: SiteId([2; 32]), slots: vec![slot], prefixes: prefixes(2), keepalive_s: Some(10) }
    }
}

impl Drop for WireGuardGo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn carries_both_ways(they_begin: bool) {
    let mut site = Site::new(1, &["eth0"]);
    let far = Namespace::new("go");
    site.box_.cable("eth0", &far, "eth0");
    site.box_.ip(&["link", "set", "eth0", "up"]);
    site.box_.ip(&["addr", "add", &format!("{OURS}/24"), "dev", "eth0"]);
    far.ip(&["addr", "add", &format!("{THEIRS}/24"), "dev", "eth0"]);
    site.service.start();
    let go = WireGuardGo::start(far, site.keys(1)[0], they_begin);
    site.apply(1, vec![go.as_peer(they_begin)]);
    let path = &site.wait_up(1)[0];
    assert_eq!(path.received.handshakes, 1, "{path:?}");
    for (from, to, addresses) in
        [(&site.box_, &go.namespace, ["10.2.0.1", "fd00:2::1"]), (&go.namespace, &site.box_, ["10.1.0.1", "fd00:1::1"])]
    {
        for address in addresses {
            udp_between(from, to, address, 64);
            udp_between(from, to, address, 1300);
            tcp_between(from, to, address, 10 * MEGABYTE);
        }
    }
}

#[test]
fn we_begin_and_wireguard_go_answers() {
    carries_both_ways(false);
}

#[test]
fn wireguard_go_begins_and_we_answer() {
    carries_both_ways(true);
}
