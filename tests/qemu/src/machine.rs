//! What stands on the table: one machine with its disk, cables and firmware, described before it is switched on.
//!
//! *Does*: turn a description into QEMU's command line.
//! *Never does*: run anything; see [`crate::Guest`].

use std::path::{Path, PathBuf};

use crate::Disk;

/// Everything that QEMU can emulate, but no "enhanced rep movsb": a kernel that sees it moves memory byte by byte, which only real
/// hardware does fast.
const CPU: &str = "max,-erms,-fsrm";

/// How a machine starts.
#[derive(Clone, Debug)]
pub enum Boot {
    /// As on real hardware: firmware, loader, UKI, from the disk.
    Uefi {
        /// The firmware's read-only code.
        code: PathBuf,
        /// This machine's own variables.
        variables: PathBuf,
    },
    /// Kernel and initramfs handed over by QEMU: faster, where the loader does not matter.
    Direct {
        /// The kernel.
        kernel: PathBuf,
        /// The initramfs with stage 1.
        initramfs: PathBuf,
        /// The kernel's command line.
        command_line: String,
    },
}

/// What the disk is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk.
    Virtio,
    /// NVMe.
    Nvme,
    /// SATA by AHCI.
    Ahci,
    /// virtio-scsi.
    VirtioScsi,
    /// A USB stick on XHCI.
    Usb,
}

/// The hub of the LAN port's wire; those of the WAN ports have the ports' numbers.
const LAN_HUB: usize = 100;

/// What is plugged into a WAN port.
#[derive(Clone, Debug)]
pub enum Wan {
    /// A provider's router that answers DHCP and translates addresses.
    Provider,
    /// A wire to a [`crate::Segment`], by the path of its socket.
    Segment(PathBuf),
    /// Both on one wire, for somebody who looks at what the box says to its provider. The provider leads nowhere.
    ProviderOnSegment(PathBuf),
}

/// The LAN's network at first boot: 192.168.42.0/24.
const FIRST_LAN: u8 = 42;

/// The PCI slot of the first WAN port; the others follow.
const WAN_SLOT: u8 = 0x10;
/// And of the first LAN port.
const LAN_SLOT: u8 = 0x18;

/// What QEMU's provider gives to the first who asks.
pub const PROVIDED: [u8; 4] = [10, 0, 2, 15];

/// The first WAN port of the machine with this number; a machine alone has 0.
#[must_use]
pub const fn wan_mac(number: u8) -> [u8; 6] {
    mac(number, WAN_SLOT)
}

/// And its first LAN port.
#[must_use]
pub const fn lan_mac(number: u8) -> [u8; 6] {
    mac(number, LAN_SLOT)
}

const fn mac(number: u8, slot: u8) -> [u8; 6] {
    [0x52, 0x54, 0x00, 0x50, number, slot]
}

/// Another network on the LAN, for when the box has moved there: 192.168.N.0/24, the box at .1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondLan(pub u8);

/// A machine, switched off.
#[derive(Debug)]
pub struct Machine {
    pub(crate) name: String,
    pub(crate) boot: Boot,
    pub(crate) disk: Option<(Disk, Bus)>,
    memory_mib: u32,
    processors: u8,
    wan: Vec<Wan>,
    lan: bool,
    lan_port: u16,
    second_lan: Option<(SecondLan, u16)>,
    lan_segment: Option<PathBuf>,
    card: &'static str,
    watchdog: bool,
    agent: bool,
    number: u8,
    extra: Vec<String>,
}

impl Machine {
    /// A machine with one processor, 256 MiB of memory, a watchdog, and no disk, WAN or LAN yet.
    #[must_use]
    pub fn new(name: &str, boot: Boot) -> Self {
        Self {
            name: name.to_owned(),
            boot,
            disk: None,
            memory_mib: 256,
            processors: 1,
            wan: Vec::new(),
            lan: false,
            lan_port: 0,
            second_lan: None,
            lan_segment: None,
            card: "virtio-net-pci",
            watchdog: true,
            agent: false,
            number: 0,
            extra: Vec::new(),
        }
    }

    /// Puts in a disk.
    #[must_use]
    pub fn disk(mut self, disk: Disk, bus: Bus) -> Self {
        self.disk = Some((disk, bus));
        self
    }

    /// Plugs in one more WAN port. WAN ports come before the LAN port.
    #[must_use]
    pub fn wan(mut self, wan: Wan) -> Self {
        self.wan.push(wan);
        self
    }

    /// Plugs in a LAN port with a computer on it, through which the page can be reached from here.
    #[must_use]
    pub fn lan(mut self) -> Self {
        self.lan = true;
        self
    }

    /// The local port that leads to the page; 0, the default, takes any that is free.
    #[must_use]
    pub fn lan_port(mut self, port: u16) -> Self {
        self.lan_port = port;
        self
    }

    /// A second LAN port with a computer on it in another network, and the local port that leads through it to the page; 0 takes any. Two
    /// computers of QEMU's on one wire would refuse each other's connections.
    #[must_use]
    pub fn second_lan(mut self, lan: SecondLan, port: u16) -> Self {
        self.second_lan = Some((lan, port));
        self
    }

    /// Puts a [`crate::Segment`] on the LAN port's wire as well.
    #[must_use]
    pub fn lan_segment(mut self, path: &Path) -> Self {
        self.lan_segment = Some(path.to_owned());
        self
    }

    /// Other network cards than virtio: a device of QEMU.
    #[must_use]
    pub fn cards(mut self, device: &'static str) -> Self {
        self.card = device;
        self
    }

    /// Other than 256 MiB of memory.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.memory_mib = memory_mib;
        self
    }

    /// Other than one processor.
    #[must_use]
    pub fn processors(mut self, processors: u8) -> Self {
        self.processors = processors;
        self
    }

    /// Takes the watchdog out.
    #[must_use]
    pub fn without_watchdog(mut self) -> Self {
        self.watchdog = false;
        self
    }

    /// Puts in the port on which the agent of the test image listens.
    #[must_use]
    pub fn agent(mut self) -> Self {
        self.agent = true;
        self
    }

    /// Tells machines on one segment apart: goes into the MAC addresses.
    #[must_use]
    pub fn number(mut self, number: u8) -> Self {
        self.number = number;
        self
    }

    /// One more argument for QEMU.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.extra.push(argument.to_owned());
        self
    }

    /// The disk, to be looked into or damaged while the machine is off.
    #[must_use]
    pub fn drive(&self) -> Option<&Disk> {
        self.disk.as_ref().map(|(disk, _)| disk)
    }

    /// The networks on the LAN, as the third byte of their addresses.
    pub(crate) fn lans(&self) -> Vec<u8> {
        let second = self.second_lan.map(|(SecondLan(network), _)| network);
        self.lan.then_some(FIRST_LAN).into_iter().chain(second).collect()
    }

    pub(crate) fn has_agent(&self) -> bool {
        self.agent
    }

    /// QEMU's arguments; sockets lie in `sockets`.
    pub(crate) fn arguments(&self, sockets: &Path) -> Vec<String> {
        let mut arguments = Arguments::default();
        // A SATA controller without disks is searched for them for a fifth of a second.
        let sata = if matches!(self.disk, Some((_, Bus::Ahci))) { "on" } else { "off" };
        arguments
            .add("-name", &self.name)
            .add("-machine", &format!("q35,sata={sata}"))
            .add("-accel", "tcg")
            .add("-cpu", CPU);
        arguments.add("-smp", &self.processors.to_string());
        arguments.add("-m", &self.memory_mib.to_string()).add("-display", "none").add("-serial", "stdio");
        arguments.flag("-nodefaults").add("-vga", "std");
        arguments.add("-qmp", &format!("unix:{}/qmp,server=on,wait=off", sockets.display()));
        self.add_boot(&mut arguments);
        if let Some((disk, bus)) = &self.disk {
            bus.add(disk.path(), matches!(self.boot, Boot::Uefi { .. }), &mut arguments);
        }
        self.add_networks(&mut arguments);
        if self.watchdog {
            arguments.device("i6300esb").add("-action", "watchdog=reset");
        }
        if self.agent {
            arguments.device("virtio-serial-pci");
            arguments.add("-chardev", &format!("socket,id=agent,path={}/agent,server=on,wait=off", sockets.display()));
            arguments.device("virtserialport,chardev=agent,name=patronus.agent");
        }
        arguments.0.extend(self.extra.iter().cloned());
        arguments.0
    }

    fn add_boot(&self, arguments: &mut Arguments) {
        match &self.boot {
            Boot::Uefi { code, variables } => {
                let pflash = "if=pflash,format=raw";
                arguments.add("-drive", &format!("{pflash},unit=0,readonly=on,file={}", code.display()));
                arguments.add("-drive", &format!("{pflash},unit=1,file={}", variables.display()));
            }
            Boot::Direct { kernel, initramfs, command_line } => {
                arguments.add("-kernel", &kernel.to_string_lossy()).add("-initrd", &initramfs.to_string_lossy());
                arguments.add("-append", command_line);
            }
        }
    }

    /// The box counts its ports in the order of their PCI slots.
    fn add_networks(&self, arguments: &mut Arguments) {
        for (index, wan) in (0..).zip(&self.wan) {
            let id = format!("wan{index}");
            wan.add(&id, index.into(), arguments);
            self.add_port(&id, WAN_SLOT + index, arguments);
        }
        if self.lan {
            let computer = computer(FIRST_LAN, self.lan_port);
            match &self.lan_segment {
                None => {
                    arguments.add("-netdev", &format!("user,id=lan0,{computer}"));
                }
                Some(segment) => arguments.shared_wire("lan0", LAN_HUB, &computer, segment),
            }
            self.add_port("lan0", LAN_SLOT, arguments);
        }
        if let Some((SecondLan(network), port)) = self.second_lan {
            arguments.add("-netdev", &format!("user,id=lan1,{}", computer(network, port)));
            self.add_port("lan1", LAN_SLOT + 1, arguments);
        }
    }

    fn add_port(&self, id: &str, slot: u8, arguments: &mut Arguments) {
        let mac = mac(self.number, slot).map(|byte| format!("{byte:02x}")).join(":");
        let card = self.card;
        arguments.device(&format!("{card},id=nic-{id},netdev={id},mac={mac},addr={slot:#x},romfile="));
    }
}

impl Bus {
    /// All of them, for tests that try each.
    pub const ALL: [Self; 5] = [Self::Virtio, Self::Nvme, Self::Ahci, Self::VirtioScsi, Self::Usb];

    fn add(self, path: &Path, is_booted_from: bool, arguments: &mut Arguments) {
        // Writes reach the host's page cache at once and stay there when QEMU is killed: a flush costs nothing here.
        arguments
            .add("-drive", &format!("if=none,id=disk,format=raw,discard=unmap,cache=unsafe,file={}", path.display()));
        // A kernel that QEMU hands over is itself what is booted first.
        let order = if is_booted_from { ",bootindex=0" } else { "" };
        let device = match self {
            Self::Virtio => "virtio-blk-pci",
            Self::Nvme => "nvme,serial=patronus",
            Self::Ahci => "ide-hd,bus=ide.0",
            Self::VirtioScsi => "scsi-hd,bus=scsi.0",
            Self::Usb => "usb-storage,bus=xhci.0",
        };
        match self {
            Self::VirtioScsi => arguments.device("virtio-scsi-pci,id=scsi"),
            Self::Usb => arguments.device("qemu-xhci,id=xhci"),
            Self::Virtio | Self::Nvme | Self::Ahci => arguments,
        }
        .device(&format!("{device},drive=disk{order}"));
    }
}

impl Wan {
    fn add(&self, id: &str, hub: usize, arguments: &mut Arguments) {
        match self {
            Self::Provider => {
                arguments.add("-netdev", &format!("user,id={id}"));
            }
            Self::Segment(path) => {
                arguments.add("-netdev", &segment_end(id, path));
            }
            Self::ProviderOnSegment(path) => {
                // It gives addresses, no router, and passes nothing on: it would take whatever is sent on the segment to an address of
                // its own network for the computer's.
                arguments.shared_wire(id, hub, "ipv6=off,restrict=on", path);
            }
        }
    }
}

/// A computer on a LAN port's wire, in 192.168.`network`.0/24, that leads from a local port to the page and to nothing else.
fn computer(network: u8, port: u16) -> String {
    let net = format!("192.168.{network}");
    let addresses = format!("net={net}.0/24,host={net}.2,dns={net}.3,dhcpstart={net}.15");
    format!("{addresses},restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{port}-{net}.1:443")
}

/// The end of a wire that leads to a segment.
fn segment_end(id: &str, path: &Path) -> String {
    format!("stream,id={id},addr.type=unix,addr.path={},server=off", path.display())
}

/// QEMU's arguments as they grow.
#[derive(Debug, Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn add(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.extend([name.to_owned(), value.to_owned()]);
        self
    }

    fn flag(&mut self, name: &str) -> &mut Self {
        self.0.push(name.to_owned());
        self
    }

    /// One wire with three ends: the port `id`, QEMU's own network with `options`, a segment.
    fn shared_wire(&mut self, id: &str, hub: usize, options: &str, segment: &Path) {
        self.add("-netdev", &format!("hubport,id={id},hubid={hub}"));
        self.add("-netdev", &format!("user,id=user{hub},{options}"));
        self.add("-netdev", &format!("hubport,id=hub{hub}-user,hubid={hub},netdev=user{hub}"));
        self.add("-netdev", &segment_end(&format!("segment{hub}"), segment));
        self.add("-netdev", &format!("hubport,id=hub{hub}-segment,hubid={hub},netdev=segment{hub}"));
    }

    fn device(&mut self, value: &str) -> &mut Self {
        self.add("-device", value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lan_port_comes_behind_every_wan_port() {
        let boot = Boot::Uefi { code: "code".into(), variables: "variables".into() };
        let machine = Machine::new("test", boot).lan().wan(Wan::Provider).wan(Wan::Provider);
        let line = machine.arguments(Path::new("/tmp/sockets")).join(" ");
        let slots: Vec<&str> = line.split("addr=0x").skip(1).filter_map(|rest| rest.get(..2)).collect();
        assert_eq!(slots, ["10", "11", "18"]);
    }
}
