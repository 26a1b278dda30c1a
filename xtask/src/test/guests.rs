//! The real image in emulated machines.

mod images;

use std::{path::Path, process::Command};

use anyhow::Result;

use super::{programs::Programs, tally::Tally};
use crate::{
    build::{self, packages},
    workspace::Workspace,
};

/// What looks at the page and into disks, and what a guest with other implementations of WireGuard holds.
const PACKAGES: &[&str] =
    &["binutils", "chromium-headless-shell", "e2fsprogs", "iproute2", "util-linux", "wireguard-go", "wireguard-tools"];
/// Where these crates are.
pub(super) const MACHINES: &str = "tests/qemu";
pub(super) const INTEROP: &str = "tests/interop";
/// Machines at one time: two keep two processors busy, more only make each other late.
const MACHINES_AT_ONCE: &str = "--test-threads=2";

/// Runs the group.
pub(super) fn run(workspace: &Workspace, programs: &Programs<'_>, tally: &mut Tally) -> Result<()> {
    packages::ensure(packages::MACHINE_TOOLS)?;
    packages::ensure(PACKAGES)?;
    build::prepare(workspace)?;
    // First, because it builds the image, too, and both at a time. Not by its name: a group before this one may have linked this program
    // anew, and the old file is gone.
    let mut reproduce = Command::new("/proc/self/exe");
    reproduce.env("CARGO_TARGET_DIR", &workspace.target).arg("reproduce");
    tally.check("two_builds_of_one_commit_in_two_directories_are_the_same_bytes", &mut reproduce)?;
    images::build(workspace)?;
    programs.run(tally, |crate_| [MACHINES, INTEROP].map(Path::new).contains(&crate_), &[MACHINES_AT_ONCE])
}
