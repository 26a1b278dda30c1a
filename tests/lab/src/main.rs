//! `patronus-lab`: sites on this machine for people: up, status, down, demo.
//!
//! *Does*: `hold` makes the lab and keeps it until SIGTERM; `up` starts that in the background and waits until it is there.
//! *Never does*: end a process that is no lab.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use patronus_lab::{
    Net, Wiring, demo,
    status::{Held, Status},
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// A lab has so many sites and uplinks at most: each site is four processes and two threads for each uplink.
const SITES: u8 = 50;
const UPLINKS: u8 = 8;
/// How long a lab may take to come up, for each site.
const PATIENCE_EACH: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Sites on this machine, in network namespaces, with the real services.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the services' programs are; beside this one without it.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Where the lab is written down.
    #[arg(long)]
    state: PathBuf,
    #[command(subcommand)]
    task: Task,
}

#[derive(Clone, Debug, Subcommand)]
enum Task {
    /// Make a lab, and leave it running.
    Up(Size),
    /// What it is doing.
    Status {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Three sites, a call and a download, and an uplink that fails every few seconds; ends by itself.
    Demo {
        /// How many failures.
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=600))]
        failures: u32,
        /// Keep what was shown here: a picture (`.svg`) or text.
        #[arg(long)]
        record: Option<PathBuf>,
    },
    /// End it, and leave nothing behind.
    Down,
    /// Make a lab, and keep it until the end of this process.
    #[command(hide = true)]
    Hold(Size),
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Size {
    /// How many sites.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=i64::from(SITES)))]
    sites: u8,
    /// How many uplinks each has, each at a provider of its own.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=i64::from(UPLINKS)))]
    uplinks: u8,
    /// All customers of a provider on one wire, so that sites find each other without a seed.
    #[arg(long)]
    one_lan: bool,
}

impl Arguments {
    fn programs(&self) -> Result<PathBuf> {
        let beside = std::env::current_exe()?.parent().map(Path::to_owned).context("a directory")?;
        Ok(self.programs.clone().unwrap_or(beside))
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.task {
        Task::Up(size) => up(&arguments, *size),
        Task::Demo { failures, record } => demo(&arguments, *failures, record.as_deref()),
        Task::Status { json } => status(&arguments.state, *json),
        Task::Down => down(&arguments.state),
        Task::Hold(size) => hold(&arguments, *size),
    }
}

fn up(arguments: &Arguments, size: Size) -> Result<()> {
    if let Ok(held) = held(&arguments.state) {
        bail!("there is a lab already, held by process {}: end it with ./scripts/lab down", held.pid);
    }
    let log = arguments.state.with_extension("log");
    fs::create_dir_all(log.parent().context("a place for the log")?)?;
    let output = fs::File::create(&log)?;
    let mut holder = Command::new(std::env::current_exe()?);
    holder.arg("--state").arg(&arguments.state);
    if let Some(programs) = &arguments.programs {
        holder.arg("--programs").arg(programs);
    }
    let (sites, uplinks) = (size.sites.to_string(), size.uplinks.to_string());
    holder.args(["hold", "--sites", &sites, "--uplinks", &uplinks]).args(size.one_lan.then_some("--one-lan"));
    // Of its own group: Ctrl-C at the terminal is not meant for the lab.
    holder.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
    let mut holder = holder.spawn()?;
    let end = std::time::Instant::now() + PATIENCE_EACH * u32::from(size.sites);
    while held(&arguments.state).is_err() {
        ensure!(holder.try_wait()?.is_none(), "the lab did not come up: see {}", log.display());
        ensure!(std::time::Instant::now() < end, "the lab is too slow: see {}", log.display());
        std::thread::sleep(LOOK_EVERY);
    }
    status(&arguments.state, false)
}

fn status(state: &Path, json: bool) -> Result<()> {
    let held = held(state)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(Status::of(&held))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", status.lines());
    }
    Ok(())
}

fn down(state: &Path) -> Result<()> {
    let held = held(state)?;
    let pid = Pid::from_raw(i32::try_from(held.pid)?).context("no process")?;
    kill_process(pid, Signal::TERM)?;
    while state.exists() {
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn demo(arguments: &Arguments, failures: u32, record: Option<&Path>) -> Result<()> {
    let recording = demo::run(&arguments.programs()?, failures);
    Ok(record.map_or(Ok(()), |file| recording.write(file))?)
}

fn hold(arguments: &Arguments, size: Size) -> Result<()> {
    let programs = arguments.programs()?;
    let wiring = if size.one_lan { Wiring::OneLan } else { Wiring::Routed };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let net = Net::new(&programs, size.sites, size.uplinks, wiring);
    net.found();
    for site in &net.sites {
        let paths = usize::from(size.sites - 1) * usize::from(size.uplinks).pow(2);
        site.wait_for_paths(paths);
    }
    let unfinished = arguments.state.with_extension("new");
    fs::write(&unfinished, serde_json::to_vec(&net.held())?)?;
    fs::rename(&unfinished, &arguments.state)?;
    runtime.block_on(terminate.recv());
    drop(net);
    Ok(fs::remove_file(&arguments.state)?)
}

/// The lab that is written down, if its process still lives and is a lab.
fn held(state: &Path) -> Result<Held> {
    let text = fs::read(state).context("there is no lab: ./scripts/lab up makes one")?;
    let held: Held = serde_json::from_slice(&text)?;
    let program = fs::read_link(format!("/proc/{}/exe", held.pid)).unwrap_or_default();
    let is_lab = program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("patronus-lab"));
    if !is_lab {
        fs::remove_file(state)?;
        bail!("the lab has ended by itself: ./scripts/lab up makes a new one");
    }
    Ok(held)
}
