//! The DHCP client (RFC 2131) without I/O.
//!
//! *Does*: [`parse_reply`] turns bytes into a checked [`Reply`] or a named [`Rejected`]; [`Client`] is the machine of RFC 2131 figure 5.
//! *Never does*: believe a reply to a question it did not ask, or take an address that would hide the LAN.
//! *Spec*: RFC 2131, RFC 2132; RFC 4436 is not used.

mod client;
mod lease;
mod rejects;
mod reply;
mod request;
mod retry;

pub use client::{Client, State, Transmit};
pub use lease::Lease;
pub use rejects::Rejects;
pub use reply::{Kind, Rejected, Reply, Terms, parse_reply};
