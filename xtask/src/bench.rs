//! `bench`: figures that anybody can measure again.
//!
//! *Does*: run one benchmark, print a table for people, write `target/bench/NAME.json` for programs.
//! *Never does*: quote a figure that was not measured in this run.

mod boot;
mod datapath;
mod debian;
mod failover;
mod forward;
mod mesh;
mod policy;
mod report;
mod tunnel;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::workspace::Workspace;

/// What a person can choose.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// From power to page: times, sizes, memory, processes.
    Boot(boot::BootArgs),
    /// The datapath's verdict about one packet: nanoseconds, by flows and rules.
    Datapath,
    /// Paths that fail: for how long traffic is interrupted, and how often a good one is left, against other daemons.
    Failover(failover::FailoverArgs),
    /// Between LAN and Internet: packets, throughput, processor time, against the kernel's own filters.
    Forward(forward::ForwardArgs),
    /// Membership: signatures, announcements, memory, the time that a new site takes.
    Mesh(mesh::MeshArgs),
    /// Paths for packets between sites: decisions, and the time to compile a policy.
    Policy(policy::PolicyArgs),
    /// Tunnels between two sites: throughput, processor time, round trips, against other implementations.
    Tunnel(tunnel::TunnelArgs),
}

/// Runs the command.
///
/// # Errors
/// If something cannot be built, booted or measured.
pub fn bench(workspace: &Workspace, args: &BenchArgs) -> Result<()> {
    match &args.benchmark {
        Benchmark::Boot(args) => boot::run(workspace, args),
        Benchmark::Datapath => datapath::run(workspace),
        Benchmark::Failover(args) => failover::run(workspace, args),
        Benchmark::Forward(args) => forward::run(workspace, args),
        Benchmark::Mesh(args) => mesh::run(workspace, args),
        Benchmark::Policy(args) => policy::run(workspace, args),
        Benchmark::Tunnel(args) => tunnel::run(workspace, args),
    }
}
