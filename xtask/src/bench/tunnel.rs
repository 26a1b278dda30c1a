//! `bench tunnel`: what a tunnel between two sites carries, what that costs, and how long a packet takes.
//!
//! *Does*: two network namespaces on one cable, our service or a rival at both ends; each load with each of them in turns, so that
//! what else the machine does hits all alike.
//! *Never does*: compare runs of different calls; quote a rival that did not run.
//! *Spec*: `docs/SPECIFICATION.md`, promise "tunnel".

mod load;
mod pair;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;

use self::{
    load::{Load, RoundTrips},
    pair::{Implementation, Pair},
};
use super::report::{Report, Runs};
use crate::{build::packages, progress, workspace::Workspace};

/// What generates load, and the rival that every distribution has.
const PACKAGES: &[&str] = &["iperf3", "iproute2", "util-linux", "wireguard-go", "wireguard-tools"];

/// What a person can choose.
#[derive(Debug, Args)]
pub struct TunnelArgs {
    /// Runs of each load with each implementation.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Seconds of each load.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Another wireguard-go than the distribution's, which may be years old.
    #[arg(long, default_value = "wireguard-go")]
    wireguard_go: PathBuf,
    /// Compare with this boringtun-cli, too.
    #[arg(long)]
    boringtun_cli: Option<PathBuf>,
    /// Compare with this gotatun, too.
    #[arg(long)]
    gotatun: Option<PathBuf>,
}

/// Runs the benchmark.
pub(super) fn run(workspace: &Workspace, args: &TunnelArgs) -> Result<()> {
    packages::ensure(PACKAGES)?;
    let program = build(workspace)?;
    let mut implementations = vec![Implementation::ours(program), Implementation::wireguard_go(&args.wireguard_go)];
    implementations.extend(args.boringtun_cli.as_deref().map(Implementation::boringtun_cli));
    implementations.extend(args.gotatun.as_deref().map(Implementation::gotatun));
    let mut runs: Vec<Runs> = implementations.iter().map(|_| Runs::default()).collect();
    for run in 1..=args.runs {
        for (implementation, runs) in implementations.iter().zip(&mut runs) {
            let name = implementation.name();
            progress::step(&format!("run {run} of {}: {name}", args.runs), || {
                once(implementation, args.seconds, runs)
            })?;
        }
    }
    let names = implementations.iter().map(Implementation::name);
    let mut named = names.zip(&runs);
    let Some((_, ours)) = named.next() else { return Ok(()) };
    let rivals: Vec<(&str, &Runs)> = named.collect();
    let report = Report::against("./scripts/bench tunnel", ours, &rivals)?;
    report.show();
    println!("\n{}", report.write(workspace, "tunnel")?.display());
    Ok(())
}

/// As it is in the image.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    progress::step("build the tunnel", || {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--quiet", "--release", "--package", "patronus-tunnel"]);
        ensure!(cargo.status()?.success(), "the tunnel does not build");
        Ok(())
    })?;
    Ok(workspace.target.join("release/patronus-tunnel"))
}

/// All loads with one implementation.
fn once(implementation: &Implementation, seconds: u32, runs: &mut Runs) -> Result<()> {
    let pair = Pair::start(implementation)?;
    let idle = RoundTrips::start(&pair).finish()?;
    runs.note("rtt_idle", "us", idle);
    let round_trips = RoundTrips::start(&pair);
    let one = Load::tcp(1).run(&pair, seconds)?;
    runs.note("rtt_loaded", "us", round_trips.finish()?);
    runs.note("tcp_1_stream", "Gb/s", one.gigabits_per_second);
    runs.note("cpu_per_gigabit", "ms/Gb", one.cpu_ms_per_gigabit);
    let eight = Load::tcp(8).run(&pair, seconds)?;
    runs.note("tcp_8_streams", "Gb/s", eight.gigabits_per_second);
    runs.note("cpu_per_gigabit_8", "ms/Gb", eight.cpu_ms_per_gigabit);
    for (name, bytes) in [("udp_1400", 1400), ("udp_64", 64)] {
        let udp = Load::udp(bytes).run(&pair, seconds)?;
        runs.note(name, "Gb/s", udp.gigabits_per_second);
    }
    Ok(())
}
