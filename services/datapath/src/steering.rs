//! From what `router` wants to what the programs steer by.
//!
//! *Does*: give sites and paths their numbers, make groups of them ([`Numbers`]); compile rules ([`classes`]); say which paths live ([`Lives`]).
//! *Never does*: choose between paths that live: `router` has put them in order.
//! *Spec*: `docs/datapath.md`, section "Between sites".

pub mod classes;
mod lives;
mod numbers;

pub use lives::Lives;
pub use numbers::{Numbers, Plan};
