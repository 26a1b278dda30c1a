//! The image starts on every kind of disk, from firmware to page.

use anyhow::Result;
use patronus_qemu::{Bus, Place};

use crate::story::{BOOT, Router};

#[test]
fn boots_through_firmware_and_loader_from_a_virtio_disk_to_the_page() -> Result<()> {
    boots_from(Bus::Virtio)
}

#[test]
fn boots_from_an_nvme_disk() -> Result<()> {
    boots_from(Bus::Nvme)
}

#[test]
fn boots_from_a_sata_disk() -> Result<()> {
    boots_from(Bus::Ahci)
}

#[test]
fn boots_from_a_virtio_scsi_disk() -> Result<()> {
    boots_from(Bus::VirtioScsi)
}

#[test]
fn boots_from_a_usb_stick() -> Result<()> {
    boots_from(Bus::Usb)
}

/// With the 256 MiB of memory that every machine of the bench has.
fn boots_from(bus: Bus) -> Result<()> {
    let name = format!("boots-from-{bus:?}").to_lowercase();
    let mut router = Router::from_firmware(&name, bus)?;
    let page = router.page()?;
    let answer = page.get("/")?;
    assert!(answer.status.is_redirection(), "an unclaimed router leads to its claim page: {}", answer.status);
    assert!(page.get("/setup/code")?.body.contains("Claim code"));
    router.guest.photograph(&Place::from_env().artefact(&format!("{name}.png"))?)?;
    // The loader had counted the try; a healthy boot takes the counter away.
    router.guest.console().wait_for("this boot entry is good", BOOT)?;
    Ok(())
}
