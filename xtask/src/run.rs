//! `run`: builds the image, boots it, and says where its page is.
//!
//! *Does*: one box with a way out into the world, or several whose uplinks are on networks of their own, which lead to each other and nowhere
//! else; keeps their disks until `--fresh`; a clean stop at Ctrl-C.
//! *Never does*: ask for rights: everything works as an ordinary user, on local ports only.

mod site;

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;
use patronus_qemu::{Internet, Wan};

use crate::{
    build::{self, packages},
    interrupt::Interrupt,
    progress,
    workspace::Workspace,
};
use site::Site;

/// More boxes than this do not fit into an ordinary computer's memory.
const MOST_SITES: u8 = 16;
/// As many providers' networks as a small box has ports for.
const MOST_UPLINKS: u8 = 4;
/// How long the boxes may take to stop by themselves.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How often to look for Ctrl-C and for boxes that were switched off by their own page.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a person needs to know to make one network of several boxes.
const SEVERAL: &str = "
Each site needs a LAN of its own: give each at set-up the address that stands at its second page.
The providers' networks, 100.64.0.0/24 and up, lead to each other, tell the time, and lead nowhere else.
";

/// What a person can choose.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Only build.
    #[arg(long)]
    no_boot: bool,
    /// Boot this many boxes on the same providers' networks.
    #[arg(long, default_value_t = 1, value_name = "N")]
    sites: u8,
    /// Give each box this many uplinks.
    #[arg(long, default_value_t = 1, value_name = "M")]
    uplinks: u8,
    /// Start with new disks: forget everything that was set up.
    #[arg(long)]
    fresh: bool,
}

/// Runs the command.
///
/// # Errors
/// If the image cannot be built, or a box does not come up.
pub fn run(workspace: &Workspace, args: &RunArgs) -> Result<()> {
    ensure!((1..=MOST_SITES).contains(&args.sites), "--sites takes 1 to {MOST_SITES}");
    ensure!((1..=MOST_UPLINKS).contains(&args.uplinks), "--uplinks takes 1 to {MOST_UPLINKS}");
    let image = build::image_for_run(workspace)?;
    if args.no_boot {
        return Ok(());
    }
    packages::ensure(packages::MACHINE_TOOLS)?;
    let interrupt = Interrupt::watch()?;
    let internet = Internet::new(args.uplinks)?;
    let mut sites = Vec::new();
    for number in 1..=args.sites {
        let uplinks = uplinks(args, &internet);
        sites.push(progress::step(&format!("switch on site {number}"), || {
            Site::start(workspace, &image, number, uplinks, args.fresh)
        })?);
    }
    for site in &mut sites {
        let up =
            progress::step(&format!("wait for the page of site {}", site.number()), || site.wait_for_page(&interrupt));
        if interrupt.raised() {
            return stop(sites);
        }
        up?;
        site.introduce()?;
    }
    if args.sites > 1 {
        print!("{SEVERAL}");
    }
    println!("\nStop with Ctrl-C. What was set up stays in target/run; --fresh starts over.");
    keep_running(&mut sites, &interrupt)?;
    stop(sites)
}

/// A single box with one uplink gets this computer's own way into the world.
fn uplinks(args: &RunArgs, internet: &Internet) -> Vec<Wan> {
    if (args.sites, args.uplinks) == (1, 1) {
        return vec![Wan::Provider];
    }
    internet.segments().iter().map(|segment| Wan::Segment(segment.path().to_owned())).collect()
}

/// Until Ctrl-C, or until every box is off.
fn keep_running(sites: &mut [Site], interrupt: &Interrupt) -> Result<()> {
    while !interrupt.raised() {
        let mut running = 0;
        for site in &mut *sites {
            running += u32::from(site.is_on()?);
        }
        if running == 0 {
            println!("Every box was switched off.");
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Presses every power button, then waits for all.
fn stop(mut sites: Vec<Site>) -> Result<()> {
    let mut late = Vec::new();
    for site in &mut sites {
        site.press_power_button()?;
    }
    for site in &mut sites {
        if !progress::step(&format!("stop site {}", site.number()), || site.wait_for_power_off(STOP_LIMIT))? {
            late.push(site.number());
        }
    }
    if late.is_empty() {
        return Ok(());
    }
    bail!("cut the power of sites {late:?}: they did not stop within {} s", STOP_LIMIT.as_secs());
}
