//! A router as an expert builds one from packages: `wireguard-go` on each uplink, and a daemon that moves the route.
//!
//! *Does*: tunnels, a computer on each LAN, the daemon's configuration.
//! *Never does*: use the machine's own routes or its own daemons.

use std::{
    fs,
    io::Write,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use patronus_lab::{Namespace, eventually};
use patronus_tunnel::noise::{Boring, Engine as _};
use tempfile::TempDir;

use super::lines::{UPLINKS, address, gateway};

const PORT: u16 = 51_830;
static NUMBER: AtomicU32 = AtomicU32::new(0);
/// babeld tells nobody when it is ready: longer than four of its hellos.
const BABEL_SETTLES: Duration = Duration::from_secs(20);

/// What moves the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Daemon {
    /// bird2: static routes, each as long as BFD (20 ms, three times) hears the other end.
    BirdBfd,
    /// babeld as it comes, but for the type of its interfaces.
    Babel,
}

/// Two such routers.
pub(super) struct Rival {
    daemon: Daemon,
    // Programs end before their namespaces.
    programs: Vec<Running>,
    dir: TempDir,
    pub(super) hosts: [Namespace; 2],
    sites: [Namespace; 2],
}

/// A program of ours to end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Rival {
    /// With cables in place, `eth0` and so on.
    pub(super) fn start(sites: [Namespace; 2], daemon: Daemon) -> Result<Self> {
        let hosts = [1, 2].map(|site| Namespace::new(&format!("host{site}")));
        let mut rival = Self { daemon, programs: Vec::new(), dir: TempDir::new()?, hosts, sites };
        for number in [1, 2] {
            rival.start_site(number)?;
        }
        for number in [1, 2] {
            rival.start_daemon(number)?;
        }
        rival.settle()?;
        Ok(rival)
    }

    fn start_site(&mut self, number: u8) -> Result<()> {
        let (site, host) = (self.site(number)?, self.hosts.get(usize::from(number) - 1).context("a host")?);
        site.inside(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?;
        site.cable("lan0", host, "eth0");
        site.ip(&["link", "set", "lan0", "up"]);
        site.ip(&["addr", "add", &format!("10.{number}.0.1/16"), "dev", "lan0"]);
        host.ip(&["addr", "add", &format!("10.{number}.0.2/16"), "dev", "eth0"]);
        host.ip(&["route", "add", "default", "via", &format!("10.{number}.0.1")]);
        let mut programs = Vec::new();
        for uplink in 0..UPLINKS {
            programs.push(tunnel(site, number, uplink)?);
        }
        self.programs.extend(programs);
        Ok(())
    }

    fn start_daemon(&mut self, number: u8) -> Result<()> {
        let site = self.site(number)?;
        let file = |name: &str| self.dir.path().join(format!("{name}{number}")).display().to_string();
        let (config, socket, pid) = (file("conf"), file("socket"), file("pid"));
        let mut command;
        match self.daemon {
            Daemon::BirdBfd => {
                fs::write(&config, bird(number))?;
                command = site.command("bird");
                command.args(["-f", "-c", &config, "-s", &socket, "-P", &pid]);
            }
            Daemon::Babel => {
                fs::write(&config, babel(number))?;
                command = site.command("babeld");
                command.args(["-c", &config, "-I", &pid, "-S", &file("state")]);
            }
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let routes =
            site.command("ip").args(["-o", "monitor", "route"]).stdout(fs::File::create(file("routes"))?).spawn()?;
        self.programs.extend([Running(child), Running(routes)]);
        Ok(())
    }

    fn site(&self, number: u8) -> Result<&Namespace> {
        self.sites.get(usize::from(number) - 1).context("a site")
    }

    /// Waits until both tunnels of both sites count as good.
    pub(super) fn settle(&self) -> Result<()> {
        if self.daemon == Daemon::Babel {
            sleep(BABEL_SETTLES);
            return Ok(());
        }
        for number in [1, 2] {
            let socket = self.dir.path().join(format!("socket{number}"));
            let said = || {
                let output = Command::new("birdc").arg("-s").arg(&socket).args(["show", "bfd", "sessions"]).output();
                output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
            };
            let up = || said().lines().filter(|line| line.contains(" Up ")).count() == usize::from(UPLINKS);
            eventually("BFD sessions are up", up, said);
        }
        Ok(())
    }

    /// How often a route to the other site was changed, at both.
    pub(super) fn moves(&self) -> Result<u64> {
        let mut moves = 0;
        for (number, other) in [(1, 2), (2, 1)] {
            let seen = fs::read_to_string(self.dir.path().join(format!("routes{number}")))?;
            let lan = format!("10.{other}.0.0/16");
            // A move is one deletion and one addition, or one replacement.
            moves += seen.lines().filter(|line| line.contains(&lan) && !line.starts_with("Deleted")).count() as u64;
        }
        Ok(moves)
    }
}

/// A tunnel over one uplink, with an address at both ends.
fn tunnel(site: &Namespace, number: u8, uplink: u8) -> Result<Running> {
    let other = 3 - number;
    let (port, device) = (format!("eth{uplink}"), format!("wg{uplink}"));
    site.ip(&["link", "set", &port, "up"]);
    site.ip(&["addr", "add", &format!("{}/24", address(number, uplink)), "dev", &port]);
    let there = format!("203.{uplink}.{other}.0/24");
    site.ip(&["route", "add", &there, "via", &gateway(number, uplink), "dev", &port]);
    // Control sockets of all namespaces lie in one directory.
    let name = format!("b{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut command = site.command("wireguard-go");
    let child = Running(command.args(["-f", &name]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    let socket = format!("/var/run/wireguard/{name}.sock");
    eventually("wireguard-go listens", || fs::exists(&socket).unwrap_or(false), String::new);
    let key = BASE64.encode(Boring::new(private(other, uplink)).public_key());
    let endpoint = format!("{}:{}", address(other, uplink), PORT + u16::from(uplink));
    let listen = (PORT + u16::from(uplink)).to_string();
    let mut wg = site.command("wg");
    wg.args(["set", &name, "listen-port", &listen, "private-key", "/dev/stdin", "peer", &key]);
    wg.args(["allowed-ips", "0.0.0.0/0,::/0", "persistent-keepalive", "5", "endpoint", &endpoint]);
    let mut set = wg.stdin(Stdio::piped()).spawn()?;
    set.stdin.take().context("no way to tell the key")?.write_all(BASE64.encode(private(number, uplink)).as_bytes())?;
    ensure!(set.wait()?.success(), "wg refuses");
    site.ip(&["link", "set", &name, "name", &device]);
    site.ip(&["addr", "add", &format!("10.99.{uplink}.{number}/30"), "dev", &device]);
    site.ip(&["addr", "add", &format!("fe80::{number}/64"), "dev", &device]);
    site.ip(&["link", "set", &device, "mtu", "1420", "up"]);
    Ok(child)
}

const fn private(site: u8, uplink: u8) -> [u8; 32] {
    [site * 16 + uplink; 32]
}

/// The first tunnel is preferred, as long as BFD hears the other end by it.
fn bird(number: u8) -> String {
    let other = 3 - number;
    let route = |uplink: u8| {
        format!(
            "protocol static {{ ipv4 {{ preference {}; }}; route 10.{other}.0.0/16 via 10.99.{uplink}.{other} bfd; }}\n",
            200 - uplink
        )
    };
    format!(
        "router id 10.{number}.0.1;
        protocol device {{ }}
        protocol kernel {{ ipv4 {{ export all; import none; }}; }}
        protocol bfd {{ interface \"wg*\" {{
            min rx interval 20 ms; min tx interval 20 ms; idle tx interval 100 ms; multiplier 3;
        }}; }}
        {}",
        (0..UPLINKS).map(route).collect::<String>()
    )
}

fn babel(number: u8) -> String {
    let interfaces: String = (0..UPLINKS).map(|uplink| format!("interface wg{uplink} type wired\n")).collect();
    format!("{interfaces}redistribute ip 10.{number}.0.0/16 allow\nredistribute local deny\n")
}
