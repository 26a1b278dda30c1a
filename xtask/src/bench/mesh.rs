//! `bench mesh`: what membership costs, and how long a new site takes to be one of the network.
//!
//! *Does*: the core's figures on one processor, built as in the image; the time from a pasted token to tunnels on all paths, with whole
//! sites of the lab, whose programs are those of the tests.
//! *Spec*: `docs/SPECIFICATION.md`, promises "join", "verify", "scale".

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use patronus_lab::{Net, Wiring};

use super::report::{Report, Runs};
use crate::{build::packages, lab, progress, workspace::Workspace};

const UPLINKS: u8 = 2;
/// Of a pair.
const PATHS: usize = 4;

/// What a person can choose.
#[derive(Debug, Args)]
pub struct MeshArgs {
    /// Runs of everything.
    #[arg(long, default_value_t = 5)]
    runs: u32,
}

/// Runs the benchmark.
pub(super) fn run(workspace: &Workspace, args: &MeshArgs) -> Result<()> {
    packages::ensure(lab::PACKAGES)?;
    let programs = progress::step("build the services", || lab::build(workspace))?;
    progress::step("build what measures", || build(workspace))?;
    let mut runs = Runs::default();
    for run in 1..=args.runs {
        progress::step(&format!("run {run} of {}", args.runs), || {
            measure(workspace, &mut runs)?;
            runs.note("join_on_lan", "ms", join(&programs, Wiring::OneLan));
            runs.note("join_through_seed", "ms", join(&programs, Wiring::Routed));
            Ok(())
        })?;
    }
    let report = Report::new("./scripts/bench mesh", &runs, None)?;
    report.show();
    println!("\n{}", report.write(workspace, "mesh")?.display());
    Ok(())
}

/// As in the image.
fn build(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--release", "--package", "patronus-sim", "--bin", "patronus-measure"]);
    ensure!(cargo.status()?.success(), "it does not build");
    Ok(())
}

fn measure(workspace: &Workspace, runs: &mut Runs) -> Result<()> {
    let output = Command::new(workspace.target.join("release/patronus-measure")).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8(output.stdout)?.lines() {
        let mut words = line.split_whitespace();
        let (name, value) = (words.next(), words.nth(1).context("no value")?.parse()?);
        match name {
            Some("signatures_verified") => runs.note("signatures_verified", "/s", value),
            Some("announcements_handled") => runs.note("announcements_handled", "/s", value),
            Some("memory_per_peer") => runs.note("memory_per_peer", "B", value),
            _ => {}
        }
    }
    Ok(())
}

/// From the token to all paths up on both sides, in milliseconds.
fn join(programs: &Path, wiring: Wiring) -> f64 {
    let net = Net::new(programs, 2, UPLINKS, wiring);
    let began = Instant::now();
    net.found();
    for site in &net.sites {
        site.wait_for_paths(PATHS);
    }
    began.elapsed().as_secs_f64() * 1_000.0
}
