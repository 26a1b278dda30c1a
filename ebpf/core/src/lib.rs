//! What happens to a packet between LAN and WAN: the decisions of the datapath.
//!
//! *Does*: parse a packet, find or make its flow, say what becomes of it, and how it is rewritten.
//! *Never does*: look at a clock, a map or a packet by itself: all of that comes through [`Frame`], [`Tables`] and [`Edit`], which the eBPF
//! programs implement with the kernel's helpers and the host with memory. The code between is the same.
//! *Spec*: RFC 3022; RFC 4787, 5382 and 5508 (what a NAT must do for UDP, TCP and ICMP); `docs/datapath.md`.
#![no_std]
#![forbid(unsafe_code)]

mod decide;
pub mod packet;
mod ports;
pub mod state;
mod tables;
mod translate;

pub use decide::{Verdict, inbound, outbound};
pub use packet::{Frame, Kind, Packet, Parsed, parse};
pub use tables::{Route, Tables};
pub use translate::{Checksum, Edit, Translation};
