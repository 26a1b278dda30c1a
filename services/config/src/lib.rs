//! The one configuration document of a box: typed, validated, versioned.
//!
//! *Does*: decide. [`accept`] says what a valid document is; [`Ledger`] says what a request changes: commit, trial with roll back by
//! itself, history, and the claim that happens once. Each [`Change`] is one transaction; nothing is acknowledged before it is on disk.
//! *Never does*: I/O, clocks, randomness: those come in as a [`Moment`]. The shell (`main.rs`) owns the database and the socket.
//! *Spec*: `docs/ipc.md`, section "config".
#![forbid(unsafe_code)]

mod document;
mod keeper;
mod ledger;
pub mod limit;
mod moment;
mod rejection;
mod service;
mod snapshot;
mod store;
mod validate;

#[cfg(test)]
mod testing;

pub use document::{accept, emit, parse};
pub use ledger::{Decision, Ledger, Moment, ROLL_BACK};
pub use rejection::Rejection;
pub use snapshot::{Change, Damage, Head, Record, Secret, Snapshot, TrialRecord};
pub use validate::validate;

use std::process::ExitCode;

// The shell names the core as any other user does.
extern crate self as patronus_config;

/// The service: runs until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    patronus_ipc::run("config", service::run)
}
