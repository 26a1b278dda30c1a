//! A fleet of sites with the real membership core, under one seed and a virtual clock.
//!
//! ```text
//!   story (what people, power and attackers do)
//!     |
//!     v
//!   fleet ---- inputs ---> site: the core of services/mesh, a disk, what its shell does around them
//!     ^  \                  |
//!     |   \-- check         v
//!   wires <------------- datagrams, messages on connections
//! ```
//! *Does*: run thousands of virtual seconds of hundreds of sites in seconds; look after each step whether what must hold holds; say which
//! seed and which step when it does not.
//! *Never does*: read a clock, a socket or a source of randomness: the same seed makes the same run.
//!
//! It is for tests: what must not be ends the run with a message.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod charter;
mod check;
mod dice;
mod disk;
mod fleet;
mod hostile;
mod moment;
mod nat;
mod pipes;
pub mod promises;
mod site;
mod story;
mod wires;

pub use check::Check;
pub use dice::Dice;
pub use disk::{Disk, Membership};
pub use fleet::{Fleet, Plan};
pub use moment::{Moment, moment, watch_for};
pub use nat::Nat;
pub use site::{Crash, Site, refusals};
pub use story::tell;
pub use wires::Weather;
