//! The words in which the tests tell their stories: a router that is switched on, claimed, signed in to.

use std::{fs::OpenOptions, time::Duration};

use anyhow::{Context, Result};
use patronus_qemu::{Bus, Console, Facts, Guest, Image, Machine, Page, Place};
use tempfile::TempDir;

pub use patronus_qemu::person::{Api, FirstBoot, PASSWORD, sign_in};

/// From power to page, on an emulated machine that shares a busy computer.
pub const BOOT: Duration = Duration::from_secs(150);
/// From the power button to off.
pub const STOP: Duration = Duration::from_secs(60);

/// A router under test. Its disk and console are gone with it.
pub struct Router {
    pub guest: Guest,
    pub scratch: TempDir,
    _tail: Tail,
}

/// Prints the end of the console when the router goes; the test runner shows it when the test failed.
struct Tail(Console);

impl Drop for Tail {
    fn drop(&mut self) {
        println!("the end of the console:\n{}", self.0.tail());
    }
}

impl Router {
    /// The image that ships, started as real hardware starts it.
    pub fn from_firmware(name: &str, bus: Bus) -> Result<Self> {
        let scratch = Place::from_env().scratch(name)?;
        let machine = Image::shipped()?.machine(name, &scratch, bus)?;
        Self::switch_on(scratch, machine)
    }

    /// The image that ships, without firmware and loader.
    pub fn direct(name: &str) -> Result<Self> {
        let scratch = Place::from_env().scratch(name)?;
        let machine = Image::shipped()?.direct_machine(name, &scratch)?;
        Self::switch_on(scratch, machine)
    }

    /// The image with the agent.
    pub fn with_agent(name: &str) -> Result<Self> {
        let scratch = Place::from_env().scratch(name)?;
        let machine = Image::variant("agent")?.direct_machine(name, &scratch)?.agent();
        Self::switch_on(scratch, machine)
    }

    /// Switches on a machine, whose console goes into its scratch directory.
    pub fn switch_on(scratch: TempDir, machine: Machine) -> Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(scratch.path().join("console.log"))?;
        let guest = machine.start(log)?;
        let tail = Tail(guest.console().clone());
        Ok(Self { guest, scratch, _tail: tail })
    }

    /// Cuts the power and switches on again.
    pub fn cut_and_switch_on(self) -> Result<Self> {
        let Self { guest, scratch, .. } = self;
        Self::switch_on(scratch, guest.cut_power()?)
    }

    /// The page, once it answers, trusted by the fingerprint on the console.
    pub fn page(&self) -> Result<Page> {
        self.page_after(0)
    }

    /// The same after a restart: only what the console shows from `mark` on counts.
    pub fn page_after(&self, mark: usize) -> Result<Page> {
        let line = self.guest.console().wait_after(mark, "fingerprint SHA256", BOOT)?;
        // The claim code, if there is one, follows in the same block, which ends with an empty line.
        self.guest.console().wait_until(line.index, "the end of the block", BOOT, |line| line.text.is_empty())?;
        let fingerprint = Facts::on(self.guest.console(), mark).fingerprint.context("the fingerprint is not whole")?;
        let page = self.guest.page()?.pinned(&fingerprint)?;
        page.wait_until_it_answers(BOOT)?;
        Ok(page)
    }

    /// The claim code on the console.
    pub fn claim_code(&self) -> Result<String> {
        self.claim_code_after(0)
    }

    /// The same among the lines from `mark` on.
    pub fn claim_code_after(&self, mark: usize) -> Result<String> {
        self.guest.console().wait_after(mark, "claim code", BOOT)?;
        Facts::on(self.guest.console(), mark).claim_code.context("the claim code is not whole")
    }
}
