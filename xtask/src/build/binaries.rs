//! The programs of the image: static, small, and the same bytes from any directory.
//!
//! *Does*: finds in the manifest what runs, compiles it, checks that it needs no interpreter.
//! *Never does*: compile the extras of a test image together with the shipped programs, which could change the features of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::variant::Variant;
use crate::progress;
use crate::workspace::Workspace;

/// Static binaries need an explicit target, so that build scripts and macros stay dynamic.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The package of `/init`.
pub(super) const INIT: &str = "patronus-init";
/// The package of every service that is shipped.
const SERVICES: &str = "patronus-services";

/// What the build needs to know of the manifest; `init` reads the whole of it.
#[derive(Debug, Deserialize)]
struct Manifest {
    #[serde(default)]
    service: Vec<Service>,
}

#[derive(Debug, Deserialize)]
struct Service {
    name: String,
    exec: String,
}

/// Everything executable in an image.
#[derive(Debug)]
pub(super) struct Programs {
    /// The manifest as it goes into the root.
    pub(super) manifest: String,
    /// Path in the root -> the program.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// `/init` of the initramfs.
    pub(super) init: Vec<u8>,
    /// The packages that the shipped image holds, for the bill of materials.
    pub(super) packages: BTreeSet<String>,
}

/// Compiles the programs of a variant.
///
/// # Errors
/// When one does not compile, is not static, or the manifest names a program that no package makes.
pub(super) fn build(workspace: &Workspace, variant: &Variant) -> Result<Programs> {
    let shipped =
        std::fs::read_to_string(workspace.root.join("init/services.toml")).context("read init/services.toml")?;
    let packages = BTreeSet::from([INIT.to_owned(), SERVICES.to_owned()]);
    progress::step("compile the services", || compile(workspace, &packages))?;

    let manifest = format!("{shipped}{}", variant.more_services);
    let placed = placed(&shipped, variant)?;
    let extras: BTreeSet<String> = placed.values().filter(|package| !packages.contains(*package)).cloned().collect();
    if !extras.is_empty() {
        progress::step("compile the programs of the test image", || compile(workspace, &extras))?;
    }
    let mut files = BTreeMap::new();
    for (path, package) in placed {
        files.insert(path, read(workspace, &package)?);
    }
    Ok(Programs { manifest, files, init: read(workspace, INIT)?, packages })
}

/// Path in the root -> package, with the variant's additions and replacements.
fn placed(shipped: &str, variant: &Variant) -> Result<BTreeMap<String, String>> {
    let mut placed: BTreeMap<String, String> =
        programs_of(shipped)?.into_keys().map(|path| (path, SERVICES.to_owned())).collect();
    placed.extend(programs_of(&variant.more_services)?);
    for (service, package) in &variant.replaced {
        let place = placed.get_mut(&format!("bin/{service}"));
        *place.with_context(|| format!("{service} is not in the manifest"))? = package.clone();
    }
    placed.insert("init".to_owned(), variant.init.clone().unwrap_or_else(|| INIT.to_owned()));
    Ok(placed)
}

fn programs_of(manifest: &str) -> Result<BTreeMap<String, String>> {
    let manifest: Manifest = toml::from_str(manifest).context("init/services.toml")?;
    let place = |service: Service| {
        let name =
            service.exec.strip_prefix("/bin/").with_context(|| format!("{} is not started from /bin", service.name))?;
        Ok((format!("bin/{name}"), format!("patronus-{name}")))
    };
    manifest.service.into_iter().map(place).collect()
}

fn compile(workspace: &Workspace, packages: &BTreeSet<String>) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--locked", "--target", TARGET]);
    for package in packages {
        cargo.args(["-p", package]);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rust_flags(workspace)?);
    // C code in dependencies: no build paths either.
    let prefixes = path_prefixes(workspace)?;
    let c_flags: Vec<String> = prefixes.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
    cargo.env("CFLAGS_x86_64_unknown_linux_gnu", c_flags.join(" "));
    let status = cargo.status().context("start cargo")?;
    ensure!(status.success(), "cargo build failed");
    Ok(())
}

fn rust_flags(workspace: &Workspace) -> Result<String> {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    for (from, to) in path_prefixes(workspace)? {
        flags.push(format!("--remap-path-prefix={from}={to}"));
    }
    Ok(flags.join("\u{1f}"))
}

/// Directories of this machine and what stands for them in the programs.
fn path_prefixes(workspace: &Workspace) -> Result<[(String, &'static str); 3]> {
    let cargo_home = match std::env::var_os("CARGO_HOME") {
        Some(home) => home.into(),
        None => std::env::home_dir().context("there is no home directory")?.join(".cargo"),
    };
    let name = |path: &Path| path.to_string_lossy().into_owned();
    Ok([(name(&cargo_home), "/cargo"), (name(&workspace.target), "/target"), (name(&workspace.root), "/patronus")])
}

fn read(workspace: &Workspace, package: &str) -> Result<Vec<u8>> {
    let path = workspace.target.join(TARGET).join("release").join(package);
    let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    ensure!(is_static(&bytes), "{package} is not a static program");
    Ok(bytes)
}

/// An ELF program without `PT_INTERP` (ELF-64: program headers at `e_phoff`, 56 bytes each, the type first).
fn is_static(elf: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let field = |at: usize| elf.get(at..).and_then(<[u8]>::first_chunk::<8>).copied();
    let (Some(offset), Some(counts)) = (field(32), field(56)) else { return false };
    let offset = usize::try_from(u64::from_le_bytes(offset)).unwrap_or(usize::MAX);
    let count = usize::from(u16::from_le_bytes([counts[0], counts[1]]));
    let kind =
        |index: usize| field(offset.saturating_add(index * 56)).map(|bytes| u64::from_le_bytes(bytes) & 0xffff_ffff);
    elf.starts_with(b"\x7fELF") && (0..count).all(|index| kind(index).is_some_and(|kind| kind != u64::from(PT_INTERP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[[service]]\nname = \"web\"\nexec = \"/bin/web\"\nuid = 4\n";

    #[test]
    fn programs_are_found_in_the_manifest() {
        let programs = programs_of(MANIFEST).unwrap();
        assert_eq!(programs.get("bin/web").map(String::as_str), Some("patronus-web"));
    }

    #[test]
    fn a_variant_replaces_only_services_that_exist() {
        let replace = |service: &str| Variant {
            replaced: BTreeMap::from([(service.to_owned(), "patronus-probe".to_owned())]),
            ..Variant::default()
        };
        assert_eq!(placed(MANIFEST, &Variant::default()).unwrap()["bin/web"], SERVICES);
        assert_eq!(placed(MANIFEST, &replace("web")).unwrap()["bin/web"], "patronus-probe");
        assert!(placed(MANIFEST, &replace("mail")).is_err());
    }

    #[test]
    fn this_test_program_is_dynamic_and_text_is_no_program() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own));
        assert!(!is_static(b"#!/bin/sh\n"));
    }
}
