//! Builds the appliance image: packages, kernel, binaries, loader, then the pieces of the `image` crate in order.
//!
//! *Does*: everything between a fresh machine and `target/image`. A second call with equal inputs does nothing slow.
//! *Never does*: boot anything, or write outside the build directory and the cache.

mod args;
mod assemble;
mod binaries;
mod cache;
mod deliver;
pub mod ebpf;
mod kernel;
mod loader;
mod reproduce;
mod shell;
mod stamp;
mod variant;

pub mod command;
pub mod packages;

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace::Workspace;

pub use args::ImageArgs;
pub use assemble::{image, prepare};
pub use reproduce::reproduce;
pub use variant::{Formats, Variant};

/// Builds the image that ships and returns its raw disk.
///
/// # Errors
/// As [`image`].
pub fn image_for_run(workspace: &Workspace) -> Result<PathBuf> {
    image(workspace, &Variant::default()).map(|built| built.raw)
}
