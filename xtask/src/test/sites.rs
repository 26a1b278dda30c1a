//! Many sites at once: as cores under a virtual clock, and as real services in network namespaces.

use std::process::Command;

use anyhow::Result;

use super::{TestArgs, tally::Tally};
use crate::{build::packages, lab, workspace::Workspace};

/// Random lives in every run of the tests.
const SEEDS: u64 = 6;
/// Fleets at one time: each has up to one and a half gigabytes.
const FLEETS_AT_ONCE: &str = "--test-threads=2";

/// What is promised of a fleet, then lives of small ones in which everything goes wrong. With seeds named, these lives alone; with a number
/// of sites, the promises of such a fleet.
pub(super) fn simulate(workspace: &Workspace, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let sim = |arguments: &[String]| {
        let mut run = cargo(workspace, &["run", "--quiet", "--package", "patronus-sim", "--"]);
        run.args(arguments);
        run
    };
    if let Some(sites) = args.sites {
        return tally.cargo_test("promises of a large fleet", &mut sim(&["--sites".to_owned(), sites.to_string()]));
    }
    if args.seeds.is_none() && args.seed.is_none() {
        let mut promises = cargo(workspace, &["test", "--package", "patronus-sim", "--no-fail-fast"]);
        promises.args(tally.filter()).args(["--", FLEETS_AT_ONCE, "--show-output"]);
        tally.cargo_test("promises of a fleet", &mut promises)?;
    }
    let count = args.seeds.unwrap_or(if args.seed.is_some() { 1 } else { SEEDS });
    let mut lives = vec![format!("--seeds={count}"), format!("--first={}", args.seed.unwrap_or(1))];
    lives.extend(args.step.map(|step| format!("--step={step}")));
    tally.cargo_test("lives of fleets", &mut sim(&lives))
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
    let mut command = workspace.cargo();
    command.args(arguments);
    command
}
