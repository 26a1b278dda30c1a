//! `clock`: the shell around the core in `lib.rs`.
//!
//! *Does*: ask time servers over the uplinks, set the clock as the core decides, keep the mark, tell others how good the time is.
//! *Never does*: decide by itself; every correction comes from [`patronus_clock::Discipline`].
//! *Spec*: `docs/ARCHITECTURE.md`, section "clock".
#![deny(unsafe_code)]

mod shell;

use std::process::ExitCode;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clock: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), shell::Fatal> {
    let context = patronus_ipc::Context::from_env()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| shell::Fatal::Io("runtime", error))?.block_on(shell::service::run(context))
}
