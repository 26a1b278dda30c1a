//! The unified kernel image: kernel, command line, initramfs and a name, in one program that the firmware starts.
//!
//! *Does*: appends the sections to systemd's stub and reads every one back.
//! *Never does*: write a `VERSION_ID`: the loader would sort by it, and the same UKI must be installable again.
//! *Spec*: UAPI.5 Unified Kernel Image; sections as systemd-stub(7) of 257.

use anyhow::{Context as _, Result, ensure};

use crate::pe::Program;

/// What goes into a UKI.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// `linuxx64.efi.stub`.
    pub stub: &'a [u8],
    /// The kernel.
    pub linux: &'a [u8],
    /// The compressed initramfs.
    pub initrd: &'a [u8],
    /// The kernel command line.
    pub cmdline: &'a str,
    /// The kernel's release, as `uname -r` prints it.
    pub uname: &'a str,
    /// `ID=` of the entry: the loader sorts `patronus-recovery` behind `patronus`.
    pub id: &'a str,
    /// What the loader's menu shows.
    pub title: &'a str,
}

/// The kernel's own limit on x86 (`COMMAND_LINE_SIZE`), the closing zero included.
const COMMAND_LINE_BYTES: usize = 2048;

/// Builds the UKI.
///
/// # Errors
/// When the stub is not a PE program, has no room, or a section does not read back as it was given.
pub fn build(parts: &Parts<'_>) -> Result<Vec<u8>> {
    ensure!(parts.cmdline.len() < COMMAND_LINE_BYTES, "the kernel command line is too long");
    ensure!(
        parts.cmdline.is_ascii() && !parts.cmdline.contains(['\n', '\0']),
        "the kernel command line must be plain text"
    );
    let osrel = format!("ID={}\nNAME=Patronus\nPRETTY_NAME=\"{}\"\n", parts.id, parts.title);
    let sections: [(&str, &[u8]); 5] = [
        (".osrel", osrel.as_bytes()),
        (".cmdline", parts.cmdline.as_bytes()),
        (".uname", parts.uname.as_bytes()),
        (".linux", parts.linux),
        (".initrd", parts.initrd),
    ];
    let mut program = Program::parse(parts.stub.to_vec()).context("the systemd stub")?;
    program.append(&sections)?;
    let bytes = program.into_bytes();
    let program = Program::parse(bytes.clone())?;
    for (name, contents) in sections {
        ensure!(program.contents(name)? == contents, "section {name} does not read back");
    }
    Ok(bytes)
}
