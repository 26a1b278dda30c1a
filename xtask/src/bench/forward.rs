//! `bench forward`: what a router carries and refuses between LAN and WAN, and what that costs.
//!
//! *Does*: a computer, a router and somebody outside, each in a network namespace; the same loads through our datapath, through the plain kernel, and
//! through packet filters of the kernel, in turns, so that what else the machine does hits all alike.
//! *Never does*: compare runs of different calls; quote a rival that did not run.
//! *Spec*: `docs/performance.md`, section "forward".

mod bed;
mod load;

use anyhow::{Result, ensure};
use clap::Args;

use self::bed::{Bed, Kind};
use super::report::{Report, Runs};
use crate::{
    build::{ebpf, packages},
    progress,
    workspace::Workspace,
};

/// What generates load, and the rivals.
const PACKAGES: &[&str] = &["iperf3", "iproute2", "iptables", "nftables"];

/// What a person can choose.
#[derive(Debug, Args)]
pub struct ForwardArgs {
    /// Runs of each load through each router.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Seconds of each load.
    #[arg(long, default_value_t = 2)]
    seconds: u32,
}

/// Runs the benchmark.
pub(super) fn run(workspace: &Workspace, args: &ForwardArgs) -> Result<()> {
    packages::ensure(PACKAGES)?;
    let programs = build(workspace)?;
    let beds = Kind::ALL.iter().map(|kind| Ok((*kind, Bed::new(*kind, &programs)?))).collect::<Result<Vec<_>>>()?;
    let mut columns = Kind::COLUMNS.map(|kind| (kind.name(), Runs::default()));
    for run in 1..=args.runs {
        for (kind, bed) in &beds {
            progress::step(&format!("run {run} of {}: {kind:?}", args.runs), || {
                once(*kind, bed, args.seconds, &mut columns)
            })?;
        }
    }
    let mut named = columns.iter().map(|(name, runs)| (*name, runs));
    let Some((_, ours)) = named.next() else { return Ok(()) };
    let rivals: Vec<(&str, &Runs)> = named.collect();
    let report = Report::against("./scripts/bench forward", ours, &rivals)?;
    report.show();
    println!("\n{}", report.write(workspace, "forward")?.display());
    Ok(())
}

/// The object as it is in the image. How the services were built says nothing: no packet meets them.
fn build(workspace: &Workspace) -> Result<std::path::PathBuf> {
    ebpf::object(workspace)?;
    progress::step("build the services", || {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--quiet"]);
        cargo.args(["--package", "patronus-link", "--package", "patronus-datapath"]);
        ensure!(cargo.status()?.success(), "the services do not build");
        Ok(())
    })?;
    Ok(workspace.target.clone())
}

/// All loads through one router, noted in its column.
fn once(kind: Kind, bed: &Bed, seconds: u32, columns: &mut [(&str, Runs)]) -> Result<()> {
    let Some((_, runs)) = columns.iter_mut().find(|(name, _)| *name == kind.name()) else { return Ok(()) };
    if kind.lists() {
        let refused = load::datagrams(&bed.far, bed::OUTSIDE, bed.router(), seconds)?;
        runs.note("drop_listed", "packets/s", refused.per_second);
        runs.note("drop_listed_cpu", "ns/packet", refused.cpu_ns);
        return Ok(());
    }
    let forwarded = load::datagrams(&bed.computer, bed::FAR, &bed.far, seconds)?;
    runs.note("forward", "packets/s", forwarded.per_second);
    runs.note("forward_cpu", "ns/packet", forwarded.cpu_ns);
    let stream = load::stream(&bed.computer, &bed.far, bed::FAR, seconds)?;
    runs.note("tcp", "Gb/s", stream.per_second);
    runs.note("tcp_cpu", "ns/kB", stream.cpu_ns);
    if kind.refuses() {
        let refused = load::datagrams(&bed.far, bed::OUTSIDE, bed.router(), seconds)?;
        runs.note("drop", "packets/s", refused.per_second);
        runs.note("drop_cpu", "ns/packet", refused.cpu_ns);
    }
    Ok(())
}
