//! Runs the commands of the build.
//!
//! *Does*: one command, its output captured, a failure that carries what it said.
//! *Never does*: go through a shell.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Runs a command and returns its standard output.
///
/// # Errors
/// When it cannot start or fails.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command.output().with_context(|| format!("start {line}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{line} failed:\n{said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

/// Whether a command starts and succeeds.
pub(super) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
