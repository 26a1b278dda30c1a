//! Who is a member, with which keys and prefixes, and where it can be reached.
//!
//! ```text
//!             datagrams, messages                    invitations
//!                    |                                    |
//!                  guard ------> too much            registrar ----> records, revocations (on a signer's box)
//!                    |                                    |
//!                    v                                    v
//!   refusals <---- mesh ----> roster (what was signed) ----> members (what of it counts now)
//!                    |                                    |
//!                    +------> book (who announced what, who is heard) ----> peers
//! ```
//! *Does*: membership by signatures alone, replay protection without a clock, discovery and liveness on a LAN, comparing and completing
//! rosters, admission of new sites.
//! *Never does*: trust a key because a message brought it; read a clock, a socket or a source of randomness; hold a WireGuard private key.
//! *Spec*: `docs/wire.md`, `docs/membership.md`.
#![forbid(unsafe_code)]

mod beacon;
mod book;
mod connections;
mod forwarding;
mod founding;
mod gossip;
mod guard;
pub mod invitation;
mod joiner;
pub mod limit;
mod members;
mod mesh;
mod prefix_set;
mod refusal;
mod registrar;
mod roster;
mod shell;
pub mod signers;
mod wallclock;

pub use beacon::Beacon;
pub use book::{Book, Heard, Liveness};
pub use connections::{Connections, seeds_to_call};
pub use forwarding::Forwarding;
pub use founding::{Founding, found};
pub use guard::{Guard, Rates};
pub use invitation::{Invitation, Invitations, Use};
pub use joiner::{JoinError, Joined, Joiner};
pub use members::{Conflict, Member, Members, Standing};
pub use mesh::{Destination, Event, Mesh, Now, Transmit};
pub use prefix_set::PrefixSet;
pub use refusal::{Refusal, Refusals};
pub use registrar::{Admitted, Grant, Registrar, SignError};
pub use roster::{Merged, ObjectKey, Roster};
pub use wallclock::Wallclock;

use std::process::ExitCode;

// The shell names the core as any other user does.
extern crate self as patronus_mesh;

/// The service: runs until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    patronus_ipc::run("mesh", shell::service::run)
}
