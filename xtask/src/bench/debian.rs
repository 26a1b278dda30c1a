//! The rival: a router as one builds it from Debian packages.
//!
//! *Does*: debootstrap a minimal Debian 12 with the packages of a router, make it a root image, boot it, read its own figures.
//! *Never does*: handicap it: no extra services, no delays; its unit that tells the figures runs after everything else.
//! *Spec*: `docs/SPECIFICATION.md`, promise "boot".

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use patronus_qemu::{Boot, Bus, Disk, Line, Machine, Place, Wan};
use sha2::{Digest, Sha256};

use super::{boot::PROCESSORS, report::Runs};
use crate::{build::packages, progress, workspace::Workspace};

/// What makes a Debian system a router with what ours does: networkd, nftables, WireGuard, DHCP and DNS, routing, remote access.
const ROUTER: &str = "systemd,systemd-sysv,systemd-resolved,dbus,udev,iproute2,nftables,wireguard-tools,dnsmasq,frr,\\
openssh-server,linux-image-cloud-amd64,ca-certificates";
/// What builds it.
const TOOLS: &[&str] = &["debootstrap", "erofs-utils", "e2fsprogs"];
/// An emulated boot takes half a minute on an idle computer.
const BOOT_LIMIT: Duration = Duration::from_secs(600);
/// What the unit at the end of the boot writes to the console, before its figures.
const MARK: &str = "baseline:";
/// Size of its root file system.
const ROOT_BYTES: u64 = 1 << 30;
/// As much memory as it needs to boot with its initrd.
const MEMORY_MIB: u32 = 1024;
/// Says the figures: the kernel's clock, memory, processes of user space (those with a program).
const UNIT: &str = r#"[Unit]
Description=Tell that the router is usable
After=multi-user.target network-online.target ssh.service frr.service dnsmasq.service nftables.service
Wants=network-online.target

[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/usr/local/sbin/baseline
"#;
const SCRIPT: &str = r#"#!/bin/sh
read uptime rest < /proc/uptime
echo "baseline: usable $uptime"
sleep 10
total=$(awk '/^MemTotal/ {print $2}' /proc/meminfo)
available=$(awk '/^MemAvailable/ {print $2}' /proc/meminfo)
# This script, its pipe and the subshell are not part of the router.
processes=$(ls -d /proc/[0-9]*/exe | while read exe; do readlink "$exe"; done 2>/dev/null | grep -vc -e '/dash$' -e '/bin/ls' -e '/grep$' -e '/readlink$' -e '/sleep$')
# The login prompt has hung up the terminal since.
echo "baseline: idle $((total - available)) $processes" > /dev/ttyS0
"#;

/// A built Debian router.
#[derive(Debug)]
pub(super) struct Debian {
    directory: PathBuf,
}

impl Debian {
    /// Builds it, or finds it in the cache.
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        packages::ensure(TOOLS)?;
        let recipe = [ROUTER, UNIT, SCRIPT, &ROOT_BYTES.to_string()].concat();
        let key = hex::encode(Sha256::digest(recipe).get(..8).unwrap_or_default());
        let directory = workspace.cache.join("debian").join(key);
        if !directory.join("done").exists() {
            progress::step("build the Debian router (some minutes)", || make(&directory))?;
        }
        Ok(Self { directory })
    }

    /// Size of its root as an image of the same kind as ours.
    pub(super) fn root_bytes(&self) -> Result<u64> {
        Ok(fs::metadata(self.directory.join("root.erofs"))?.len())
    }

    /// One boot, with its own kernel and initrd.
    pub(super) fn boot(&self, runs: &mut Runs) -> Result<()> {
        let scratch = Place::from_env().scratch("debian")?;
        let disk = Disk::copy_of(&self.directory.join("root.ext4"), scratch.path().join("disk.raw"))?;
        let command_line = "root=/dev/vda rw console=ttyS0 quiet".to_owned();
        let (kernel, initramfs) = (self.directory.join("vmlinuz"), self.directory.join("initrd"));
        let machine = Machine::new("debian", Boot::Direct { kernel, initramfs, command_line });
        let machine =
            machine.processors(PROCESSORS).memory_mib(MEMORY_MIB).disk(disk, Bus::Virtio).wan(Wan::Provider).lan();
        let guest = machine.start(fs::File::create(scratch.path().join("console.log"))?)?;
        let usable = guest.console().wait_for(&format!("{MARK} usable"), BOOT_LIMIT)?;
        runs.note("kernel_to_page", "s", word(&usable, 2)?);
        let idle = guest.console().wait_for(&format!("{MARK} idle"), BOOT_LIMIT)?;
        runs.note("memory_in_use_idle", "MiB", word(&idle, 2)? / 1024.0);
        runs.note("processes_idle", "processes", word(&idle, 3)?);
        Ok(())
    }
}

/// A number of a line of the unit, counted from the mark.
fn word(line: &Line, index: usize) -> Result<f64> {
    let (_, said) = line.text.split_once(MARK).context("no figures")?;
    let word = said.split_whitespace().nth(index - 1).with_context(|| line.text.clone())?;
    word.parse().with_context(|| line.text.clone())
}

fn make(directory: &Path) -> Result<()> {
    let tree = directory.join("tree");
    // What a build that was interrupted has left.
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    let include = format!("--include={}", ROUTER.replace("\\\n", ""));
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", &include, "bookworm"]).arg(&tree).arg(packages::main_archive()?);
    progress::long_command(&mut debootstrap, &directory.join("debootstrap.log"), 700)?;
    configure(&tree)?;
    fs::copy(tree.join("vmlinuz"), directory.join("vmlinuz"))?;
    fs::copy(tree.join("initrd.img"), directory.join("initrd"))?;
    run(Command::new("mkfs.erofs").arg("-zlz4hc").arg(directory.join("root.erofs")).arg(&tree))?;
    let disk = directory.join("root.ext4");
    fs::File::create(&disk)?.set_len(ROOT_BYTES)?;
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-d"]).arg(&tree).arg(&disk))?;
    fs::remove_dir_all(&tree)?;
    Ok(fs::write(directory.join("done"), "")?)
}

/// Two ports by DHCP and static address, FRR's BGP on, and the unit that tells the figures.
fn configure(tree: &Path) -> Result<()> {
    let file = |path: &str, text: &str| -> Result<()> {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().context("no directory")?)?;
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    file("etc/hostname", "debian-router\n")?;
    file("etc/fstab", "/dev/vda / ext4 rw 0 1\n")?;
    file("etc/systemd/network/10-wan.network", "[Match]\nPath=pci-0000:00:10.0\n[Network]\nDHCP=ipv4\n")?;
    file(
        "etc/systemd/network/20-lan.network",
        "[Match]\nPath=pci-0000:00:18.0\n[Network]\nAddress=192.168.42.1/24\nIPForward=yes\nConfigureWithoutCarrier=yes\n",
    )?;
    file("etc/dnsmasq.conf", "port=0\ninterface=lan*\nbind-dynamic\n")?;
    file("etc/frr/daemons", "bgpd=yes\nzebra_options=\"-A 127.0.0.1\"\nbgpd_options=\"-A 127.0.0.1\"\n")?;
    file("etc/systemd/system/baseline.service", UNIT)?;
    file("usr/local/sbin/baseline", SCRIPT)?;
    run(Command::new("chmod").arg("755").arg(tree.join("usr/local/sbin/baseline")))?;
    file("etc/systemd/system/baseline.target", "[Unit]\nAfter=multi-user.target\nWants=baseline.service\n")?;
    let units = ["systemd-networkd", "systemd-networkd-wait-online", "nftables", "dnsmasq", "frr", "ssh"];
    run(Command::new("chroot").arg(tree).args(["systemctl", "enable"]).args(units))?;
    run(Command::new("ln").args(["-s", "../baseline.service"]).arg({
        let wants = tree.join("etc/systemd/system/graphical.target.wants");
        fs::create_dir_all(&wants)?;
        wants.join("baseline.service")
    }))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
