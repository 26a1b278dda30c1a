//! The kernel, from the pinned source and the fragments in `kernel-config/`.
//!
//! *Does*: configures, checks that every symbol asked for came out, compiles, keeps kernel and configuration in the cache.
//! *Never does*: build from a source whose hash is not the pinned one, or with an answer that nobody wrote down.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use patronus_image::kconfig::{self, Symbol};
use patronus_image::sums;
use serde::Deserialize;

use super::shell::run;
use super::{cache, packages};
use crate::progress;
use crate::workspace::Workspace;

/// Part of the cache key: raise it when the steps below change what comes out.
const RECIPE: &str = "allnoconfig, merge_config -m, olddefconfig, bzImage; 1";
/// Lines that `make bzImage` prints, for the percentage.
const EXPECTED_LINES: usize = 2900;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    pub(super) version: String,
    package: String,
    package_version: String,
    tarball: PathBuf,
    pub(super) sha256: String,
    pub(super) license: String,
    build: Build,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    user: String,
    host: String,
    timestamp: String,
    version: String,
}

/// A built kernel.
pub(super) struct Kernel {
    pub(super) pin: Pin,
    /// The bootable file.
    pub(super) bzimage: PathBuf,
    /// The configuration it was built with.
    pub(super) config: PathBuf,
    /// `uname -r`.
    pub(super) release: String,
}

/// Finds the kernel in the cache or builds it (some 10 to 20 minutes).
///
/// # Errors
/// When the source is not the pinned one, a symbol did not come out, or it does not compile.
pub(super) fn build(workspace: &Workspace) -> Result<Kernel> {
    let (pin, asked) = read(workspace)?;
    let key = key(&pin, &asked)?;
    let place = cache::entry(&workspace.cache, "kernel", &key, |place| {
        progress::step(&format!("build Linux {} (once; some 10 to 20 minutes)", pin.version), || {
            compile(workspace, &pin, &asked, place)
        })
    })?;
    let release = format!("{}{}", pin.version, kconfig::local_version(&asked));
    Ok(Kernel { pin, bzimage: place.join("bzImage"), config: place.join("config"), release })
}

/// Where in the cache the kernel lies or would lie, for those who carry a cache from machine to machine.
///
/// # Errors
/// When pin or fragments cannot be read.
pub(super) fn place(workspace: &Workspace) -> Result<PathBuf> {
    let (pin, asked) = read(workspace)?;
    Ok(workspace.cache.join("kernel").join(key(&pin, &asked)?))
}

fn read(workspace: &Workspace) -> Result<(Pin, Vec<Symbol>)> {
    let directory = workspace.root.join("kernel-config");
    let pin = std::fs::read_to_string(directory.join("pin.toml"))?;
    Ok((
        toml::from_str(&pin).context("kernel-config/pin.toml")?,
        kconfig::read_fragments(&directory.join("fragments"))?,
    ))
}

/// Everything that the kernel's bytes depend on. Comments in the fragments do not count.
fn key(pin: &Pin, asked: &[Symbol]) -> Result<String> {
    let compiler = run(Command::new("gcc").arg("--version"))?.lines().next().unwrap_or_default().to_owned();
    let build = format!("{:?}", pin.build);
    let symbols: Vec<String> = asked.iter().map(Symbol::line).collect();
    Ok(cache::key(&[
        ("source", pin.sha256.as_bytes()),
        ("build", build.as_bytes()),
        ("symbols", symbols.join("\n").as_bytes()),
        ("compiler", compiler.as_bytes()),
        ("recipe", RECIPE.as_bytes()),
    ]))
}

fn compile(workspace: &Workspace, pin: &Pin, asked: &[Symbol], place: &Path) -> Result<()> {
    packages::ensure(packages::KERNEL_TOOLS)?;
    source_package(pin)?;
    let work = tempfile::Builder::new().prefix("kernel-").tempdir_in(scratch(workspace)?)?;
    let source = progress::step("unpack the kernel source", || unpack(pin, work.path()))?;
    let output = work.path().join("build");
    std::fs::create_dir(&output)?;
    configure(pin, &source, &output, asked)?;
    let jobs = std::thread::available_parallelism()?;
    let log = workspace.target.join("kernel-build.log");
    progress::long_command(make(pin, &source, &output).arg(format!("-j{jobs}")).arg("bzImage"), &log, EXPECTED_LINES)?;
    std::fs::copy(output.join("arch/x86/boot/bzImage"), place.join("bzImage"))?;
    std::fs::copy(output.join(".config"), place.join("config"))?;
    Ok(())
}

fn scratch(workspace: &Workspace) -> Result<&Path> {
    std::fs::create_dir_all(&workspace.target)?;
    Ok(&workspace.target)
}

/// Installs the source package unless the pinned tarball is there already.
fn source_package(pin: &Pin) -> Result<()> {
    if pin.tarball.exists() && sums::check(&pin.tarball, &pin.sha256).is_ok() {
        return Ok(());
    }
    packages::ensure(&[&format!("{}={}", pin.package, pin.package_version)]).context(
        "the pinned kernel source is not to be had as a package; kernel-config/README.md names the second source",
    )?;
    sums::check(&pin.tarball, &pin.sha256)
}

fn unpack(pin: &Pin, work: &Path) -> Result<PathBuf> {
    run(Command::new("tar").arg("-xf").arg(&pin.tarball).arg("-C").arg(work))?;
    let mut entries = std::fs::read_dir(work)?;
    Ok(entries.next().context("the kernel tarball is empty")??.path())
}

fn configure(pin: &Pin, source: &Path, output: &Path, asked: &[Symbol]) -> Result<()> {
    run(make(pin, source, output).arg("allnoconfig"))?;
    let merged = output.join("asked.config");
    let lines: String = asked.iter().map(|symbol| symbol.line() + "\n").collect();
    std::fs::write(&merged, lines)?;
    let mut merge = Command::new(source.join("scripts/kconfig/merge_config.sh"));
    run(merge.current_dir(source).arg("-m").arg("-O").arg(output).arg(output.join(".config")).arg(&merged))?;
    run(make(pin, source, output).arg("olddefconfig"))?;
    let built = std::fs::read_to_string(output.join(".config"))?;
    let missing = kconfig::missing(asked, &built);
    ensure!(
        missing.is_empty(),
        "these symbols did not come out as asked (a dependency is missing):\n{}",
        missing.join("\n")
    );
    Ok(())
}

fn make(pin: &Pin, source: &Path, output: &Path) -> Command {
    let mut make = Command::new("make");
    make.arg("-C").arg(source).arg(format!("O={}", output.display())).env("LC_ALL", "C");
    make.env("KBUILD_BUILD_USER", &pin.build.user).env("KBUILD_BUILD_HOST", &pin.build.host);
    make.env("KBUILD_BUILD_TIMESTAMP", &pin.build.timestamp).env("KBUILD_BUILD_VERSION", &pin.build.version);
    make
}
