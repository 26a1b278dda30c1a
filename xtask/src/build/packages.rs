//! Debian packages that the build needs.
//!
//! *Does*: installs what is missing, and only that. *Never does*: upgrade what is there.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::shell::{run, succeeds};
use crate::progress;

/// Tools that turn parts into an image.
pub const IMAGE_TOOLS: &[&str] =
    &["cryptsetup-bin", "dosfstools", "e2fsprogs", "erofs-utils", "mtools", "qemu-utils", "zstd"];
/// What runs emulated machines.
pub const MACHINE_TOOLS: &[&str] = &["ovmf", "qemu-system-x86", "qemu-utils"];
/// What a kernel is compiled with.
pub(super) const KERNEL_TOOLS: &[&str] =
    &["bc", "bison", "cpio", "flex", "gcc", "kmod", "libelf-dev", "libssl-dev", "lz4", "make", "perl", "xz-utils"];

/// For cargo, when it compiles a tool that is run a few times: soon ready rather than fast.
pub const QUICKLY: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
];

/// Installs those of `packages` (`name` or `name=version`) that are missing.
///
/// # Errors
/// When some are missing and this user may not install packages, or apt fails.
pub fn ensure(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    progress::step(&format!("install {}", missing.join(" ")), || install(&missing))
}

fn install(missing: &[&str]) -> Result<()> {
    let names: Vec<String> = missing.iter().map(|package| (*package).to_owned()).chain(same_qemu(missing)).collect();
    let arguments = ["install", "-y", "--no-install-recommends", "--allow-downgrades"];
    if apt_get(&arguments, &names).is_ok() {
        return Ok(());
    }
    // The list of a fresh machine is empty or old.
    apt_get(&["update"], &[])?;
    apt_get(&arguments, &names)
}

/// QEMU's system emulator and its tools must be of one version; a machine may have newer tools from backports.
fn same_qemu(missing: &[&str]) -> Option<String> {
    let wanted = missing.iter().any(|package| package.starts_with("qemu-system-x86"));
    let installed = installed_version("qemu-utils")?;
    let system = candidate("qemu-system-x86")?;
    (wanted && installed != system).then(|| format!("qemu-utils={system}"))
}

fn apt_get(arguments: &[&str], packages: &[String]) -> Result<()> {
    let mut command = as_root("apt-get", packages)?;
    run(command.env("DEBIAN_FRONTEND", "noninteractive").arg("-q").args(arguments).args(packages)).map(drop)
}

fn as_root(program: &str, packages: &[String]) -> Result<Command> {
    if run(Command::new("id").arg("-u"))?.trim() == "0" {
        return Ok(Command::new(program));
    }
    if succeeds(Command::new("sudo").args(["-n", "true"])) {
        let mut command = Command::new("sudo");
        command.args(["-n", "--preserve-env=DEBIAN_FRONTEND", program]);
        return Ok(command);
    }
    bail!("root or sudo without password is needed once, for: apt-get install {}", packages.join(" "));
}

fn is_installed(package: &str) -> bool {
    let (name, version) = package.split_once('=').unwrap_or((package, ""));
    installed_version(name).is_some_and(|installed| version.is_empty() || installed == version)
}

fn installed_version(name: &str) -> Option<String> {
    let said = run(Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status} ${Version}", name])).ok()?;
    said.strip_prefix("installed ").map(str::to_owned)
}

fn candidate(name: &str) -> Option<String> {
    let said = run(Command::new("apt-cache").args(["policy", name])).ok()?;
    said.lines().find_map(|line| line.trim().strip_prefix("Candidate: ")).map(str::to_owned)
}

/// The archive that this machine takes its own Debian packages from.
///
/// # Errors
/// If apt has no source of Debian itself.
pub fn main_archive() -> Result<String> {
    let said = run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    let found = said.lines().find_map(|line| line.strip_prefix("Debian|Debian|"));
    found.map(str::to_owned).context("this machine's apt knows no Debian archive")
}
