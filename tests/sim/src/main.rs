//! `patronus-sim`: stories of many seeds, or of one again.
#![forbid(unsafe_code)]

use std::{
    process::{Command, ExitCode},
    time::Instant,
};

use clap::Parser;
use patronus_sim::Plan;

/// Lives of small fleets in which everything goes wrong.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 8)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Only until this step, and with what led to it.
    #[arg(long)]
    step: Option<u64>,
    /// Instead: the promises of a fleet of so many sites behind four seeds.
    #[arg(long)]
    sites: Option<u32>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(sites) = arguments.sites {
        return large(sites);
    }
    let mut failed = false;
    patronus_sim::watch_for(arguments.step);
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
                let at = patronus_sim::moment();
                println!("  commit {}, step {} at {} ms", commit(), at.step, at.ms);
                println!("  again, up to this step: ./scripts/test sim --seed {seed} --step {}", at.step);
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What a large fleet costs belongs to the result.
fn large(sites: u32) -> ExitCode {
    let began = Instant::now();
    let plan = Plan { sites, per_lan: 2, seeds: 4, signers: 1, nat: true };
    let kept = std::panic::catch_unwind(|| patronus_sim::promises::keep(plan)).is_ok();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned();
    println!("took {:?}, {peak} at most", began.elapsed());
    println!("test fleet_of_{sites}_sites_keeps_its_promises ... {}", if kept { "ok" } else { "FAILED" });
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn commit() -> String {
    let described = Command::new("git").args(["describe", "--always", "--dirty", "--exclude", "*"]).output();
    described.ok().and_then(|it| String::from_utf8(it.stdout).ok()).map_or_else(String::new, |it| it.trim().to_owned())
}
