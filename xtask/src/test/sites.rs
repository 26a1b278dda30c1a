//! Many sites at once: as cores under a virtual clock, and as real services in network namespaces.

use std::process::Command;

use anyhow::Result;

use super::tally::Tally;
use crate::{build::packages, lab, workspace::Workspace};

/// Random lives in every run of the tests.
const SEEDS: u64 = 6;
/// Fleets at one time: each is of hundreds of megabytes.
const FLEETS_AT_ONCE: &str = "--test-threads=1";

/// What is promised of a fleet, then lives of small ones in which everything goes wrong. With seeds named, these lives alone.
pub(super) fn simulate(workspace: &Workspace, seeds: Option<u64>, seed: Option<u64>, tally: &mut Tally) -> Result<()> {
    if seeds.is_none() && seed.is_none() {
        let mut promises = cargo(workspace, &["test", "--package", "patronus-sim", "--no-fail-fast"]);
        promises.args(tally.filter()).args(["--", FLEETS_AT_ONCE, "--show-output"]);
        tally.cargo_test("promises of a fleet", &mut promises)?;
    }
    let count = seeds.unwrap_or(if seed.is_some() { 1 } else { SEEDS }).to_string();
    let first = seed.unwrap_or(1).to_string();
    let lives = ["run", "--quiet", "--package", "patronus-sim", "--", "--seeds", &count, "--first", &first];
    tally.cargo_test("lives of fleets", &mut cargo(workspace, &lives))
}

/// Whole sites behind simulated providers.
pub(super) fn lab(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    packages::ensure(lab::PACKAGES)?;
    let programs = lab::build(workspace)?;
    let mut tests = cargo(workspace, &["test", "--package", "patronus-lab", "--no-fail-fast"]);
    tests.env("PATRONUS_LAB_PROGRAMS", programs).args(tally.filter());
    tests.args(["--", "--test-threads=1", "--show-output"]);
    tally.cargo_test("whole sites", &mut tests)
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target).args(arguments);
    command
}
