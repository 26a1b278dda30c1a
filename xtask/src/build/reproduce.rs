//! Whether two builds of one commit, in two directories, give the same image.
//!
//! *Does*: builds the committed source in a directory of another name and length, compares root hash and UKI with the build here.
//! *Never does*: judge what is not committed: a changed tree is compared with nothing, two clones are compared instead.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use patronus_image::sums;

use super::assemble::{self, BuiltImage};
use super::shell::run;
use super::variant::Variant;
use crate::progress;
use crate::workspace::Workspace;

/// Builds twice and compares. Both at a time: each ends with one long link that keeps one processor busy.
///
/// # Errors
/// When a build fails or the two differ; the message says in what.
pub fn reproduce(workspace: &Workspace) -> Result<()> {
    assemble::prepare(workspace)?;
    let is_committed = is_committed(workspace)?;
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| build_clone(workspace, "a-directory-with-a-longer-name"));
        let first = match is_committed {
            true => assemble::image(workspace, &Variant::default()),
            false => build_clone(workspace, "one"),
        };
        let second = second.join().map_err(|_| anyhow::anyhow!("the second build panicked"))?;
        anyhow::Ok((first?, second?))
    })?;
    compare("initramfs", &first.initrd, &second.initrd)?;
    ensure!(
        first.root_hash == second.root_hash,
        "two builds of one commit have the root hashes {} and {}",
        first.root_hash,
        second.root_hash
    );
    compare("UKI", &first.uki, &second.uki)?;
    compare("recovery UKI", &first.recovery, &second.recovery)?;
    compare("raw disk", &first.raw, &second.raw)?;
    println!("two builds in two directories have the root hash {}", first.root_hash);
    Ok(())
}

fn compare(what: &str, first: &Path, second: &Path) -> Result<()> {
    let (one, two) = (sums::of_file(first)?, sums::of_file(second)?);
    ensure!(one == two, "two builds of one commit differ in the {what}: {} and {}", first.display(), second.display());
    Ok(())
}

fn is_committed(workspace: &Workspace) -> Result<bool> {
    let status = run(Command::new("git").arg("-C").arg(&workspace.root).args(["status", "--porcelain"]))?;
    Ok(status.trim().is_empty())
}

fn build_clone(workspace: &Workspace, name: &str) -> Result<BuiltImage> {
    let place = workspace.target.join("reproduce").join(name);
    let clone =
        Workspace { root: place.join("patronus"), target: place.join("target"), cache: workspace.cache.clone() };
    progress::step(&format!("build the last commit in {}", place.display()), || {
        check_out(&workspace.root, &clone.root)?;
        assemble::image(&clone, &Variant::raw())
    })
}

/// A clone at the last commit; one that is there already is brought forward, so that a second check compiles only what changed.
fn check_out(from: &Path, to: &Path) -> Result<()> {
    let commit =
        run(Command::new("git").arg("-C").arg(from).args(["rev-parse", "HEAD"])).context("this is no git tree")?;
    if !to.exists() {
        run(Command::new("git").args(["clone", "--quiet", "--no-checkout"]).arg(from).arg(to))?;
    }
    run(Command::new("git").arg("-C").arg(to).args(["fetch", "--quiet", "origin"]))?;
    run(Command::new("git").arg("-C").arg(to).args(["checkout", "--quiet", "--detach", "--force", commit.trim()]))
        .map(drop)
}
