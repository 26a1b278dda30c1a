//! `patronus-sim`: stories of many seeds, or of one again.
#![forbid(unsafe_code)]

use std::process::{Command, ExitCode};

use clap::Parser;

/// Lives of small fleets in which everything goes wrong.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 8)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 1)]
    first: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut failed = false;
    for seed in arguments.first..arguments.first.saturating_add(arguments.seeds) {
        let name = format!("fleet_of_seed_{seed}_is_well_in_the_end");
        match std::panic::catch_unwind(|| patronus_sim::tell(seed)) {
            Ok(fleet) => println!(
                "test {name} ... ok ({} sites, {} steps, {} looks)",
                fleet.sites.len(),
                fleet.step,
                fleet.check.looks
            ),
            Err(_) => {
                failed = true;
                println!("test {name} ... FAILED");
                println!("  commit {}: again with ./scripts/test sim --seed {seed}", commit());
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn commit() -> String {
    let described = Command::new("git").args(["describe", "--always", "--dirty", "--exclude", "*"]).output();
    described.ok().and_then(|it| String::from_utf8(it.stdout).ok()).map_or_else(String::new, |it| it.trim().to_owned())
}
