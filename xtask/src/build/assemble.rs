//! Puts the parts together: root, verity, initramfs, UKIs, partitions, disk.
//!
//! *Does*: calls the pieces of the `image` crate in order, and skips all of it when no input changed.
//! *Never does*: decide anything that the layout, the policy, the pins or the variant decide.
//! *Spec*: `docs/adr/0001-boot-chain.md`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use patronus_image::fat::FatPartition;
use patronus_image::layout::Layout;
use patronus_image::policy::Policy;
use patronus_image::tree::Tree;
use patronus_image::verity::RootHash;
use patronus_image::{budget, disk, erofs, fat, initramfs, template, uki, verity};
use serde::{Deserialize, Serialize};

use super::binaries::{self, Programs};
use super::kernel::{self, Kernel};
use super::loader::{self, Loader};
use super::shell::run;
use super::variant::{Formats, Variant};
use super::{deliver, ebpf, packages, stamp};
use crate::progress;
use crate::workspace::Workspace;

/// Time stamps of an image that is built outside a git tree: 2026-01-01, that of the kernel.
const EPOCH_WITHOUT_COMMIT_S: u64 = 1_767_225_600;
/// Directories of the initramfs, all empty.
const STAGE1_DIRECTORIES: [&str; 6] = ["dev", "proc", "root", "run", "sys", "tmp"];
/// No menu, no editor, nothing on the ESP that changes from boot to boot.
const LOADER_CONF: &str = "timeout 0\neditor no\nrandom-seed-mode off\nauto-entries no\nauto-firmware no\n";

/// A finished image and the pieces that tests boot or compare.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuiltImage {
    /// Version of the image.
    pub version: String,
    /// The disk, sparse.
    pub raw: PathBuf,
    /// The UKI of both slots.
    pub uki: PathBuf,
    /// The recovery UKI.
    pub recovery: PathBuf,
    /// EROFS with its verity tree, as it lies in a slot.
    pub root: PathBuf,
    /// The verity root hash.
    pub root_hash: String,
    /// Blocks of 4096 bytes before the verity tree.
    pub data_blocks: u64,
    /// The kernel, for boots without firmware.
    pub bzimage: PathBuf,
    /// The configuration of that kernel.
    pub kernel_config: PathBuf,
    /// The compressed initramfs, for boots without firmware.
    pub initrd: PathBuf,
    /// The kernel command line of the slot UKI.
    pub cmdline: String,
}

/// Makes or fetches what all builds share, so that two at a time do not do it twice.
///
/// # Errors
/// When something is missing or does not compile.
pub fn prepare(workspace: &Workspace) -> Result<()> {
    packages::ensure(packages::IMAGE_TOOLS)?;
    loader::fetch(workspace)?;
    kernel::build(workspace)?;
    ebpf::object(workspace).map(drop)
}

/// Builds a variant, or finds it built.
///
/// # Errors
/// When a part is missing, does not compile, or is over its budget.
pub fn image(workspace: &Workspace, variant: &Variant) -> Result<BuiltImage> {
    packages::ensure(packages::IMAGE_TOOLS)?;
    let parts = Parts {
        loader: loader::fetch(workspace)?,
        kernel: kernel::build(workspace)?,
        programs: binaries::build(workspace, variant)?,
        object: std::fs::read(ebpf::object(workspace)?).context("read the eBPF object")?,
        epoch_s: commit_time(workspace),
    };
    let output = variant.directory(workspace);
    std::fs::create_dir_all(&output).with_context(|| format!("create {}", output.display()))?;
    let inputs = stamp::inputs(workspace, variant, &parts)?;
    if let Some(built) = stamp::unchanged(&output, &inputs) {
        return Ok(built);
    }
    let built = progress::step("assemble the image", || assemble(workspace, variant, &parts, &output))?;
    if variant.formats == Formats::All {
        deliver::all(workspace, &built, &parts, &output)?;
    }
    stamp::write(&output, &inputs, &built)?;
    Ok(built)
}

/// Everything that was compiled or fetched.
pub(super) struct Parts {
    pub(super) loader: Loader,
    pub(super) kernel: Kernel,
    pub(super) programs: Programs,
    /// The eBPF programs.
    pub(super) object: Vec<u8>,
    pub(super) epoch_s: u64,
}

fn assemble(workspace: &Workspace, variant: &Variant, parts: &Parts, output: &Path) -> Result<BuiltImage> {
    let version = workspace.version();
    let name = |suffix: &str| output.join(format!("patronus-{version}{suffix}"));
    let built_config = std::fs::read_to_string(&parts.kernel.config)?;
    let policy = Policy::of_this_version()?;
    let drift = policy.drift_from_built(&built_config);
    ensure!(drift.is_empty(), "the kernel does not keep to kernel-config/policy.toml:\n{}", drift.join("\n"));

    let root = name(".root");
    let root_hash = write_root(workspace, parts, &root)?;
    let initrd = name(".initrd");
    write_initrd(parts, &initrd)?;
    let arguments: Vec<String> = [policy.command_line(), format!("patronus.root={root_hash}")]
        .into_iter()
        .chain(variant.more_arguments.iter().cloned())
        .collect();
    let cmdline = arguments.join(" ");
    let (bzimage, kernel_config) = (name(".bzImage"), name(".kernel-config"));
    copy(&parts.kernel.bzimage, &bzimage)?;
    copy(&parts.kernel.config, &kernel_config)?;
    let built = BuiltImage {
        version: version.to_owned(),
        raw: name(".raw"),
        uki: name(".efi"),
        recovery: name(".recovery.efi"),
        root,
        root_hash: root_hash.hash_hex,
        data_blocks: root_hash.data_blocks,
        bzimage,
        kernel_config,
        initrd,
        cmdline,
    };
    write_ukis(parts, &built)?;
    write_disk(parts, &built)?;
    Ok(built)
}

/// The directory of an image is complete: the cache may be emptied.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display())).map(drop)
}

fn write_root(workspace: &Workspace, parts: &Parts, image: &Path) -> Result<RootHash> {
    let mut tree = Tree::default();
    tree.skeleton(&workspace.root.join("rootfs"))?;
    for (path, program) in &parts.programs.files {
        tree.program(path, program.as_slice())?;
    }
    tree.data("etc/patronus/services.toml", parts.programs.manifest.as_bytes())?;
    tree.data("etc/patronus/version", format!("{}\n", workspace.version()))?;
    tree.data("etc/patronus/build-time", format!("{}\n", parts.epoch_s))?;
    tree.data("usr/share/patronus/datapath.o", parts.object.as_slice())?;
    tree.data("usr/share/patronus/data.template", template::packed(parts.epoch_s)?)?;
    let data_bytes = erofs::make(&tree, image, parts.epoch_s)?;
    let root_hash = verity::append(image, data_bytes)?;
    verity::verify(image, &root_hash)?;
    let limits = budget::Budgets::of_this_version()?;
    budget::check("root image", std::fs::metadata(image)?.len(), limits.root_bytes)?;
    Ok(root_hash)
}

fn write_initrd(parts: &Parts, initrd: &Path) -> Result<()> {
    let mut tree = Tree::default();
    for directory in STAGE1_DIRECTORIES {
        tree.directory(directory, 0o755)?;
    }
    tree.program("init", parts.programs.init.as_slice())?;
    let work = tempfile::tempdir()?;
    let plain = work.path().join("initramfs");
    std::fs::write(&plain, initramfs::archive(&tree)?)?;
    run(Command::new("zstd").args(["-q", "-f", "-19", "--single-thread"]).arg(&plain).arg("-o").arg(initrd)).map(drop)
}

fn write_ukis(parts: &Parts, built: &BuiltImage) -> Result<()> {
    let (linux, initrd) = (std::fs::read(&built.bzimage)?, std::fs::read(&built.initrd)?);
    let slot = uki::Parts {
        stub: &parts.loader.stub,
        linux: &linux,
        initrd: &initrd,
        cmdline: &built.cmdline,
        uname: &parts.kernel.release,
        id: "patronus",
        title: &format!("Patronus {}", built.version),
    };
    let bytes = uki::build(&slot)?;
    budget::check("UKI", u64::try_from(bytes.len())?, budget::Budgets::of_this_version()?.uki_bytes)?;
    std::fs::write(&built.uki, bytes)?;
    let cmdline = format!("{} patronus.recovery", built.cmdline);
    let title = format!("Patronus {} recovery", built.version);
    let recovery = uki::build(&uki::Parts { cmdline: &cmdline, id: "patronus-recovery", title: &title, ..slot })?;
    std::fs::write(&built.recovery, recovery).context("write the recovery UKI")
}

fn write_disk(parts: &Parts, built: &BuiltImage) -> Result<()> {
    let layout = Layout::of_this_version()?;
    let work = tempfile::tempdir_in(built.raw.parent().context("the image has no directory")?)?;
    let (esp, xbootldr) = (work.path().join("esp"), work.path().join("xbootldr"));
    let (uki, recovery) = (std::fs::read(&built.uki)?, std::fs::read(&built.recovery)?);
    let esp_files: [(&str, &[u8]); 3] = [
        ("EFI/BOOT/BOOTX64.EFI", &parts.loader.loader),
        ("loader/loader.conf", LOADER_CONF.as_bytes()),
        // Sorts below `p...`: a slot entry restored from this very file has the same ID, and must win by its name.
        ("EFI/Linux/fallback.efi", &recovery),
    ];
    let esp_content = FatPartition { label: "ESP", serial: "5a7e0001", files: &esp_files };
    fat::make(&esp_content, &esp, layout.partition("esp")?.size_bytes, parts.epoch_s)?;
    // The highest sequence is preferred; the letter is the slot. Both are the same UKI.
    let slot_files: [(&str, &[u8]); 2] = [("EFI/Linux/p2a+3.efi", &uki), ("EFI/Linux/p1b+3.efi", &uki)];
    let slot_content = FatPartition { label: "XBOOTLDR", serial: "5a7e0002", files: &slot_files };
    fat::make(&slot_content, &xbootldr, layout.partition("xbootldr")?.size_bytes, parts.epoch_s)?;
    let contents: [(&str, &Path); 4] =
        [("esp", &esp), ("xbootldr", &xbootldr), ("root-a", &built.root), ("root-b", &built.root)];
    disk::write_raw(&built.raw, &layout, &contents)
}

/// The commit's date, so that two builds of one commit carry the same times.
fn commit_time(workspace: &Workspace) -> u64 {
    let said = run(Command::new("git").arg("-C").arg(&workspace.root).args(["log", "-1", "--format=%ct"]));
    said.ok().and_then(|said| said.trim().parse().ok()).unwrap_or(EPOCH_WITHOUT_COMMIT_S)
}
