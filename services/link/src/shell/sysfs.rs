//! What the kernel tells through `/sys` and `/proc/sys` and not through netlink.
//!
//! *Does*: a port's place, driver and speed; its IPv6 settings, read and written.
//! *Never does*: write anything but what [`forward`], [`take_translated`] and [`reserve`] say, and what [`set_ipv6_mode`] writes below
//! `/proc/sys/net/ipv6/conf/DEVICE`.
//! *Spec*: Linux `Documentation/networking/ip-sysctl.rst`.

use std::{fs, io, path::Path};

use patronus_link::{limit, network::Ipv6Mode};
use patronus_types::PortRange;

/// What makes a router of a host.
const FORWARDING: [&str; 2] = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];

const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// Where IPv6 is spoken, in any mode: an address of its own made from the Ethernet address (`init` has set the default to none), told to all
/// neighbours once it is checked, and not more of them than this service looks at.
const SPEAKING: [(&str, u32); 3] =
    [("addr_gen_mode", 0), ("ndisc_notify", 1), ("max_addresses", limit::KERNEL_ADDRESSES)];

/// Makes the kernel route. What it may route, the packet filter says, which must be there before.
pub(crate) fn forward() -> io::Result<()> {
    FORWARDING.iter().try_for_each(|setting| {
        // Written again, the same would make the kernel forget the routers that it knows.
        let is_set = fs::read_to_string(setting)?.trim() == "1";
        if is_set { Ok(()) } else { fs::write(setting, "1") }
    })
}

/// Lets packets in by this bridge that have an address of the box as their source: those that the datapath has translated there. The packet
/// filter, which must be there before, drops all others.
pub(crate) fn take_translated(bridge: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/net/ipv4/conf/{bridge}/accept_local"), "1")
}

/// Ports that the kernel gives to no socket that did not ask for one: they are forwarded.
pub(crate) fn reserve(ports: &[PortRange]) -> io::Result<()> {
    let ports: Vec<String> = ports.iter().map(PortRange::to_string).collect();
    // The kernel takes a line, also for none.
    fs::write(RESERVED, ports.join(",") + "\n")
}

/// Where the port sits, by bus address; empty for virtual ports.
pub(crate) fn path(device: &str) -> String {
    let link = fs::canonicalize(format!("/sys/class/net/{device}/device")).unwrap_or_default();
    let path = link.strip_prefix("/sys/devices").unwrap_or(Path::new("")).to_string_lossy().into_owned();
    if path.is_empty() {
        return path;
    }
    // Ports of one card share its address and have numbers of their own.
    let number = fs::read_to_string(format!("/sys/class/net/{device}/dev_port")).unwrap_or_default();
    format!("{path}#{:0>3}", number.trim())
}

/// The driver's name; empty if there is none.
pub(crate) fn driver(device: &str) -> String {
    let link = fs::canonicalize(format!("/sys/class/net/{device}/device/driver")).unwrap_or_default();
    link.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Speed in Mb/s. Drivers that do not know say -1, or refuse.
pub(crate) fn speed_mbps(device: &str) -> Option<u32> {
    fs::read_to_string(format!("/sys/class/net/{device}/speed")).ok()?.trim().parse().ok().filter(|speed| *speed > 0)
}

/// Whether the device is a radio: those have no place here yet.
pub(crate) fn is_radio(device: &str) -> bool {
    Path::new(&format!("/sys/class/net/{device}/phy80211")).exists()
}

/// What the kernel does with IPv6 on a device.
pub(crate) fn ipv6_mode(device: &str) -> Ipv6Mode {
    let read = |name| fs::read_to_string(conf(device, name)).unwrap_or_default().trim().parse::<u32>().ok();
    if read("disable_ipv6") == Some(0) && SPEAKING.iter().any(|(name, value)| read(name) != Some(*value)) {
        return Ipv6Mode::Other;
    }
    match (read("disable_ipv6"), read("accept_ra")) {
        (Some(1), _) => Ipv6Mode::Off,
        (Some(0), Some(0)) => Ipv6Mode::Manual,
        (Some(0), Some(2)) => read("ra_defrtr_metric").map_or(Ipv6Mode::Other, |metric| Ipv6Mode::Slaac { metric }),
        _ => Ipv6Mode::Other,
    }
}

/// Sets it. IPv6 is switched off and on again, so that the kernel forgets what it learned and asks for routers anew.
pub(crate) fn set_ipv6_mode(device: &str, mode: Ipv6Mode) -> io::Result<()> {
    let write = |name, value: u32| fs::write(conf(device, name), value.to_string());
    write("disable_ipv6", 1)?;
    match mode {
        Ipv6Mode::Off | Ipv6Mode::Other => return Ok(()),
        Ipv6Mode::Manual => write("accept_ra", 0)?,
        Ipv6Mode::Slaac { metric } => {
            // 2: also while forwarding, which a router does.
            write("accept_ra", 2)?;
            write("ra_defrtr_metric", metric)?;
        }
    }
    SPEAKING.iter().try_for_each(|(name, value)| write(name, *value))?;
    write("disable_ipv6", 0)
}

fn conf(device: &str, name: &str) -> String {
    format!("/proc/sys/net/ipv6/conf/{device}/{name}")
}
