//! `link`: the shell around the core in `lib.rs`.
//!
//! *Does*: close the box towards WAN, then keep ports, addresses and routes as the configuration says, and tell others about them.
//! *Never does*: undo anything when it ends: a restart must not disturb a connection.
//! *Spec*: `docs/ARCHITECTURE.md`, section "link".
#![deny(unsafe_code)]

mod shell;

use std::process::ExitCode;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("link: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), shell::Fatal> {
    let context = patronus_ipc::Context::from_env()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| shell::Fatal::Io("runtime", error))?.block_on(shell::service::run(context))
}
