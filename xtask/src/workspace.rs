//! Where things are: the tree, the build directory, the cache outside the tree.
//!
//! *Does*: finds the directories once and hands out paths. *Never does*: create or delete any of them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::cargo;

/// The directories that every task works with.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The top of the source tree.
    pub root: PathBuf,
    /// Cargo's build directory: `CARGO_TARGET_DIR`, else `target` in the tree.
    pub target: PathBuf,
    /// Slow inputs, kept between clones: `PATRONUS_CACHE`, else `~/.cache/patronus`.
    pub cache: PathBuf,
}

impl Workspace {
    /// # Errors
    /// When neither `PATRONUS_CACHE` nor `HOME` says where the cache may live.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies inside the workspace")?;
        Self::at(root)
    }

    /// The same for another clone of the tree (the reproducibility check builds in two).
    ///
    /// # Errors
    /// As [`Workspace::find`].
    pub fn at(root: &Path) -> Result<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        let cache = match std::env::var_os("PATRONUS_CACHE") {
            Some(dir) => PathBuf::from(dir),
            None => {
                std::env::home_dir().context("set PATRONUS_CACHE: there is no home directory")?.join(".cache/patronus")
            }
        };
        Ok(Self { root: root.to_owned(), target, cache })
    }

    /// A Cargo that works here and builds where this program was built.
    #[must_use]
    pub fn cargo(&self) -> Command {
        let mut command = cargo::cargo();
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// The version in the root `Cargo.toml`, which is the version of the image.
    #[must_use]
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
