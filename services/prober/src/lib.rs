//! Measures every path all the time, and says which live.
//!
//! *Does*: probe, answer, judge, count; keep what was, in ever coarser points.
//! *Never does*: open a socket or a file, read a clock, draw a random number of its own: those come in as arguments from the shell
//! (`main.rs`); change anybody's way: `router` does.
//! *Spec*: `docs/prober.md`; RFC 8762 (STAMP), RFC 3550 (jitter), RFC 5880 (asynchronous detection).
#![forbid(unsafe_code)]

mod bucket;
mod capacity;
mod echo;
mod hearing;
pub mod history;
pub mod limit;
pub mod liveness;
pub mod load;
mod loss;
pub mod packet;
mod path;
mod prober;
mod reject;
mod shell;
mod tally;

pub use prober::{Known, Prober, Transmit, Word};
pub use reject::{Reject, Rejects};

use std::process::ExitCode;

// The shell names the core as any other user does.
extern crate self as patronus_prober;

/// The service: runs until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    patronus_ipc::run("prober", shell::service::run)
}
