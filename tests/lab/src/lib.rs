//! Boxes in network namespaces on this machine, with the real services in them.
//!
//! *Does*: namespaces with names of their own, cables between them, a directory of sockets as `init` makes it, services started as
//! `init` starts them.
//! *Never does*: leave anything behind: namespaces and processes go by their own names and ids when their owner is dropped; touch what
//! it did not make.
//!
//! It is for tests: what cannot be set up ends the test with a message.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod namespace;
mod service;
mod sockets;

use std::time::{Duration, Instant};

pub use namespace::Namespace;
pub use service::{Rights, Service};
pub use sockets::{Follower, Sockets};

/// How long anything may take that must happen.
pub const PATIENCE: Duration = Duration::from_secs(40);

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
