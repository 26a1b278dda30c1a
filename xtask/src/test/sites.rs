//! Many sites at once: as cores under a virtual clock, and as real services in network namespaces.

use std::path::Path;

use anyhow::Result;

use super::{TestArgs, programs::Programs, tally::Tally};
use crate::{build::packages, lab};

/// Where these crates are.
pub(super) const SIM: &str = "tests/sim";
pub(super) const LAB: &str = "tests/lab";
/// Random lives in every run of the tests.
const SEEDS: u64 = 6;
/// Fleets at one time: each has up to one and a half gigabytes.
const FLEETS_AT_ONCE: &str = "--test-threads=2";

/// What is promised of a fleet, then lives of small ones in which everything goes wrong. With seeds named, these lives alone; with a number
/// of sites, the promises of such a fleet.
pub(super) fn simulate(programs: &Programs<'_>, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let mut sim = programs.program("patronus-sim")?;
    if let Some(sites) = args.sites {
        return tally.run_tests("promises of a large fleet", sim.args(["--sites", &sites.to_string()]));
    }
    if args.seeds.is_none() && args.seed.is_none() {
        programs.run(tally, |crate_| crate_ == Path::new(SIM), &[FLEETS_AT_ONCE, "--show-output"])?;
    }
    let count = args.seeds.unwrap_or(if args.seed.is_some() { 1 } else { SEEDS });
    let mut lives = vec![format!("--seeds={count}"), format!("--first={}", args.seed.unwrap_or(1))];
    lives.extend(args.step.map(|step| format!("--step={step}")));
    tally.run_tests("lives of fleets", sim.args(lives))
}

/// Whole sites behind simulated providers.
pub(super) fn lab(programs: &Programs<'_>, tally: &mut Tally) -> Result<()> {
    packages::ensure(lab::PACKAGES)?;
    programs.run(tally, |crate_| crate_ == Path::new(LAB), &["--test-threads=1", "--show-output"])
}
