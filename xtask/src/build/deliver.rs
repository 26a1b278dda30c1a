//! What one downloads: compressed disks, bill of materials, sums.
//!
//! *Does*: writes the files beside the raw disk. *Never does*: change the image.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use patronus_image::sbom::{self, Component};
use patronus_image::{budget, disk, sums};
use serde::Deserialize;

use super::assemble::{BuiltImage, Parts};
use super::shell::run;
use crate::progress;
use crate::workspace::Workspace;

/// Makes everything beside the raw disk.
///
/// # Errors
/// When a tool fails or the download is over its budget.
pub(super) fn all(workspace: &Workspace, built: &BuiltImage, parts: &Parts, output: &Path) -> Result<()> {
    let name = |suffix: &str| format!("patronus-{}{suffix}", built.version);
    progress::step("compress the disk", || {
        disk::compress(&built.raw, &output.join(name(".raw.zst")))?;
        disk::to_qcow2(&built.raw, &output.join(name(".qcow2")))
    })?;
    let download = std::fs::metadata(output.join(name(".raw.zst")))?.len();
    budget::check("download", download, budget::Budgets::of_this_version()?.download_bytes)?;
    let bill = sbom::document(&built.version, &date(parts.epoch_s)?, &built.root_hash, &components(workspace, parts)?);
    std::fs::write(output.join(name(".spdx.json")), serde_json::to_vec_pretty(&bill)?)?;
    let files = [".raw", ".raw.zst", ".qcow2", ".efi", ".recovery.efi", ".root", ".spdx.json"];
    progress::step("sum up", || sums::write(output, &files.map(name)))
}

fn components(workspace: &Workspace, parts: &Parts) -> Result<Vec<Component>> {
    let mut components = crates(workspace, &parts.programs.packages)?;
    let (kernel, loader) = (&parts.kernel.pin, &parts.loader.pin);
    components.push(Component {
        name: "linux".to_owned(),
        version: kernel.version.clone(),
        license: kernel.license.clone(),
        purl: format!("pkg:generic/linux@{}", kernel.version),
        sha256_hex: Some(kernel.sha256.clone()),
    });
    components.push(Component {
        name: loader.package.clone(),
        version: loader.version.clone(),
        license: loader.license.clone(),
        purl: format!("pkg:deb/debian/{}@{}", loader.package, loader.version),
        sha256_hex: Some(loader.sha256.clone()),
    });
    components.push(libc()?);
    components.push(standard_library()?);
    Ok(components)
}

/// The crates that are linked into the programs: no build scripts, no macros, no test helpers.
fn crates(workspace: &Workspace, packages: &BTreeSet<String>) -> Result<Vec<Component>> {
    let mut tree = workspace.cargo();
    tree.args(["tree", "--locked", "--quiet", "-e", "normal,no-proc-macro", "--prefix", "none"]);
    tree.args(["--target", "x86_64-unknown-linux-gnu", "--no-dedupe", "-f", "{p}|{l}"]);
    for package in packages {
        tree.args(["-p", package]);
    }
    let lock = Lock::read(workspace)?;
    let lines: BTreeSet<String> = run(&mut tree)?.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    lines.iter().map(|line| component(line, &lock)).collect()
}

/// One line: `name vVERSION[ (path)]|licence`.
fn component(line: &str, lock: &Lock) -> Result<Component> {
    let (package, license) = line.split_once('|').with_context(|| format!("cargo tree printed {line}"))?;
    let mut words = package.split(' ');
    let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().trim_start_matches('v'));
    Ok(Component {
        name: name.to_owned(),
        version: version.to_owned(),
        license: if license.is_empty() { "NOASSERTION".to_owned() } else { license.replace('/', " OR ") },
        purl: format!("pkg:cargo/{name}@{version}"),
        sha256_hex: lock.checksum(name, version),
    })
}

/// The C library that static programs hold.
fn libc() -> Result<Component> {
    let version = run(Command::new("dpkg-query").args(["-W", "-f", "${Version}", "libc6-dev"]))?;
    Ok(Component {
        name: "glibc".to_owned(),
        license: "LGPL-2.1-or-later".to_owned(),
        purl: format!("pkg:deb/debian/libc6-dev@{version}"),
        sha256_hex: None,
        version,
    })
}

fn standard_library() -> Result<Component> {
    let said = run(Command::new("rustc").arg("--version"))?;
    let version = said.split(' ').nth(1).context("rustc says no version")?.to_owned();
    Ok(Component {
        name: "rust-std".to_owned(),
        license: "MIT OR Apache-2.0".to_owned(),
        purl: format!("pkg:generic/rust-std@{version}"),
        sha256_hex: None,
        version,
    })
}

fn date(epoch_s: u64) -> Result<String> {
    Ok(run(Command::new("date").args(["-u", "-d", &format!("@{epoch_s}"), "+%Y-%m-%dT%H:%M:%SZ"]))?.trim().to_owned())
}

#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Lock {
    fn read(workspace: &Workspace) -> Result<Self> {
        toml::from_str(&std::fs::read_to_string(workspace.root.join("Cargo.lock"))?).context("Cargo.lock")
    }

    fn checksum(&self, name: &str, version: &str) -> Option<String> {
        self.package.iter().find(|package| package.name == name && package.version == version)?.checksum.clone()
    }
}
