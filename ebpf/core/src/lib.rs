//! What happens to a packet between LAN, WAN and other sites: the decisions of the datapath.
//!
//! *Does*: parse a packet, find or make its flow, say what becomes of it, and how it is rewritten.
//! *Never does*: look at a clock, a map or a packet by itself: all of that comes through [`Frame`], [`Tables`] and [`Edit`], which the eBPF
//! programs implement with the kernel's helpers and the host with memory. The code between is the same.
//! *Spec*: RFC 3022; RFC 4787, 5382 and 5508 (what a NAT must do for UDP, TCP and ICMP); `docs/datapath.md`.
#![no_std]
#![forbid(unsafe_code)]

pub mod answers;
mod decide;
mod forward;
pub mod guard;
mod hairpin;
pub mod packet;
mod parts;
pub mod policy;
mod ports;
mod rules;
mod sites;
pub mod six;
pub mod state;
pub mod steer;
mod tables;
mod translate;
pub mod twins;
mod verdict;

pub use answers::recall;
pub use decide::{inbound, outbound};
pub use hairpin::around;
pub use packet::{Frame, Kind, Packet, Parsed, Shape, parse};
pub use policy::{Judgement, Policy, Query};
pub use sites::from_mesh;
pub use tables::{Route, Tables};
pub use translate::{Checksum, Edit, Translation, clamp};
pub use verdict::{Fate, Verdict};
