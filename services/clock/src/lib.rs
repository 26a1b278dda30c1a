//! Bounded time: what SNTP servers say, who of them is believed, and what is done about it.
//!
//! *Does*: check answers ([`sntp`]), find those that agree ([`select`]), decide on step, slew or nothing within bounds ([`discipline`]).
//! *Never does*: read a clock, open a socket, draw a random number; let any answer move the clock outside its [`Bounds`].
//! *Spec*: RFC 4330 (SNTP), RFC 5905 for the names; `docs/ARCHITECTURE.md`, section "clock".
#![deny(unsafe_code)]

pub mod discipline;
pub mod limit;
pub mod pauses;
pub mod select;
mod shell;
pub mod sntp;

pub use discipline::{Bounds, Correction, Discipline, Refused};
pub use pauses::Pauses;
pub use select::{Choice, Disagreement, select};
pub use sntp::{Rejected, Sample};

use std::process::ExitCode;

// The shell names the core as any other user does.
extern crate self as patronus_clock;

/// The service: runs until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    patronus_ipc::run("clock", shell::service::run)
}
