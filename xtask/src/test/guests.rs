//! The real image in emulated machines.

mod images;

use std::process::Command;

use anyhow::Result;

use super::tally::Tally;
use crate::{build::packages, workspace::Workspace};

/// What looks at the page and into disks.
const PACKAGES: &[&str] = &["chromium-headless-shell", "e2fsprogs", "util-linux"];
/// Machines at one time: two keep two processors busy, more only make each other late.
const MACHINES_AT_ONCE: &str = "--test-threads=2";

/// Runs the group.
pub(super) fn run(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    packages::ensure(packages::MACHINE_TOOLS)?;
    packages::ensure(PACKAGES)?;
    images::build(workspace)?;
    // Not by its name: a group before this one may have linked this program anew, and the old file is gone.
    let mut reproduce = Command::new("/proc/self/exe");
    reproduce.env("CARGO_TARGET_DIR", &workspace.target).arg("reproduce");
    tally.check("two_builds_of_one_commit_in_two_directories_are_the_same_bytes", &mut reproduce)?;
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(&workspace.root).args(["test", "--package", "patronus-qemu", "--test", "guests"]);
    command.env("CARGO_TARGET_DIR", &workspace.target).env("RUST_BACKTRACE", "0").args(["--", MACHINES_AT_ONCE]);
    command.args(tally.filter());
    tally.cargo_test("tests in emulated machines", &mut command)
}
