//! The HTTPS front door of the LAN: first-boot page, status page, API.
//!
//! *Does*: the core (head checks, places, routes, sessions, limiters, claim code, forms) knows no socket and no clock; `server`, `listen`,
//! `dispatch` and `handlers` are the shell around it.
//! *Never does*: decide what a configuration means (`config` does), touch the network's settings (`link` does), answer towards a WAN.
//! *Spec*: `docs/api.md`, `docs/adr/0003-front-door.md`.
#![forbid(unsafe_code)]

pub mod certificate;
pub mod claim;
pub mod events;
pub mod form;
pub mod forwards;
pub mod gate;
pub mod head;
pub mod limits;
pub mod network;
pub mod openapi;
pub mod password;
pub mod refusal;
pub mod routes;
pub mod session;
pub mod setup;
pub mod store;
pub mod throttle;

mod app;
mod claim_keeper;
mod dispatch;
mod feed;
mod handlers;
mod listen;
mod pages;
mod reply;
mod server;
pub mod shell;
mod view;

use std::process::ExitCode;

/// The service: runs until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    patronus_ipc::run("web", shell::run)
}
