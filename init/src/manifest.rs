//! The manifest: what runs, with which rights.
//!
//! *Does*: read `services.toml` into values that are valid: whoever holds a [`Manifest`] need not check it again.
//! *Never does*: fill in a right that is not written down; accept a field that it does not know.
//! *Spec*: `docs/adr/0002-manifest.md`.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use patronus_ipc::Access;
use serde::Deserialize;

mod check;
pub use check::ManifestError;

/// Services of one manifest. Each costs PID 1 a few descriptors and a log ring.
pub const MAX_SERVICES: usize = 32;
/// Highest `files_max`: descriptors from this number on are out of a service's reach (see `sandbox`).
pub const MAX_FILES: u64 = 4000;
/// The least user id of a service: below are root and what other systems give to people and daemons.
pub const LEAST_UID: u32 = 10_000;

/// A valid manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    services: Vec<Service>,
    init_callers: Callers,
}

/// For each calling service the operations that it may call.
pub type Callers = BTreeMap<String, Vec<String>>;

/// One service: what it is and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name: in logs, of its socket, of its state directory, of its cgroup.
    pub name: String,
    /// The program, a static binary on the verified root.
    pub exec: PathBuf,
    /// User and group id, its own.
    pub uid: u32,
    /// Services that are started first. When one of them ends later, this one goes on.
    pub needs: Vec<String>,
    /// Whether a boot counts as good only with this service ready.
    pub critical: bool,
    /// Whether it has a directory `/data/NAME`, mode 0700.
    pub state: bool,
    /// Whether it has a socket `/run/patronus/NAME.sock`.
    pub socket: bool,
    /// Capabilities that it keeps.
    pub capabilities: Vec<Capability>,
    /// Namespaces of its own.
    pub namespaces: Vec<Namespace>,
    /// Groups of system calls that it may make; all others fail with `EPERM`.
    pub syscalls: Vec<SyscallGroup>,
    /// Paths that it sees and may read, with all below, apart from `/etc/patronus` and its own state.
    pub read: Vec<PathBuf>,
    /// Paths that it sees and may also write.
    pub write: Vec<PathBuf>,
    /// TCP ports that it may listen on.
    pub tcp_bind: Vec<u16>,
    /// TCP ports that it may connect to.
    pub tcp_connect: Ports,
    /// Limit of its memory; above, the kernel ends it.
    pub memory_max_bytes: u64,
    /// Limit of its threads.
    pub pids_max: u64,
    /// Share of the processors when they are busy; 100 is the kernel's default, 1 to 10000.
    pub cpu_weight: u64,
    /// Limit of its open descriptors.
    pub files_max: u64,
    /// Ended and started again if not ready within this time.
    pub ready_within_ms: u64,
    /// Killed if it has not ended within this time after it was told to.
    pub stop_within_ms: u64,
    /// Pauses between restarts.
    #[serde(default)]
    pub restart: Restart,
    /// Who may call it.
    #[serde(default)]
    pub callers: Callers,
    /// Root with everything and without a sandbox. For the agent of a test image; never in the manifest that ships.
    #[serde(default)]
    pub unconfined: bool,
}

/// Pauses between the end of a service and its next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// After the first end.
    pub first_ms: u64,
    /// Doubled at each further end, up to this.
    pub most_ms: u64,
    /// A service that was ready for this long begins anew with `first_ms`.
    pub reset_after_ms: u64,
}

impl Default for Restart {
    fn default() -> Self {
        Self { first_ms: 100, most_ms: 60_000, reset_after_ms: 300_000 }
    }
}

/// A namespace that a service can have for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// A file tree that holds only what the manifest gives.
    Mount,
    /// Sees and signals no process but its own.
    Pid,
    /// A host name of its own.
    Uts,
    /// No network device but a loopback that is down.
    Net,
}

/// TCP ports of other machines.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Ports {
    /// These and no others.
    Listed(Vec<u16>),
    /// All: the word `any`.
    All(Any),
}

/// The word `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Any {
    /// Itself.
    Any,
}

/// A named group of system calls; `sandbox::syscalls` has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyscallGroup {
    /// Memory, threads, time, polling, Unix sockets, the end.
    Base,
    /// Reading and writing files.
    Files,
    /// TCP; listening only together with `tcp_bind`.
    Tcp,
    /// UDP, which no list of ports limits.
    Udp,
    /// Netlink, all of it.
    Netlink,
    /// Netlink for devices and routes, without the packet filter.
    Route,
    /// Raw and packet sockets.
    Packet,
    /// Setting the clock.
    ClockSet,
    /// Making TUN devices.
    Tun,
    /// Programs and tables in the kernel.
    Bpf,
}

/// A capability by its name without `CAP_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Capability(pub caps::Capability);

impl TryFrom<String> for Capability {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let unknown = |_| format!("unknown capability \"{name}\": names are like NET_ADMIN");
        caps::Capability::from_str(&format!("CAP_{name}")).map(Self).map_err(unknown)
    }
}

impl FromStr for Manifest {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        let file: File = toml::from_str(text).map_err(|error| ManifestError::Syntax(error.to_string()))?;
        check::check(&file.service, &file.init.callers)?;
        Ok(Self { services: file.service, init_callers: file.init.callers })
    }
}

impl Manifest {
    /// All services in the order of the file.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The access table of a service's own socket.
    #[must_use]
    pub fn access(&self, service: &Service) -> Access {
        self.access_of(&service.callers)
    }

    /// The access table of PID 1's socket.
    #[must_use]
    pub fn init_access(&self) -> Access {
        self.access_of(&self.init_callers)
    }

    /// Positions of the services that `service` needs.
    #[must_use]
    pub fn needs(&self, service: &Service) -> Vec<usize> {
        let position = |need: &String| self.services.iter().position(|other| other.name == *need);
        service.needs.iter().filter_map(position).collect()
    }

    fn access_of(&self, callers: &Callers) -> Access {
        let mut access = Access::default();
        for (caller, operations) in callers {
            if let Some(service) = self.services.iter().find(|service| service.name == *caller) {
                operations.iter().for_each(|operation| access.grant(service.uid, operation));
            }
        }
        access
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    init: InitEntry,
    service: Vec<Service>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InitEntry {
    callers: Callers,
}

#[cfg(test)]
mod tests;
