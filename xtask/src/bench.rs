//! `bench`: figures that anybody can measure again.
//!
//! *Does*: run one benchmark, print a table for people, write `target/bench/NAME.json` for programs.
//! *Never does*: quote a figure that was not measured in this run.

mod boot;
mod debian;
mod mesh;
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
    /// Membership: signatures, announcements, memory, the time that a new site takes.
    Mesh(mesh::MeshArgs),
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
        Benchmark::Mesh(args) => mesh::run(workspace, args),
        Benchmark::Tunnel(args) => tunnel::run(workspace, args),
    }
}
