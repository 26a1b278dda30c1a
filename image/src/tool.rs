//! Runs the outside tools that make file systems and disk formats.
//!
//! *Does*: runs one program, quietly, in a fixed environment; says what it said when it fails.
//! *Never does*: search for alternatives or try again.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// `name` with an environment in which the same input gives the same output.
#[must_use]
pub fn tool(name: &str, epoch_s: u64) -> Command {
    let mut command = Command::new(name);
    command.env("SOURCE_DATE_EPOCH", epoch_s.to_string()).env("TZ", "UTC").env("LC_ALL", "C");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", with_sbin(&path));
    }
    command
}

/// Runs a prepared command and returns what it printed.
///
/// # Errors
/// When it cannot start or fails; the message has its name and its output.
pub fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("start {name}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{name} failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

/// mkfs and friends lie in `/usr/sbin`, which an ordinary user's `PATH` lacks.
fn with_sbin(path: &OsStr) -> std::ffi::OsString {
    let mut path = path.to_owned();
    path.push(":/usr/sbin:/sbin");
    path
}
