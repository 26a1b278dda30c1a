//! Where things lie: the built image, firmware, scratch space, and what tests leave behind for people to look at.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// Names the directory with the built image; without it, `target/image` of this tree.
const IMAGE_DIR: &str = "PATRONUS_IMAGE_DIR";
/// Cargo's own variable for another build directory than `target`.
const TARGET_DIR: &str = "CARGO_TARGET_DIR";
/// Where Debian's `ovmf` package puts the firmware.
const FIRMWARE_DIR: &str = "/usr/share/OVMF";

/// The directories that the bench uses.
#[derive(Clone, Debug)]
pub struct Place {
    image_dir: PathBuf,
    target_dir: PathBuf,
}

impl Place {
    /// From the environment, with the tree's own `target` as the default.
    #[must_use]
    pub fn from_env() -> Self {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target_dir = env::var_os(TARGET_DIR).map_or_else(|| tree.join("target"), |dir| tree.join(dir));
        let image_dir = env::var_os(IMAGE_DIR).map_or_else(|| target_dir.join("image"), PathBuf::from);
        Self { image_dir, target_dir }
    }

    /// A file of the built image.
    ///
    /// # Errors
    /// If it was not built; the message says how to.
    pub fn built(&self, name: &str) -> Result<PathBuf> {
        let path = self.image_dir.join(name);
        ensure!(path.is_file(), "{} is missing: build it with `cargo xtask image`", path.display());
        Ok(path)
    }

    /// The program of all services, as the image holds it.
    ///
    /// # Errors
    /// If it was not built; the message says how to.
    pub fn services(&self) -> Result<PathBuf> {
        let path = self.target_dir.join("x86_64-unknown-linux-gnu/release/patronus-services");
        ensure!(path.is_file(), "{} is missing: build it with `cargo xtask image`", path.display());
        Ok(path)
    }

    /// The firmware's code and its pristine variables.
    ///
    /// # Errors
    /// If the `ovmf` package is not installed.
    pub fn firmware(&self) -> Result<(PathBuf, PathBuf)> {
        let file = |name: &str| Path::new(FIRMWARE_DIR).join(name);
        let (code, variables) = (file("OVMF_CODE_4M.fd"), file("OVMF_VARS_4M.fd"));
        ensure!(code.is_file() && variables.is_file(), "no firmware in {FIRMWARE_DIR}: install the package `ovmf`");
        Ok((code, variables))
    }

    /// A new directory for one machine's disk, variables and console, on the file system of `target`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn scratch(&self, name: &str) -> Result<tempfile::TempDir> {
        let parent = self.target_dir.join("qemu");
        std::fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
        Ok(tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(parent)?)
    }

    /// Where a test leaves something for people to look at, such as a screenshot.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn artefact(&self, name: &str) -> Result<PathBuf> {
        let path = self.target_dir.join("test-artefacts").join(name);
        let parent = path.parent().context("an artefact needs a name")?;
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        Ok(path)
    }
}
