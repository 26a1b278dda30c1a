//! `run`: builds the image, boots it, and says where its page is.
//!
//! *Does*: one box, or several whose WAN ports share one network; keeps their disks until `--fresh`; a clean stop at Ctrl-C.
//! *Never does*: ask for rights: everything works as an ordinary user, on local ports only.

mod site;

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;
use patronus_qemu::{Segment, Wan};

use crate::{
    build::{self, packages},
    interrupt::Interrupt,
    progress,
    workspace::Workspace,
};
use site::Site;

/// More boxes than this do not fit into an ordinary computer's memory.
const MOST_SITES: u8 = 16;
/// How long the boxes may take to stop by themselves.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How often to look for Ctrl-C and for boxes that were switched off by their own page.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a person can choose.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Only build.
    #[arg(long)]
    no_boot: bool,
    /// Boot this many boxes, their WAN ports on one network.
    #[arg(long, default_value_t = 1, value_name = "N")]
    sites: u8,
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
    let image = build::image_for_run(workspace)?;
    if args.no_boot {
        return Ok(());
    }
    packages::ensure(packages::MACHINE_TOOLS)?;
    let interrupt = Interrupt::watch()?;
    let segment = Segment::new()?;
    let mut sites = Vec::new();
    for number in 1..=args.sites {
        let wan = wan_of(number, args.sites, &segment);
        sites.push(progress::step(&format!("switch on site {number}"), || {
            Site::start(workspace, &image, number, wan, args.fresh)
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
    println!("\nStop with Ctrl-C. What was set up stays in target/run; --fresh starts over.");
    keep_running(&mut sites, &interrupt)?;
    stop(sites)
}

/// The first box of several brings the provider that all share.
fn wan_of(number: u8, sites: u8, segment: &Segment) -> Wan {
    match (number, sites) {
        (_, 1) => Wan::Provider,
        (1, _) => Wan::ProviderOnSegment(segment.path().to_owned()),
        _ => Wan::Segment(segment.path().to_owned()),
    }
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
