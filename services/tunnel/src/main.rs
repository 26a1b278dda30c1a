//! `tunnel`: the shell around the core in `lib.rs`.
//!
//! *Does*: a thread with its sockets for each uplink slot, a TUN device for each pair of slots; keys and the last wish of `mesh` on disk.
//! *Never does*: wait for another service to carry packets: it starts from its disk and the kernel.
//! *Spec*: `docs/tunnel.md`.
#![deny(unsafe_code)]

mod shell;

use std::process::ExitCode;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tunnel: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), shell::Fatal> {
    let context = patronus_ipc::Context::from_env()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| shell::Fatal::Io("runtime", error))?.block_on(shell::service::run(context))
}
