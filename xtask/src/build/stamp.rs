//! Whether an image must be assembled again.
//!
//! *Does*: hashes every input, the assembling program included. *Never does*: look at times.

use std::path::Path;

use anyhow::{Context as _, Result};
use patronus_image::sums;
use serde::{Deserialize, Serialize};

use super::assemble::{BuiltImage, Parts};
use super::cache;
use super::variant::Variant;
use crate::workspace::Workspace;

const FILE: &str = "built.json";
/// The program that runs, also when cargo has replaced its file meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    inputs: String,
    image: BuiltImage,
}

/// The hash of everything that the image is made from.
///
/// # Errors
/// When an input cannot be read.
pub(super) fn inputs(workspace: &Workspace, variant: &Variant, parts: &Parts) -> Result<String> {
    let assembler = sums::of_file(Path::new(THIS_PROGRAM))?;
    let kernel = sums::of_file(&parts.kernel.bzimage)?;
    let skeleton = skeleton(&workspace.root.join("rootfs"))?;
    let programs: String =
        parts.programs.files.iter().map(|(path, bytes)| format!("{path} {}\n", sums::of_bytes(bytes))).collect();
    Ok(cache::key(&[
        ("assembler", assembler.as_bytes()),
        ("kernel", kernel.as_bytes()),
        ("loader", parts.loader.pin.sha256.as_bytes()),
        ("skeleton", skeleton.as_bytes()),
        ("programs", programs.as_bytes()),
        ("init", &parts.programs.init),
        ("eBPF object", &parts.object),
        ("manifest", parts.programs.manifest.as_bytes()),
        ("variant", format!("{variant:?}").as_bytes()),
        ("time", parts.epoch_s.to_string().as_bytes()),
    ]))
}

/// The image of the last build, if it was made from the same inputs and is still there.
pub(super) fn unchanged(output: &Path, inputs: &str) -> Option<BuiltImage> {
    let stamp: Stamp = serde_json::from_slice(&std::fs::read(output.join(FILE)).ok()?).ok()?;
    let BuiltImage { raw, uki, recovery, root, bzimage, kernel_config, initrd, .. } = &stamp.image;
    let files = [raw, uki, recovery, root, bzimage, kernel_config, initrd];
    // An image of the time when the kernel stayed in the cache is not complete.
    let are_there = files.into_iter().all(|path| path.starts_with(output) && path.exists());
    (are_there && stamp.inputs == inputs).then_some(stamp.image)
}

/// Says what the image in `output` was made from.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(output: &Path, inputs: &str, image: &BuiltImage) -> Result<()> {
    let stamp = Stamp { inputs: inputs.to_owned(), image: image.clone() };
    std::fs::write(output.join(FILE), serde_json::to_vec_pretty(&stamp)?).context("write built.json")
}

fn skeleton(directory: &Path) -> Result<String> {
    let mut tree = patronus_image::tree::Tree::default();
    tree.skeleton(directory)?;
    Ok(format!("{tree:?}"))
}
