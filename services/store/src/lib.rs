//! A redb file that survives power cuts.
//!
//! *Does*: make a database whole before it gets its name, open it with every page verified, set a damaged one aside, name what goes wrong by
//! what happens next, and let a service that can go on without space.
//! *Never does*: know what is in it: that is its service's.
//! *Spec*: redb's design document, section "Commit strategies".
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "crash"))]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
pub mod crash;
mod error;
mod file;
mod spare;

pub use error::StoreError;
pub use file::{DAMAGED_KEPT, Opened, Place, SetAside, builder};
pub use spare::Spare;
