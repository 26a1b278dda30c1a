//! A built image: the one that ships or a variant, with the pieces that a boot without firmware needs.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;
use tempfile::TempDir;

use crate::{Boot, Bus, Disk, Machine, Place, Wan};

/// A disk of a small router; the data partition grows into what the image leaves.
const DISK_BYTES: u64 = 2 << 30;

/// What `xtask` writes beside an image, as far as machines need it.
#[derive(Clone, Debug, Deserialize)]
pub struct Image {
    /// The disk.
    pub raw: PathBuf,
    /// The UKI of both slots.
    pub uki: PathBuf,
    /// EROFS with its verity tree, as it lies in a slot.
    pub root: PathBuf,
    /// The verity root hash.
    pub root_hash: String,
    /// The configuration of the kernel.
    pub kernel_config: PathBuf,
    /// The kernel alone.
    pub bzimage: PathBuf,
    initrd: PathBuf,
    cmdline: String,
}

#[derive(Deserialize)]
struct Stamp {
    image: Image,
}

impl Image {
    /// The image that ships.
    ///
    /// # Errors
    /// If it was not built; the message says how to.
    pub fn shipped() -> Result<Self> {
        Self::read(&Place::from_env(), "built.json")
    }

    /// A variant by its name.
    ///
    /// # Errors
    /// If it was not built.
    pub fn variant(name: &str) -> Result<Self> {
        Self::read(&Place::from_env(), &format!("{name}/built.json"))
    }

    /// A machine that starts as real hardware does, from a copy of this image on a disk of its own in `scratch`.
    ///
    /// # Errors
    /// If there is no firmware, or the copy cannot be made.
    pub fn machine(&self, name: &str, scratch: &TempDir, bus: Bus) -> Result<Machine> {
        let (code, pristine) = Place::from_env().firmware()?;
        let variables = scratch.path().join("variables.fd");
        std::fs::copy(pristine, &variables)?;
        self.plugged(name, scratch, bus, Boot::Uefi { code, variables }, Wan::Provider)
    }

    /// The same machine without firmware and loader: for tests in which they do not matter.
    ///
    /// # Errors
    /// If the copy cannot be made.
    pub fn direct_machine(&self, name: &str, scratch: &TempDir) -> Result<Machine> {
        self.direct_machine_with(name, scratch, Wan::Provider)
    }

    /// The same with something else at its WAN port.
    ///
    /// # Errors
    /// If the copy cannot be made.
    pub fn direct_machine_with(&self, name: &str, scratch: &TempDir, wan: Wan) -> Result<Machine> {
        self.plugged(name, scratch, Bus::Virtio, self.direct_boot(), wan)
    }

    /// This image's kernel and initramfs, handed over by QEMU.
    #[must_use]
    pub fn direct_boot(&self) -> Boot {
        let (kernel, initramfs) = (self.bzimage.clone(), self.initrd.clone());
        Boot::Direct { kernel, initramfs, command_line: self.cmdline.clone() }
    }

    /// One WAN port, one LAN port.
    fn plugged(&self, name: &str, scratch: &TempDir, bus: Bus, boot: Boot, wan: Wan) -> Result<Machine> {
        let disk = Disk::copy_of(&self.raw, scratch.path().join("disk.raw"))?;
        disk.resize(DISK_BYTES)?;
        Ok(Machine::new(name, boot).disk(disk, bus).wan(wan).lan())
    }

    fn read(place: &Place, name: &str) -> Result<Self> {
        let path = place.built(name)?;
        let text = std::fs::read_to_string(&path)?;
        let stamp: Stamp = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Ok(stamp.image)
    }
}
