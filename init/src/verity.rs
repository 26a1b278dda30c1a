//! The verified root: is this slot the one that the command line names, and the device that checks every block of it.
//!
//! *Does*: read the superblock and the hash tree, check them against the root hash, set up the device mapper.
//! *Never does*: accept another format than the one the image builder writes.
//! *Spec*: Linux `Documentation/admin-guide/device-mapper/verity.rst`; cryptsetup's verity superblock, version 1.

mod device;
mod superblock;
mod tree;

pub use device::{DEVICE, create};
pub use superblock::{Salt, SuperblockError};
pub use tree::{BLOCK_BYTES, Mismatch, Root, Tree};
