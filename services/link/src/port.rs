//! An Ethernet port as found in the machine.
//!
//! *Does*: hold what was found, and order ports by their place in the machine.
//! *Never does*: decide what a port is for.

use patronus_types::{MacAddr, PortName};

/// An Ethernet port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The kernel's name.
    pub name: PortName,
    /// The kernel's number of the device.
    pub index: u32,
    /// Its address.
    pub mac: MacAddr,
    /// Where it sits, by the kernel's device path, such as `pci0000:00/0000:00:03.0/virtio1`; empty for virtual ports.
    pub path: String,
    /// Driver, such as `igc`; empty if unknown.
    pub driver: String,
    /// Whether a cable with a live far end is plugged in.
    pub carrier: bool,
    /// Speed in Mb/s, if the driver tells.
    pub speed_mbps: Option<u32>,
}

impl Port {
    /// The order of ports: soldered and plugged cards by bus address first, then USB, then virtual ones by name. A USB stick that
    /// comes later never takes the first place, which is the WAN port at first boot.
    #[must_use]
    pub fn place(&self) -> (u8, &str, &str) {
        let class = match self.path.as_str() {
            "" => 2,
            path if path.contains("/usb") => 1,
            _ => 0,
        };
        (class, &self.path, self.name.as_str())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn port(name: &str, path: &str) -> Port {
        let last = name.bytes().last().unwrap_or(0);
        Port {
            name: name.parse().unwrap(),
            index: u32::from(last),
            mac: MacAddr([2, 0, 0, 0, 0, last]),
            path: path.to_owned(),
            driver: String::new(),
            carrier: true,
            speed_mbps: None,
        }
    }

    #[test]
    fn cards_come_before_usb_and_usb_before_virtual_ports() {
        let mut ports = [
            port("veth0", ""),
            port("eth2", "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0"),
            port("eth1", "pci0000:00/0000:02:00.0"),
            port("eth0", "pci0000:00/0000:01:00.0"),
        ];
        ports.sort_by(|a, b| a.place().cmp(&b.place()));
        let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
        assert_eq!(names, ["eth0", "eth1", "eth2", "veth0"]);
    }
}
