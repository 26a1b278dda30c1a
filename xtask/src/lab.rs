//! `lab`: whole sites on this machine, for people: up, status, down, demo.
//!
//! *Does*: build the services and the lab, then hand over.
//! *Never does*: anything that `tests/lab` does.

use std::{os::unix::process::CommandExt, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{
    build::{ebpf, packages},
    workspace::Workspace,
};

/// Namespaces, and services without some rights.
pub(crate) const PACKAGES: &[&str] = &["iproute2", "util-linux"];
/// The services of a whole site.
pub(crate) const SERVICES: [&str; 7] = [
    "patronus-config",
    "patronus-link",
    "patronus-tunnel",
    "patronus-mesh",
    "patronus-prober",
    "patronus-router",
    "patronus-datapath",
];

/// What a person can choose: see `./scripts/lab help`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct LabArgs {
    /// `up [--sites N] [--uplinks M] [--one-lan]`, `status [--json]`, `down`, `demo [--record FILE]`.
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
    ebpf::object(workspace)?;
    let mut cargo = workspace.cargo();
    cargo
        .args(["build", "--quiet", "--bins"])
        .args(SERVICES.iter().chain(["patronus-lab"].iter()).flat_map(|name| ["--package", name]));
    ensure!(cargo.status()?.success(), "the services do not build");
    Ok(workspace.target.join("debug"))
}
