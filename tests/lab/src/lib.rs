//! Boxes in network namespaces on this machine, with the real services in them.
//!
//! *Does*: namespaces with names of their own, cables between them, a directory of sockets as `init` makes it, services started as
//! `init` starts them.
//! *Never does*: leave anything behind: namespaces and processes go by their own names and ids when their owner is dropped; touch what
//! it did not make.
//!
//! It is for tests: what cannot be set up ends the test with a message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answering;
mod bulk;
pub mod carry;
pub mod demo;
pub mod foreign;
mod forwarding;
pub mod impair;
mod namespace;
pub mod nat;
mod net;
mod numbered;
mod pins;
mod recording;
pub mod relay;
mod service;
pub mod site;
mod sockets;
pub mod status;
mod sys;
mod whole;
mod wireguard;

use std::time::{Duration, Instant};

pub use bulk::Bulk;
pub use foreign::Foreign;
pub use forwarding::Forwarding;
pub use namespace::Namespace;
pub use net::{Net, Wiring};
pub use numbered::{Missing, Numbered};
pub use service::{Rights, Service};
pub use site::Site;
pub use sockets::{Follower, Sockets};
pub use whole::Whole;
pub use wireguard::{Far, Implementation, WireGuard};

/// How long anything may take that must happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at something that does not tell when it changes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until something is as wanted. `story` tells what happened when it never is.
///
/// # Panics
/// After [`PATIENCE`].
pub fn eventually(what: &str, wanted: impl Fn() -> bool, story: impl Fn() -> String) {
    let end = Instant::now() + PATIENCE;
    while !wanted() {
        assert!(Instant::now() < end, "never: {what}\n{}", story());
        std::thread::sleep(LOOK_EVERY);
    }
}
