//! A Cargo that is started by a program that Cargo has started. Also part of the tests of `web`, which build other services.
//!
//! *Does*: passes on the environment, but for what was said of the program.
//! *Never does*: say where to build, or what.

use std::process::Command;

/// What the Cargo that started this program said of it is not passed on: build scripts that ask for it would run anew, and with them half of all crates be
/// compiled anew, whenever somebody else asks for the same.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}
