//! One box of `run`, with a directory of its own under `target/run`.
//!
//! *Does*: keep the box's disk between runs; when the image was built anew, put it onto that disk and leave the data alone,
//! as flashing a newer image would not, but as a person who develops wants it.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use patronus_qemu::{Boot, Bus, Disk, Facts, Guest, Machine, Page, Place, SecondLan, Wan};

use crate::{interrupt::Interrupt, workspace::Workspace};

/// Size of a box's disk; the file is sparse.
const DISK_BYTES: u64 = 4 << 30;
/// A boot on a busy computer.
const BOOT_LIMIT: Duration = Duration::from_secs(240);
/// The console shows its facts right after the page answers.
const FACTS_LIMIT: Duration = Duration::from_secs(15);
/// Between two looks at the page.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The first box's page is here, if the port is free; the next one's is one higher.
const FIRST_PORT: u16 = 8443;
/// And here once its LAN has moved.
const FIRST_PORT_AFTER_MOVE: u16 = 9443;
/// The first box's LAN; the next one's has the next number.
const FIRST_LAN: u8 = 42;
/// Everything that an image brings; the rest belongs to the box.
const SYSTEM_PARTITIONS: [&str; 4] = ["esp", "xbootldr", "root-a", "root-b"];

/// A running box.
#[derive(Debug)]
pub struct Site {
    number: u8,
    directory: PathBuf,
    guest: Guest,
    page: Page,
    /// The LAN that this box should move to, and the page there. The first one stays.
    moved: Option<(SecondLan, Page)>,
}

impl Site {
    /// Switches the box on.
    ///
    /// # Errors
    /// If its directory cannot be written or QEMU does not start.
    pub fn start(workspace: &Workspace, image: &Path, number: u8, uplinks: Vec<Wan>, fresh: bool) -> Result<Self> {
        let directory = workspace.target.join(format!("run/site{number}"));
        if fresh && directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let disk = prepare_disk(&directory, image)?;
        let boot = prepare_firmware(&directory)?;
        let machine = Machine::new(&format!("patronus-site{number}"), boot).number(number).disk(disk, Bus::Virtio);
        let machine = uplinks.into_iter().fold(machine, Machine::wan).lan();
        let mut machine = machine.lan_port(free_port(FIRST_PORT + u16::from(number) - 1));
        let second = (number > 1).then(|| SecondLan(FIRST_LAN + number - 1));
        if let Some(lan) = second {
            machine = machine.second_lan(lan, free_port(FIRST_PORT_AFTER_MOVE + u16::from(number) - 1));
        }
        let guest = machine.start(File::create(directory.join("console.log"))?)?;
        let page = guest.page()?;
        let moved = second.map(|lan| guest.page_in(lan).map(|page| (lan, page))).transpose()?;
        Ok(Self { number, directory, guest, page, moved })
    }

    /// Counted from 1.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Waits until the page answers or somebody presses Ctrl-C.
    ///
    /// # Errors
    /// If the box ends, or the page does not answer in time.
    pub fn wait_for_page(&mut self, interrupt: &Interrupt) -> Result<()> {
        let deadline = Instant::now() + BOOT_LIMIT;
        while !interrupt.raised() && self.answering().is_none() {
            if !self.guest.is_on()? || Instant::now() > deadline {
                let log = self.directory.join("console.log");
                bail!("the page of site {} does not answer; the console is in {}", self.number, log.display());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// The page where it is now: a box that is set up may have moved.
    fn answering(&self) -> Option<&Page> {
        let pages = std::iter::once(&self.page).chain(self.moved.as_ref().map(|(_, page)| page));
        pages.into_iter().find(|page| page.get("/").is_ok())
    }

    /// Says where the page is and how to trust it.
    ///
    /// # Errors
    /// If the page has stopped answering.
    pub fn introduce(&self) -> Result<()> {
        let facts = self.facts();
        println!("\nSite {}\n  page         {}", self.number, self.page.url());
        if let Some((SecondLan(network), page)) = &self.moved {
            println!("  or, moved    {} once its LAN address is 192.168.{network}.1/24", page.url());
        }
        match facts.claim_code {
            Some(code) => println!("  claim code   {code}"),
            None => println!("  claim code   none: this box is set up; sign in, or start over with --fresh"),
        }
        println!(
            "  certificate  SHA-256 {}",
            facts
                .fingerprint
                .map_or_else(|| self.answering().unwrap_or(&self.page).get("/").map(|a| a.fingerprint), Ok)?
        );
        println!("  console      {}", self.directory.join("console.log").display());
        Ok(())
    }

    /// Whether the box is on.
    ///
    /// # Errors
    /// If the kernel does not know the process.
    pub fn is_on(&mut self) -> Result<bool> {
        self.guest.is_on()
    }

    /// Presses the power button, unless the box is off.
    ///
    /// # Errors
    /// If QEMU does not take the command.
    pub fn press_power_button(&mut self) -> Result<()> {
        if self.guest.is_on()? { self.guest.press_power_button() } else { Ok(()) }
    }

    /// Waits for a clean end; whether there was one.
    ///
    /// # Errors
    /// If the kernel does not know the process.
    pub fn wait_for_power_off(&mut self, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        while self.guest.is_on()? {
            if Instant::now() > deadline {
                return Ok(false);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(true)
    }

    /// What the console shows, once it shows the fingerprint.
    fn facts(&self) -> Facts {
        let deadline = Instant::now() + FACTS_LIMIT;
        loop {
            let facts = Facts::on(self.guest.console(), 0);
            if facts.fingerprint.is_some() || Instant::now() > deadline {
                return facts;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// A new disk with the image, or the kept disk with the image's own partitions brought up to date.
fn prepare_disk(directory: &Path, image: &Path) -> Result<Disk> {
    let path = directory.join("disk.raw");
    let made_from = directory.join("made-from");
    let stamp = format!("{:?}", fs::metadata(image)?.modified()?);
    if !path.exists() {
        let disk = Disk::copy_of(image, path)?;
        disk.resize(DISK_BYTES)?;
        fs::write(made_from, stamp)?;
        return Ok(disk);
    }
    let disk = Disk::existing(path);
    if fs::read_to_string(&made_from).ok().as_ref() != Some(&stamp) {
        let image = Disk::existing(image.to_owned());
        for name in SYSTEM_PARTITIONS {
            disk.take_over(&image, &image.partition(name)?)?;
        }
        fs::write(made_from, stamp)?;
    }
    Ok(disk)
}

fn prepare_firmware(directory: &Path) -> Result<Boot> {
    let (code, pristine) = Place::from_env().firmware()?;
    let variables = directory.join("variables.fd");
    if !variables.exists() {
        fs::copy(pristine, &variables)?;
    }
    Ok(Boot::Uefi { code, variables })
}

/// The wished port if it is free, else 0: QEMU then takes any.
fn free_port(wished: u16) -> u16 {
    TcpListener::bind(("127.0.0.1", wished)).map_or(0, |_| wished)
}
