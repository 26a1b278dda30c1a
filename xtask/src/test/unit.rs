//! Every crate's own tests, and checks of the source itself.

use std::{path::Path, process::Command};

use anyhow::Result;

use super::{guests, programs::Programs, sites, tally::Tally};
use crate::{build::packages, progress, workspace::Workspace};

/// Crates whose tests other groups run: `qemu`, `sim` and `lab`.
const OF_OTHER_GROUPS: [&str; 4] = [guests::MACHINES, guests::INTEROP, sites::SIM, sites::LAB];
/// Tools of the tests: a browser for the pages, partition tables to compare with, network namespaces, another NAT, other users, another WireGuard.
const PACKAGES: &[&str] =
    &["chromium-headless-shell", "gdisk", "iproute2", "nftables", "util-linux", "wireguard-go", "wireguard-tools"];
/// Pinned like every other dependency.
const DENY_VERSION: &str = "0.20.2";

/// Runs the group.
pub(super) fn run(workspace: &Workspace, programs: &Programs<'_>, tally: &mut Tally) -> Result<()> {
    packages::ensure(packages::IMAGE_TOOLS)?;
    packages::ensure(PACKAGES)?;
    let cargo = |arguments: &[&str]| {
        let mut command = workspace.cargo();
        command.args(arguments);
        command
    };
    tally.check("the_source_is_formatted", &mut cargo(&["fmt", "--all", "--check"]))?;
    // Workspaces of their own.
    for (name, manifest) in [
        ("the_programs_are_formatted", "--manifest-path=ebpf/programs/Cargo.toml"),
        ("the_fuzz_targets_are_formatted", "--manifest-path=tests/fuzz/Cargo.toml"),
    ] {
        tally.check(name, &mut cargo(&["fmt", manifest, "--check"]))?;
    }
    tally.check(
        "clippy_finds_nothing",
        &mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    )?;
    check_dependencies(workspace, tally)?;
    programs.run(tally, |crate_| !OF_OTHER_GROUPS.map(Path::new).contains(&crate_), &[])?;
    let filter = tally.filter().map(str::to_owned);
    tally.run_tests("examples in the documentation", cargo(&["test", "--workspace", "--doc"]).args(filter))
}

/// Licences, bans and sources are judged by what is here; advisories need their database from the network.
fn check_dependencies(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    let names = ["dependencies_have_allowed_licences_and_sources", "dependencies_have_no_known_advisory"];
    if !names.iter().any(|name| tally.wants(name)) {
        return Ok(());
    }
    let tool = install_deny(workspace)?;
    let deny = |checks: &[&str]| {
        let mut command = Command::new(&tool);
        command.current_dir(&workspace.root).args(["--all-features", "check"]).args(checks);
        command
    };
    let [licences, advisories] = names;
    tally.check(licences, &mut deny(&["licenses", "bans", "sources"]))?;
    if !tally.wants(advisories) {
        return Ok(());
    }
    let fetched = Command::new(&tool).current_dir(&workspace.root).args(["fetch", "db"]).output()?;
    if fetched.status.success() {
        return tally.check(advisories, &mut deny(&["advisories"]));
    }
    tally.skip(advisories, "the RustSec database cannot be fetched from here");
    Ok(())
}

fn install_deny(workspace: &Workspace) -> Result<std::path::PathBuf> {
    let root = workspace.cache.join(format!("tools/cargo-deny-{DENY_VERSION}"));
    let tool = root.join("bin/cargo-deny");
    if !tool.is_file() {
        std::fs::create_dir_all(&workspace.cache)?;
        let mut install = workspace.cargo();
        install.args([
            "install",
            "cargo-deny",
            "--locked",
            "--no-default-features",
            "--version",
            DENY_VERSION,
            "--root",
        ]);
        install.envs(packages::QUICKLY);
        // Elsewhere than what is tested: it shares nothing with it.
        let building = tempfile::Builder::new().prefix(".making-").tempdir_in(&workspace.cache)?;
        install.env("CARGO_TARGET_DIR", building.path());
        progress::long_command(install.arg(&root), &workspace.cache.join("cargo-deny.log"), 1)?;
    }
    Ok(tool)
}
