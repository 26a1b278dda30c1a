//! The work behind `scripts/*`: build the image, run it, test it, measure it.

#![allow(unreachable_pub, reason = "a program exports nothing; `pub` marks what a module offers the others")]

mod build;
mod progress;
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
}

fn main() -> Result<()> {
    let workspace = Workspace::find()?;
    match Cli::parse().task {
        Task::Image(args) => build::command::image(&workspace, &args),
    }
}
