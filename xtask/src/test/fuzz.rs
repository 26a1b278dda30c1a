//! Ten seconds of random input for each parser that strangers reach.
//!
//! *Does*: build the targets of `tests/fuzz` with the coverage counters that libFuzzer steers by, and run each.
//! *Never does*: need a nightly compiler: the counters are plain code generation options, the address sanitizer is left out
//! because the parsers hold no unsafe code.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::tally::Tally;
use crate::{build::packages, progress, workspace::Workspace};

/// As in `tests/fuzz/.cargo/config.toml`, which has the options of the counters.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// libFuzzer itself is C++.
const PACKAGES: &[&str] = &["g++"];
/// For each target.
const SECONDS: &str = "-max_total_time=10";
/// A parser that takes more memory than this has no limit where it should have one.
const MEMORY_MIB: &str = "-rss_limit_mb=512";
/// A parser that takes longer than this for one input is not linear.
const SLOWEST_INPUT_S: &str = "-timeout=5";

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    bin: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Runs the group.
pub(super) fn run(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    packages::ensure(PACKAGES)?;
    let targets = targets(workspace)?;
    let wanted: Vec<String> = targets.into_iter().filter(|name| tally.wants(name)).collect();
    if !wanted.is_empty() {
        progress::step("build the fuzz targets", || build(workspace))?;
    }
    let check = |name: &String| Ok((format!("fuzz_{name}_finds_nothing_in_10_s"), fuzz(workspace, name)?));
    tally.check_together(wanted.iter().map(check).collect::<Result<_>>()?)
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let path = manifest(workspace);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(toml::from_str::<Manifest>(&text)?.bin.into_iter().map(|target| target.name).collect())
}

/// Cargo takes the options of the counters from the directory it runs in; they must not come from the environment as well.
fn build(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--release", "--locked", "--bins"]).current_dir(workspace.root.join("tests/fuzz"));
    cargo.env("CARGO_TARGET_DIR", workspace.target.join("fuzz")).env_remove("RUSTFLAGS");
    ensure!(cargo.status()?.success(), "cannot build the fuzz targets");
    Ok(())
}

/// New inputs go into the first directory, which is not under version control; the corpus is the second.
fn fuzz(workspace: &Workspace, name: &str) -> Result<Command> {
    let findings = workspace.target.join(format!("fuzz-findings/{name}/"));
    std::fs::create_dir_all(&findings)?;
    let mut target = Command::new(workspace.target.join("fuzz").join(TRIPLE).join("release").join(name));
    target.args([SECONDS, MEMORY_MIB, SLOWEST_INPUT_S]).arg(format!("-artifact_prefix={}", findings.display()));
    target.arg(findings);
    let corpus = workspace.root.join("tests/fuzz/corpus").join(name);
    if corpus.is_dir() {
        target.arg(corpus);
    }
    Ok(target)
}

fn manifest(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests/fuzz/Cargo.toml")
}
