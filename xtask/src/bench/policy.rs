//! `bench policy`: choosing paths for packets between sites, and compiling policies.
//!
//! *Does*: the decision of the programs on one processor, built as in the image, over tables in memory.
//! *Spec*: `docs/SPECIFICATION.md`, promise "verify".

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::report::{Report, Runs};
use crate::{progress, workspace::Workspace};

const PROGRAM: &str = "measure-policy";

/// What a person can choose.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Runs of everything.
    #[arg(long, default_value_t = 7)]
    runs: u32,
}

/// Runs the benchmark.
pub(super) fn run(workspace: &Workspace, args: &PolicyArgs) -> Result<()> {
    progress::step("build what measures", || build(workspace))?;
    let mut runs = Runs::default();
    for run in 1..=args.runs {
        progress::step(&format!("run {run} of {}", args.runs), || measure(workspace, &mut runs))?;
    }
    let report = Report::new("./scripts/bench policy", &runs, None)?;
    report.show();
    println!("\n{}", report.write(workspace, "policy")?.display());
    Ok(())
}

/// As in the image.
fn build(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--release", "--package", "patronus-datapath", "--example", PROGRAM]);
    ensure!(cargo.status()?.success(), "it does not build");
    Ok(())
}

fn measure(workspace: &Workspace, runs: &mut Runs) -> Result<()> {
    let output = Command::new(workspace.target.join("release/examples").join(PROGRAM)).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8(output.stdout)?.lines() {
        let mut words = line.split_whitespace();
        let (name, value) = (words.next(), words.next().context("no value")?.parse()?);
        match name {
            Some("decisions") => runs.note("decisions", "/s", value),
            Some("decisions_1000_rules") => runs.note("decisions_1000_rules", "/s", value),
            Some("compile_1000_rules") => runs.note("compile_1000_rules", "ms", value),
            _ => {}
        }
    }
    Ok(())
}
