//! The state of the box as page and API show it: one shape for both.
//!
//! *Does*: bring together what the other services said.
//! *Never does*: ask anybody; hold secrets.

pub(crate) mod carried;
pub(crate) mod dry_run;
pub(crate) mod flows;
pub(crate) mod quality;
pub(crate) mod routing;
pub(crate) mod sdwan;
pub(crate) mod topology;

use std::collections::BTreeMap;

use patronus_ipc::{clock, config, init, link, mesh, prober, tunnel};
use serde::Serialize;

/// Everything that `/api/status` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// Name of the site.
    pub site: String,
    /// Who the site is in its network.
    pub site_id: String,
    /// For times shown to people.
    pub timezone: String,
    /// Generation of the running configuration.
    pub generation: u64,
    /// Set while that configuration is on trial.
    pub trial: Option<Trial>,
    /// The machine; `null` if PID 1 did not answer.
    pub machine: Option<Machine>,
    /// How good the time is; `null` if `clock` did not answer.
    pub time: Option<Time>,
    /// Where this site stands among the others; `null` if `mesh` did not answer.
    pub network: Option<sdwan::Summary>,
    /// Ways out.
    pub uplinks: Vec<Uplink>,
    /// Ethernet ports.
    pub ports: Vec<Port>,
    /// The LAN's addresses.
    pub lan: Vec<String>,
    /// The front door.
    pub front_door: FrontDoor,
}

/// A configuration that goes away by itself.
#[derive(Debug, Serialize)]
pub(crate) struct Trial {
    /// What comes back.
    pub falls_back_to: u64,
    /// When.
    pub seconds_left: u64,
}

/// The machine.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// Version of the image.
    pub version: String,
    /// Kernel release.
    pub kernel: String,
    /// Which root runs: `a` or `b`.
    pub slot: init::Slot,
    /// Root hash of the verity tree.
    pub root_hash: String,
    /// Whether the recovery entry runs.
    pub recovery: bool,
    /// Random id of this boot.
    pub boot_id: String,
    /// Why the boot before ended early.
    pub last_failure: Option<String>,
    /// Time since the kernel started.
    pub uptime_s: u64,
    /// The data partition.
    pub data: init::Data,
    /// Memory in use.
    pub memory: init::Memory,
    /// The watchdog that is fed.
    pub watchdog: Option<String>,
    /// Every service of the manifest.
    pub services: Vec<init::Service>,
    /// Every process.
    pub processes: Vec<init::Process>,
}

/// How good the time is.
#[derive(Debug, Serialize)]
pub(crate) struct Time {
    /// Seconds since 1970, by the box.
    pub unix_s: i64,
    /// Whether a server was heard recently.
    pub synchronised: bool,
    /// Which.
    pub server: Option<String>,
    /// What was wrong at the last correction.
    pub offset_us: Option<i64>,
    /// Its stratum.
    pub stratum: Option<u8>,
}

/// A way out.
#[derive(Debug, Serialize)]
pub(crate) struct Uplink {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: String,
    /// Whether the cable is live.
    pub carrier: bool,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// The provider's routers.
    pub gateways: Vec<String>,
    /// Resolvers.
    pub dns: Vec<String>,
    /// State of the DHCP client, such as `BOUND`.
    pub lease_state: Option<String>,
    /// Who gave the lease.
    pub lease_server: Option<String>,
    /// When it ends.
    pub lease_seconds_left: Option<u64>,
    /// What keeps it from working.
    pub problem: Option<String>,
}

/// An Ethernet port.
#[derive(Debug, Serialize)]
pub(crate) struct Port {
    /// The kernel's name.
    pub name: String,
    /// Its burned-in address.
    pub mac: String,
    /// Its driver.
    pub driver: String,
    /// What it is used for.
    pub role: link::Role,
    /// Whether the cable is live.
    pub carrier: bool,
    /// Its speed.
    pub speed_mbps: Option<u32>,
}

/// The front door.
#[derive(Debug, Serialize)]
pub(crate) struct FrontDoor {
    /// Connections now.
    pub connections: usize,
    /// Sessions now.
    pub sessions: usize,
    /// What was refused how often, by name.
    pub refusals: BTreeMap<&'static str, u64>,
}

/// What goes into a status, as it was said.
#[derive(Debug)]
pub(crate) struct Facts<'f> {
    /// By `config`.
    pub config: &'f config::State,
    /// By `link`.
    pub links: &'f link::State,
    /// By `clock`.
    pub clock: Option<&'f clock::State>,
    /// By PID 1.
    pub machine: Option<init::Status>,
    /// By `mesh`.
    pub network: Option<&'f mesh::State>,
    /// By `tunnel`.
    pub tunnels: Option<&'f tunnel::State>,
    /// How good its paths are.
    pub measured: Option<&'f prober::State>,
    /// The front door.
    pub front_door: FrontDoor,
    /// `CLOCK_BOOTTIME` now.
    pub uptime_ms: u64,
    /// Seconds since 1970 now.
    pub unix_s: i64,
}

/// Brings the facts together.
#[must_use]
pub(crate) fn status(facts: Facts<'_>) -> Status {
    let claimed = facts.config.claimed.as_ref();
    let seconds_to = |deadline_ms: u64| deadline_ms.saturating_sub(facts.uptime_ms).div_ceil(1000);
    Status {
        site: claimed.map(|claimed| claimed.document.site.name.to_string()).unwrap_or_default(),
        site_id: claimed.map(|claimed| claimed.site_id.to_string()).unwrap_or_default(),
        timezone: claimed.map_or_else(|| "UTC".to_owned(), |claimed| claimed.document.site.timezone.to_string()),
        generation: facts.config.generation.0,
        trial: claimed.and_then(|claimed| claimed.trial).map(|trial| Trial {
            falls_back_to: trial.falls_back_to.0,
            seconds_left: seconds_to(trial.deadline_uptime_ms),
        }),
        machine: facts.machine.map(machine),
        time: facts.clock.map(|clock| time(clock, facts.unix_s)),
        network: facts.network.map(|network| sdwan::summary(network, facts.tunnels, facts.measured)),
        uplinks: facts.links.uplinks.iter().map(|uplink| view_uplink(uplink, seconds_to)).collect(),
        ports: ports(facts.links),
        lan: facts.links.lan.addresses.iter().map(ToString::to_string).collect(),
        front_door: facts.front_door,
    }
}

/// The ports alone.
#[must_use]
pub(crate) fn ports(links: &link::State) -> Vec<Port> {
    let view = |port: &link::Port| Port {
        name: port.name.to_string(),
        mac: port.mac.to_string(),
        driver: port.driver.clone(),
        role: port.role,
        carrier: port.carrier,
        speed_mbps: port.speed_mbps,
    };
    links.ports.iter().map(view).collect()
}

fn machine(status: init::Status) -> Machine {
    Machine {
        version: status.version,
        kernel: status.kernel,
        slot: status.boot.slot,
        root_hash: status.boot.root_hash,
        recovery: status.boot.recovery,
        boot_id: status.boot.boot_id,
        last_failure: status.boot.last_failure,
        uptime_s: status.uptime_ms / 1000,
        data: status.data,
        memory: status.memory,
        watchdog: status.watchdog,
        services: status.services,
        processes: status.processes,
    }
}

fn time(clock: &clock::State, unix_s: i64) -> Time {
    Time {
        unix_s,
        synchronised: clock.synchronised,
        server: clock.server.clone(),
        offset_us: clock.offset_us,
        stratum: clock.stratum,
    }
}

fn view_uplink(uplink: &link::Uplink, seconds_to: impl Fn(u64) -> u64) -> Uplink {
    let lease = uplink.lease.as_ref();
    Uplink {
        name: uplink.name.to_string(),
        port: uplink.port.to_string(),
        carrier: uplink.carrier,
        addresses: uplink.addresses.iter().map(ToString::to_string).collect(),
        gateways: uplink.gateways.iter().map(ToString::to_string).collect(),
        dns: uplink.dns.iter().map(ToString::to_string).collect(),
        lease_state: lease.map(|lease| lease.state.clone()),
        lease_server: lease.and_then(|lease| lease.server).map(|server| server.to_string()),
        lease_seconds_left: lease.and_then(|lease| lease.expires_uptime_ms).map(seconds_to),
        problem: uplink.problem.clone(),
    }
}
