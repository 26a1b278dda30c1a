//! The work behind `scripts/*`: build the image, run it, test it, measure it.

#![allow(unreachable_pub, reason = "a program exports nothing; `pub` marks what a module offers the others")]

mod bench;
mod build;
mod cargo;
mod interrupt;
mod lab;
mod progress;
mod run;
mod test;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

/// Builds, runs, tests and measures Patronus.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the image into `target/image`.
    Image(build::ImageArgs),
    /// Build the eBPF object into `target/ebpf`, where tests look for it.
    Ebpf,
    /// Build the last commit in two directories and compare.
    Reproduce,
    /// Build the image, boot it, and say where its page is.
    Run(run::RunArgs),
    /// Run every test, or some groups of them.
    Test(test::TestArgs),
    /// Measure something.
    Bench(bench::BenchArgs),
    /// Whole sites on this machine, in network namespaces: up, status, down.
    Lab(lab::LabArgs),
}

fn main() -> Result<()> {
    let workspace = Workspace::find()?;
    match Cli::parse().task {
        Task::Image(args) => build::command::image(&workspace, &args),
        Task::Ebpf => build::ebpf::object(&workspace).map(|object| println!("object     {}", object.display())),
        Task::Reproduce => build::reproduce(&workspace),
        Task::Run(args) => run::run(&workspace, &args),
        Task::Test(args) => test::test(&workspace, &args),
        Task::Bench(args) => bench::bench(&workspace, &args),
        Task::Lab(args) => lab::lab(&workspace, &args),
    }
}
