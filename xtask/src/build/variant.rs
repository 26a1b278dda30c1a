//! Images that differ from the one that ships: for tests, each in a directory of its own.
//!
//! *Does*: names every difference. *Never does*: change a program that is not named here: the rest of a variant is the shipped bytes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::workspace::Workspace;

/// How an image is to differ. The default is the image that ships.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variant {
    /// Directory name below `target/image/`; empty for the image that ships.
    pub name: String,
    /// Service name -> Cargo package that is run in its place, in its sandbox.
    pub replaced: BTreeMap<String, String>,
    /// More `[[service]]` entries behind those of `init/services.toml`; `/bin/NAME` is built from package `patronus-NAME`.
    pub more_services: String,
    /// More kernel arguments, on both UKIs.
    pub more_arguments: Vec<String>,
    /// Cargo package that takes the place of `/init` in the root (not in the initramfs): a PID 1 that exits, hangs, or never gets ready.
    pub init: Option<String>,
    /// Which files to make.
    pub formats: Formats,
}

/// Which files an image is delivered as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Formats {
    /// All of them, with bill of materials and sums.
    #[default]
    All,
    /// The raw disk and the pieces that direct kernel boots need.
    Raw,
}

impl Variant {
    /// The image that ships, as a raw disk only.
    pub fn raw() -> Self {
        Self { formats: Formats::Raw, ..Self::default() }
    }

    pub(super) fn directory(&self, workspace: &Workspace) -> PathBuf {
        let images = workspace.target.join("image");
        if self.name.is_empty() { images } else { images.join(&self.name) }
    }
}
