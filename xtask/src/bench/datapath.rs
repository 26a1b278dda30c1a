//! `bench datapath`: what the verdict about one packet costs, without the kernel's own way before and behind it.
//!
//! *Does*: build what measures as the rest is built for people, run it, sum up what it says.
//! *Never does*: measure: `services/datapath/examples/measure.rs` does, in a network namespace of its own.
//! *Spec*: `docs/performance.md`, section "datapath"; `docs/SPECIFICATION.md`, promise "decide".

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::report::{Report, Runs};
use crate::{
    build::{ebpf, packages},
    lab, progress,
    workspace::Workspace,
};

/// Runs the benchmark.
pub(super) fn run(workspace: &Workspace) -> Result<()> {
    packages::ensure(lab::PACKAGES)?;
    ebpf::object(workspace)?;
    progress::step("build what measures", || {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--quiet", "--package", "patronus-datapath", "--example", "measure"]);
        ensure!(cargo.status()?.success(), "it does not build");
        Ok(())
    })?;
    let mut runs = Runs::default();
    progress::step("measure", || {
        let program = workspace.target.join("debug/examples/measure");
        let output = Command::new(program).arg(workspace.target.join("ebpf")).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in String::from_utf8(output.stdout)?.lines() {
            let mut words = line.split_whitespace();
            let (name, unit) = (words.next().context("no name")?, words.next().context("no unit")?);
            runs.note(name, unit, words.next().context("no value")?.parse()?);
        }
        Ok(())
    })?;
    let report = Report::new("./scripts/bench datapath", &runs, None)?;
    report.show();
    println!("\n{}", report.write(workspace, "datapath")?.display());
    Ok(())
}
