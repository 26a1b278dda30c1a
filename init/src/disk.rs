//! Disks: which one is ours, and where its partitions lie.
//!
//! *Does*: read the declared layout, read and write partition tables, find the disk that carries ours.
//! *Never does*: wait by itself, or touch a disk that does not carry the layout.
//! *Spec*: `image/layout.toml`; UEFI Specification 2.10, section 5.3.

pub mod cut;
pub mod gpt;
pub mod grow;
pub mod layout;
mod scan;

pub use scan::{BootDisk, find};
