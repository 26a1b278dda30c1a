//! Another implementation of WireGuard, set up with `wg`: that of the kernel, or a program such as `wireguard-go`.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Child, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::{Namespace, eventually};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Whose.
#[derive(Clone, Copy, Debug)]
pub enum Implementation<'a> {
    /// The running kernel's, if it has one.
    Kernel,
    /// A program and its arguments; the device's name comes behind them.
    Program(&'a [&'a str]),
}

/// One end, with one peer. Ends when dropped.
#[derive(Debug)]
pub struct WireGuard {
    device: String,
    process: Option<Child>,
}

/// The other end, as this one is told of it.
#[derive(Clone, Debug)]
pub struct Far {
    /// Its public key.
    pub key: [u8; 32],
    /// Where it is, if this end shall begin.
    pub endpoint: Option<SocketAddr>,
    /// Its prefixes.
    pub prefixes: Vec<String>,
}

impl WireGuard {
    /// Makes a device in a namespace that listens on `port`.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn start(namespace: &Namespace, whose: Implementation<'_>, private: [u8; 32], port: u16, far: &Far) -> Self {
        // A program's control socket is in a directory of all namespaces, so the name must be like no other.
        let device = format!("wg{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let process = match whose {
            Implementation::Kernel => {
                namespace.ip(&["link", "add", &device, "type", "wireguard"]);
                None
            }
            Implementation::Program(program) => Some(run(namespace, program, &device)),
        };
        let end = Self { device, process };
        let (port, key, prefixes) = (port.to_string(), BASE64.encode(far.key), far.prefixes.join(","));
        let mut arguments = vec!["set", &end.device, "listen-port", &port, "private-key", "/dev/stdin", "peer", &key];
        arguments.extend(["allowed-ips", &prefixes, "persistent-keepalive", "1"]);
        let endpoint = far.endpoint.map(|endpoint| endpoint.to_string());
        arguments.extend(endpoint.iter().flat_map(|endpoint| ["endpoint", endpoint]));
        let mut set = namespace.command("wg").args(&arguments).stdin(Stdio::piped()).spawn().unwrap();
        set.stdin.take().unwrap().write_all(BASE64.encode(private).as_bytes()).unwrap();
        assert!(set.wait().unwrap().success(), "wg {arguments:?}");
        namespace.ip(&["link", "set", &end.device, "mtu", "1420", "up"]);
        for prefix in &far.prefixes {
            namespace.ip(&["route", "add", prefix, "dev", &end.device]);
        }
        end
    }

    /// Its process, if it is a program.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// The name of its device.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }
}

fn run(namespace: &Namespace, program: &[&str], device: &str) -> Child {
    let (name, arguments) = program.split_first().unwrap();
    let mut command = namespace.command(name);
    command.args(arguments).arg(device).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
    let there = control_socket(device);
    eventually(name, || Path::new(&there).exists(), || there.clone());
    process
}

fn control_socket(device: &str) -> String {
    format!("/var/run/wireguard/{device}.sock")
}

impl Drop for WireGuard {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
            let _ = std::fs::remove_file(control_socket(&self.device));
        }
    }
}
