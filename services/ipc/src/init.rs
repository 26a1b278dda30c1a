//! What PID 1 answers: what runs, what was logged, and the ways to stop the machine.

use serde::{Deserialize, Serialize};

use crate::{Operation, Protocol};

/// PID 1's protocol.
#[derive(Debug)]
pub struct Init;

impl Protocol for Init {
    const SERVICE: &'static str = "init";
    type Request = Request;
    type Reply = Reply;
}

/// What may be asked of PID 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Everything that PID 1 knows of the machine, now.
    Status,
    /// Log lines of one source, or of all, in the order in which they were written.
    Logs {
        /// `kernel`, `init`, or a service's name; `None` for all.
        source: Option<String>,
        /// Only lines with a higher sequence number.
        after: u64,
        /// At most this many lines, the newest ones; PID 1 has its own limit too.
        limit: u32,
    },
    /// What the screen and serial console shall show beside PID 1's own facts.
    ShowConsole(ConsoleFacts),
    /// Stop everything in order, unmount, restart the machine through its firmware.
    Reboot,
    /// Stop everything in order, unmount, switch off.
    PowerOff,
}

impl Operation for Request {
    fn operation(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Logs { .. } => "logs",
            Self::ShowConsole(_) => "show-console",
            Self::Reboot => "reboot",
            Self::PowerOff => "power-off",
        }
    }
}

/// What PID 1 answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Logs`].
    Logs(LogPage),
    /// The rest: it will be done.
    Accepted,
}

/// The machine as PID 1 sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the image, such as `0.1.0`.
    pub version: String,
    /// Kernel release, such as `6.12.117-patronus`.
    pub kernel: String,
    /// How this boot came about.
    pub boot: Boot,
    /// Time since the kernel started, in milliseconds.
    pub uptime_ms: u64,
    /// Every service of the manifest, in its order.
    pub services: Vec<Service>,
    /// The data partition.
    pub data: Data,
    /// Memory of the machine.
    pub memory: Memory,
    /// Every process of user space, PID 1 first.
    pub processes: Vec<Process>,
    /// The watchdog device's name (`identity`), if one is fed.
    pub watchdog: Option<String>,
}

/// How this boot came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The kernel's random id of this boot.
    pub boot_id: String,
    /// Which root runs.
    pub slot: Slot,
    /// Root hash of the verity tree, hexadecimal.
    pub root_hash: String,
    /// Whether the recovery entry was started instead of a slot's own.
    pub recovery: bool,
    /// Why the boot before this one ended early, if it did and left word.
    pub last_failure: Option<String>,
}

/// One of the two root partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Root A.
    A,
    /// Root B.
    B,
}

/// A service as the supervisor sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Name in the manifest.
    pub name: String,
    /// What it is doing.
    pub state: ServiceState,
    /// Process id, while it has a process.
    pub pid: Option<u32>,
    /// User id it runs as.
    pub uid: u32,
    /// Starts after the first one.
    pub restarts: u32,
    /// Memory of its cgroup, in bytes.
    pub memory_bytes: u64,
    /// How it ended last time, such as `killed by signal 9`.
    pub last_exit: Option<String>,
}

/// What a service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// Waits for the services it needs.
    Waiting,
    /// Has a process, is not ready yet.
    Starting,
    /// Said that it is ready.
    Ready,
    /// Ended; will be started again when its back-off is over.
    BackOff,
    /// Told to stop.
    Stopping,
    /// Stopped for good, because the machine stops.
    Stopped,
}

/// The data partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// How it was found at this boot.
    pub state: DataState,
    /// Size of the file system in bytes.
    pub size_bytes: u64,
    /// What is free of it.
    pub free_bytes: u64,
}

/// How the data partition was found at this boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataState {
    /// As it was left, perhaps after replaying its journal.
    Clean,
    /// Made for the first time.
    Made,
    /// Damaged; what could be read was carried over into a new file system.
    Repaired {
        /// What was found, for people.
        reason: String,
    },
    /// Damaged beyond repair: set aside, and made anew.
    SetAside {
        /// What was found, for people.
        reason: String,
    },
    /// No partition that could be used: state is in memory and ends with this boot.
    Volatile {
        /// What was found, for people.
        reason: String,
    },
}

/// Memory of the machine in bytes (`/proc/meminfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemTotal - MemAvailable`.
    pub used_bytes: u64,
}

/// One process of user space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Parent's process id.
    pub parent: u32,
    /// Name (`comm`).
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
}

/// Log lines, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// Ask again with this as `after`.
    pub next_after: u64,
}

/// One log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Position among all lines of this boot, from 1.
    pub sequence: u64,
    /// Time since the kernel started, in milliseconds.
    pub uptime_ms: u64,
    /// `kernel`, `init`, or a service's name.
    pub source: String,
    /// The text, without control characters, cut at a limit.
    pub text: String,
}

/// What `web` wants people in front of the machine to see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleFacts {
    /// Name of the site, once it has one.
    pub site: Option<String>,
    /// Addresses of the page, such as `https://192.168.42.1/`.
    pub urls: Vec<String>,
    /// SHA-256 of the page's certificate, as browsers show it.
    pub fingerprint: String,
    /// Shown only while the box is unclaimed.
    pub claim_code: Option<String>,
}
