//! What `link` answers: ports, uplinks and the LAN as they are now.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use patronus_types::{Generation, IpNet, MacAddr, PortName, UplinkName};
use serde::{Deserialize, Serialize};

use crate::Protocol;
/// What may be asked of `link`.
pub use crate::WatchOnly as Request;

/// `link`'s protocol.
#[derive(Debug)]
pub struct Link;

impl Protocol for Link {
    const SERVICE: &'static str = "link";
    type Request = Request;
    type Reply = State;

    fn is_set(snapshot: &State) -> bool {
        snapshot.generation != Generation::default()
    }
}

/// Ports, uplinks and the LAN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Grows with every change since `link` started; 0 before its first look, which nobody follows.
    pub generation: Generation,
    /// All Ethernet ports, in the order of their place in the machine.
    pub ports: Vec<Port>,
    /// The uplinks of the configuration (or of first boot), in slot order.
    pub uplinks: Vec<Uplink>,
    /// The LAN.
    pub lan: Lan,
    /// DHCP messages that were not used, by reason, as of the last look at the kernel.
    pub rejected: BTreeMap<String, u64>,
}

/// An Ethernet port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The kernel's name.
    pub name: PortName,
    /// Its burned-in address.
    pub mac: MacAddr,
    /// Driver, such as `igc`.
    pub driver: String,
    /// What it is used for now.
    pub role: Role,
    /// Whether a cable with a live far end is plugged in.
    pub carrier: bool,
    /// Speed in Mb/s, if the driver tells.
    pub speed_mbps: Option<u32>,
}

/// What a port is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// An uplink.
    Wan,
    /// A member of the LAN bridge.
    Lan,
    /// Neither; up, so that its cable is seen, and silent.
    Unused,
}

/// An uplink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink {
    /// Its name.
    pub name: UplinkName,
    /// Its port.
    pub port: PortName,
    /// Whether a cable with a live far end is plugged in.
    pub carrier: bool,
    /// Its addresses, IPv4 first.
    pub addresses: Vec<IpNet>,
    /// The provider's routers, IPv4 first.
    pub gateways: Vec<IpAddr>,
    /// Resolvers learned or given.
    pub dns: Vec<IpAddr>,
    /// Time servers learned by DHCP (option 42).
    pub ntp: Vec<Ipv4Addr>,
    /// DHCP, if it is used.
    pub lease: Option<Lease>,
    /// What keeps it from working and what to do about it, for people.
    pub problem: Option<String>,
}

/// A DHCP lease, or the way to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The client's state by its name in RFC 2131 figure 5, such as `BOUND`.
    pub state: String,
    /// Who gave it.
    pub server: Option<Ipv4Addr>,
    /// When it ends, on the monotonic clock of this boot (`CLOCK_BOOTTIME`), in milliseconds.
    pub expires_uptime_ms: Option<u64>,
}

/// The LAN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lan {
    /// Name of the bridge, once it is there.
    pub device: Option<PortName>,
    /// The box's addresses that are really on the bridge.
    pub addresses: Vec<IpNet>,
}
