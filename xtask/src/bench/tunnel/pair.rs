//! Two sites with a tunnel between them, by one implementation.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use patronus_lab::{Far, Implementation as WireGuardOf, Namespace, Site, WireGuard, site::two_with_a_tunnel};
use patronus_tunnel::noise::{Boring, Engine};
use rustix::param::clock_ticks_per_second;

/// The near and the far site's address in the tunnel.
pub(super) const NEAR: &str = "10.1.0.1";
pub(super) const FAR: &str = "10.2.0.1";
const PORT: u16 = 51830;

/// A program that makes a tunnel.
#[derive(Debug)]
pub(super) struct Implementation {
    name: &'static str,
    program: PathBuf,
    /// What stands before the device's name; `None` for ours, which is set up otherwise.
    arguments: Option<&'static [&'static str]>,
}

impl Implementation {
    pub(super) fn ours(program: PathBuf) -> Self {
        Self { name: "patronus", program, arguments: None }
    }

    pub(super) fn wireguard_go(program: &Path) -> Self {
        Self { name: "wireguard-go", program: program.to_owned(), arguments: Some(&["-f"]) }
    }

    pub(super) fn boringtun_cli(program: &Path) -> Self {
        Self {
            name: "boringtun-cli",
            program: program.to_owned(),
            arguments: Some(&["--disable-drop-privileges", "-f"]),
        }
    }

    pub(super) fn gotatun(program: &Path) -> Self {
        Self { name: "gotatun", program: program.to_owned(), arguments: Some(&["--disable-drop-privileges", "-f"]) }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}

/// What keeps the two ends running.
#[derive(Debug)]
enum Ends {
    Ours(Box<(Site, Site)>),
    Rival { sites: (Namespace, Namespace), programs: (WireGuard, WireGuard) },
}

/// The two sites.
#[derive(Debug)]
pub(super) struct Pair(Ends);

impl Pair {
    /// Starts both ends and waits until there is a session.
    pub(super) fn start(implementation: &Implementation) -> Result<Self> {
        let Some(arguments) = implementation.arguments else {
            return Ok(Self(Ends::Ours(Box::new(two_with_a_tunnel(&implementation.program)))));
        };
        let sites = (Namespace::new("near"), Namespace::new("far"));
        sites.0.cable("eth0", &sites.1, "eth0");
        sites.0.ip(&["link", "set", "eth0", "up"]);
        for (site, number) in [(&sites.0, 1), (&sites.1, 2)] {
            site.ip(&["addr", "add", &format!("192.0.2.{number}/24"), "dev", "eth0"]);
            site.ip(&["addr", "add", &format!("10.{number}.0.1/32"), "dev", "lo"]);
        }
        let program = implementation.program.to_str().context("a path of the rival that is no text")?;
        let command: Vec<&str> = std::iter::once(program).chain(arguments.iter().copied()).collect();
        let start = |own: &Namespace, number: u8, other: u8| {
            let far = Far {
                key: Boring::new([other; 32]).public_key(),
                endpoint: Some(([192, 0, 2, other], PORT).into()),
                prefixes: vec![format!("10.{other}.0.0/16")],
            };
            WireGuard::start(own, WireGuardOf::Program(&command), [number; 32], PORT, &far)
        };
        let programs = (start(&sites.0, 1, 2), start(&sites.1, 2, 1));
        Ok(Self(Ends::Rival { sites, programs }))
    }

    pub(super) fn near(&self) -> &Namespace {
        match &self.0 {
            Ends::Ours(sites) => &sites.0.namespace,
            Ends::Rival { sites, .. } => &sites.0,
        }
    }

    pub(super) fn far(&self) -> &Namespace {
        match &self.0 {
            Ends::Ours(sites) => &sites.1.namespace,
            Ends::Rival { sites, .. } => &sites.1,
        }
    }

    /// Processor time that both ends have used, in seconds.
    pub(super) fn cpu_s(&self) -> Result<f64> {
        let pids = match &self.0 {
            Ends::Ours(sites) => [sites.0.service.pid(), sites.1.service.pid()],
            Ends::Rival { programs, .. } => [programs.0.pid(), programs.1.pid()],
        };
        let mut seconds = 0.0;
        for pid in pids {
            seconds += cpu_s(pid.context("an end that does not run")?)?;
        }
        Ok(seconds)
    }
}

/// User and system time of a process (proc_pid_stat(5), fields 14 and 15).
fn cpu_s(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no process statistics")?;
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / clock_ticks_per_second() as f64)
}
