//! `mesh`: the shell around the core in `lib.rs`.
//!
//! *Does*: keys and roster on disk, sockets on the LAN and the uplinks, requests of other services.
//! *Never does*: decide who is a member: [`patronus_mesh`] does.
//! *Spec*: `docs/ipc.md`, section "mesh"; `docs/membership.md`.
#![forbid(unsafe_code)]

mod shell;

use std::process::ExitCode;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Also when logging could not be set up.
            println!("mesh: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), shell::Fatal> {
    let context = patronus_ipc::Context::from_env()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| shell::Fatal::Io("runtime", error))?.block_on(shell::service::run(context))
}
