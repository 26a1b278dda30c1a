//! `test`: everything that must hold, by name, with one count at the end.
//!
//! *Does*: build what the tests need, run the groups in order, stream what they say, count.
//! *Never does*: retry, or count as passed what did not run.

mod fuzz;
mod guests;
mod programs;
mod sites;
mod tally;
mod unit;

use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::workspace::Workspace;
use programs::Programs;
use tally::Tally;

/// What a person can choose.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Which groups; all without one.
    groups: Vec<Group>,
    /// So many random lives of fleets, in the group `sim`.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed of these, or the one that is to be lived again.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// The life of that seed only until this step, and with what led to it.
    #[arg(long, value_name = "STEP", requires = "seed")]
    step: Option<u64>,
    /// The promises of one fleet of so many sites behind four seeds, in the group `sim`. Its memory grows with their square.
    #[arg(long, value_name = "N")]
    sites: Option<u32>,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// Tests that need the same surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Every crate's own tests, and checks of the source itself.
    Unit,
    /// Hundreds of sites under a virtual clock.
    Sim,
    /// Whole sites in network namespaces.
    Lab,
    /// Ten seconds of random input for each parser.
    Fuzz,
    /// The real image in emulated machines.
    Qemu,
}

impl Group {
    /// As it is typed.
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Runs the command.
///
/// # Errors
/// If something that tests need cannot be built, or a test failed.
pub fn test(workspace: &Workspace, args: &TestArgs) -> Result<()> {
    let groups = if args.groups.is_empty() { Group::value_variants() } else { &args.groups };
    let mut tally = Tally::new(args.filter.as_deref());
    let programs = Programs::new(workspace);
    let mut took = Vec::new();
    for group in groups {
        let (name, began) = (group.name(), Instant::now());
        println!("\n== {name} ==");
        let run = match group {
            Group::Unit => unit::run(workspace, &programs, &mut tally),
            Group::Sim => sites::simulate(&programs, args, &mut tally),
            Group::Lab => sites::lab(&programs, &mut tally),
            Group::Fuzz => fuzz::run(workspace, &mut tally),
            Group::Qemu => guests::run(workspace, &programs, &mut tally),
        };
        // A group that could not run must not take the others' verdicts with it.
        if let Err(error) = run {
            tally.fail(&format!("group {group:?} could not run"), &format!("{error:#}"));
        }
        took.push(format!("{name} {} s", began.elapsed().as_secs()));
    }
    tally.show_failures();
    println!("took {}", took.join(", "));
    println!("{tally}");
    if tally.failed() > 0 {
        // The count is the last line: no error message behind it.
        std::process::exit(1);
    }
    Ok(())
}
