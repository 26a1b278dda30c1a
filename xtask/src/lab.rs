//! `lab`: whole sites on this machine, for people: up, status, down.
//!
//! *Does*: build the services and the lab, then hand over.
//! *Never does*: anything that `tests/lab` does.

use std::{os::unix::process::CommandExt, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{build::packages, workspace::Workspace};

/// Namespaces, and services without some rights.
pub(crate) const PACKAGES: &[&str] = &["iproute2", "util-linux"];
/// The services of a whole site, and the lab.
const CRATES: [&str; 5] = ["patronus-config", "patronus-link", "patronus-tunnel", "patronus-mesh", "patronus-lab"];

/// What a person can choose: see `./scripts/lab help`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct LabArgs {
    /// `up [--sites N] [--uplinks M] [--one-lan]`, `status [--json]`, `down`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    task: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// If something cannot be built; the lab says itself what else is wrong.
pub fn lab(workspace: &Workspace, args: &LabArgs) -> Result<()> {
    packages::ensure(PACKAGES)?;
    let programs = build(workspace)?;
    let state = workspace.target.join("lab/lab.json");
    let mut lab = Command::new(programs.join("patronus-lab"));
    lab.arg("--programs").arg(&programs).arg("--state").arg(state).args(&args.task);
    // Only comes back if it could not be started.
    Err(lab.exec()).context("the lab does not start")
}

/// Builds the programs; gives the directory where they are.
///
/// # Errors
/// If they do not build.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    cargo.args(["build", "--quiet", "--bins"]).args(CRATES.iter().flat_map(|name| ["--package", name]));
    ensure!(cargo.status()?.success(), "the services do not build");
    Ok(workspace.target.join("debug"))
}
