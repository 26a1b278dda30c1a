//! `bench failover`: for how long traffic between two sites is interrupted when an uplink fails, and how often a good one is left.
//!
//! *Does*: two sites with two uplinks each, ours and rivals each in a place of its own; a thousand numbered datagrams a second between computers behind them;
//! faults of one uplink, some trials of each contender in turns, so that what else the machine does hits all alike.
//! *Never does*: compare runs of different calls; quote a rival that did not run.
//! *Spec*: `docs/performance.md`, section "failover".

mod contender;
mod lines;
mod load;
mod rival;

use std::{
    os::unix::fs::symlink,
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use patronus_lab::{Missing, Numbered, eventually};

use self::{contender::Contender, lines::Fault, load::Load, rival::Daemon};
use super::report::{Report, Runs};
use crate::{
    build::{ebpf, packages},
    lab, progress,
    workspace::Workspace,
};

/// What makes faults, load, and the tunnels of rivals.
const PACKAGES: &[&str] = &["iperf3", "nftables", "wireguard-go", "wireguard-tools"];
/// The daemons that rivals are made with; one that cannot be installed is left out.
const RIVALS: [(&str, &str, Daemon); 2] =
    [("bird2 BFD 20 ms x 3", "bird2", Daemon::BirdBfd), ("babeld", "babeld", Daemon::Babel)];
/// Trials of one contender before the next has its turn.
const TURN: u32 = 10;
/// A daemon that needs half a minute for a trial has so many of a hundred.
const SLOW_PERCENT: u32 = 5;
/// A line that loses much is looked at for so long; of a hundred trials that many.
const BROWN_OUT: Duration = Duration::from_secs(12);
/// See [`BROWN_OUT`].
const BROWN_OUT_PERCENT: u32 = 5;
/// One run of good lines under load.
const MINUTE: Duration = Duration::from_secs(60);
/// Traffic flows for so long before anything happens to it.
const WARM: Duration = Duration::from_secs(3);
/// Nobody plugs a cable in and pulls it within a second; and the kernel tells of one change of carrier a second.
const PLUGGED: Duration = Duration::from_millis(1_500);
/// Between two datagrams, of a port of no class that is built in; of one turn there are so many at most.
const EVERY: Duration = Duration::from_millis(1);
/// See [`EVERY`].
const PORT: u16 = 7777;
/// Of calls, which ours sends twice.
const DUPLICATED: u16 = 5060;
/// See [`EVERY`].
const MOST: usize = 1_800_000;
/// So many datagrams in a row, and an outage is over.
const IN_A_ROW: usize = 100;
/// The last so many that were sent may only be late.
const LATE: usize = 400;

/// What a person can choose.
#[derive(Debug, Args)]
pub struct FailoverArgs {
    /// Trials of each kind of failure with each contender.
    #[arg(long, default_value_t = 100)]
    trials: u32,
    /// Which kinds; all without it.
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Minutes of load on good lines with each contender.
    #[arg(long, default_value_t = 2)]
    minutes: u32,
    /// Services that are built already, each as `patronus-NAME`.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Against whom.
    #[arg(long, value_delimiter = ',', default_values = ["bird2", "babeld"], value_parser = ["bird2", "babeld", "none"])]
    rivals: Vec<String>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    SilentDropCalm,
    SilentDropLoaded,
    OneWayDrop,
    LinkDown,
    BrownOut,
    FalseSwitchesLoaded,
    DuplicatedLost,
}

impl Kind {
    const fn figure(self) -> &'static str {
        match self {
            Self::SilentDropCalm => "silent_drop_calm",
            Self::SilentDropLoaded => "silent_drop_loaded",
            Self::OneWayDrop => "one_way_drop",
            Self::LinkDown => "link_down",
            Self::BrownOut => "brown_out",
            Self::FalseSwitchesLoaded => "false_switches_loaded",
            Self::DuplicatedLost => "duplicated_lost",
        }
    }

    const fn fault(self) -> Option<Fault> {
        match self {
            Self::SilentDropCalm | Self::SilentDropLoaded | Self::DuplicatedLost => Some(Fault::Silent),
            Self::OneWayDrop => Some(Fault::OneWay),
            Self::LinkDown => Some(Fault::Unplugged),
            Self::BrownOut => Some(Fault::BrownOut),
            Self::FalseSwitchesLoaded => None,
        }
    }

    const fn port(self) -> u16 {
        if matches!(self, Self::DuplicatedLost) { DUPLICATED } else { PORT }
    }

    const fn is_loaded(self) -> bool {
        matches!(self, Self::SilentDropLoaded | Self::FalseSwitchesLoaded)
    }

    /// How many trials of those that were asked for, by what one takes.
    fn trials(self, args: &FailoverArgs, is_slow: bool) -> u32 {
        let of = |percent: u32| (args.trials * percent).div_ceil(100);
        match self {
            Self::FalseSwitchesLoaded => args.minutes,
            Self::BrownOut => of(BROWN_OUT_PERCENT),
            _ if is_slow => of(SLOW_PERCENT),
            _ => args.trials,
        }
    }
}

/// Runs the benchmark.
pub(super) fn run(workspace: &Workspace, args: &FailoverArgs) -> Result<()> {
    packages::ensure(PACKAGES)?;
    packages::ensure(lab::PACKAGES)?;
    let programs = args.programs.clone().map_or_else(|| build(workspace), Ok)?;
    let mut contenders = vec![progress::step("patronus", || Contender::ours(&programs))?];
    contenders.extend(rivals(&args.rivals)?);
    let mut runs: Vec<Runs> = contenders.iter().map(|_| Runs::default()).collect();
    let all = Kind::value_variants();
    for kind in if args.kinds.is_empty() { all } else { &args.kinds } {
        in_turns(*kind, args, &mut contenders, &mut runs)?;
    }
    let named: Vec<(&str, Runs)> = contenders.iter().map(|contender| contender.name).zip(runs).collect();
    let report = Report::side_by_side("./scripts/bench failover", &named)?;
    report.show();
    println!("\n{}", report.write(workspace, "failover")?.display());
    Ok(())
}

/// For cargo: as in the image, but for optimisation across crates, which takes minutes and is felt by nothing that is measured here.
const SOONER: [(&str, &str); 2] = [("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")];

/// The services, under the names by which the lab starts them.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    ebpf::object(workspace)?;
    progress::step("build the services", || {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--quiet", "--release", "--package", "patronus-services"]).envs(SOONER);
        ensure!(cargo.status()?.success(), "the services do not build");
        Ok(())
    })?;
    let programs = workspace.target.join("failover");
    std::fs::create_dir_all(&programs)?;
    for name in lab::SERVICES {
        let link = programs.join(name);
        let _ = std::fs::remove_file(&link);
        symlink(workspace.target.join("release/patronus-services"), link)?;
    }
    Ok(programs)
}

fn rivals(wanted: &[String]) -> Result<Vec<Contender>> {
    let mut rivals = Vec::new();
    for (name, package, daemon) in
        RIVALS.into_iter().filter(|(_, package, _)| wanted.iter().any(|name| name == package))
    {
        match packages::ensure(&[package]) {
            Ok(()) => rivals.push(progress::step(name, || Contender::rival(name, daemon))?),
            Err(error) => println!("without {name}: {error:#}"),
        }
    }
    Ok(rivals)
}

/// All trials of one kind.
fn in_turns(kind: Kind, args: &FailoverArgs, contenders: &mut [Contender], runs: &mut [Runs]) -> Result<()> {
    let mut done = vec![0; contenders.len()];
    loop {
        let mut is_over = true;
        for ((contender, runs), done) in contenders.iter_mut().zip(&mut *runs).zip(&mut done) {
            let wanted = kind.trials(args, contender.name == "babeld");
            let turn = TURN.min(wanted - *done);
            if turn == 0 {
                continue;
            }
            is_over = false;
            *done += turn;
            let name = format!("{}: {}, {done} of {wanted}", kind.figure(), contender.name);
            let mut part = Runs::default();
            let result = progress::step(&name, || some(kind, turn, contender, &mut part));
            runs.take(part).iter().for_each(|figure| eprintln!("    {figure}"));
            result?;
        }
        if is_over {
            return Ok(());
        }
    }
}

/// Some trials of one contender, with traffic that goes on from the first to the last.
fn some(kind: Kind, trials: u32, contender: &mut Contender, runs: &mut Runs) -> Result<()> {
    let [from, to] = contender.hosts();
    let stream = Numbered::start(from, to, ("10.2.0.2", kind.port()), EVERY, MOST);
    let _load = kind.is_loaded().then(|| Load::start(from, to, "10.2.0.2")).transpose()?;
    sleep(WARM);
    for trial in 0..trials {
        // Not in step with anything.
        sleep(Duration::from_millis(u64::from(trial * 37 % 100)));
        match kind.fault() {
            None => good_lines(contender, &stream, runs)?,
            Some(Fault::BrownOut) => brown_out(contender, &stream, runs)?,
            Some(fault) => outage(kind, fault, contender, &stream, runs)?,
        }
    }
    Ok(())
}

/// The line that carries traffic fails.
fn outage(kind: Kind, fault: Fault, contender: &Contender, stream: &Numbered, runs: &mut Runs) -> Result<()> {
    contender.settle()?;
    if fault == Fault::Unplugged {
        sleep(PLUGGED);
    }
    let (lines, before) = (&contender.lines, stream.sent());
    lines.break_one(lines.busiest()?, fault)?;
    wait_until_it_goes_on(stream, stream.sent());
    let missing = missing_since(stream, before);
    lines.mend()?;
    if kind == Kind::DuplicatedLost {
        runs.note(kind.figure(), "packets", missing.packets as f64);
        runs.note("duplicated_twice", "packets", missing.twice as f64);
        return Ok(());
    }
    runs.note(kind.figure(), "ms", missing.gap_ms);
    runs.note(&format!("{}_lost", kind.figure()), "packets", missing.packets as f64);
    Ok(())
}

/// It loses much instead.
fn brown_out(contender: &mut Contender, stream: &Numbered, runs: &mut Runs) -> Result<()> {
    contender.forget();
    contender.settle()?;
    sleep(2 * WARM);
    let (lines, before) = (&contender.lines, stream.sent());
    lines.break_one(lines.busiest()?, Fault::BrownOut)?;
    sleep(BROWN_OUT);
    let missing = missing_since(stream, before);
    lines.mend()?;
    runs.note("brown_out", "ms", missing.until_ms);
    runs.note("brown_out_lost", "packets", missing.packets as f64);
    Ok(())
}

/// Nothing fails.
fn good_lines(contender: &Contender, stream: &Numbered, runs: &mut Runs) -> Result<()> {
    contender.settle()?;
    let (failovers, preferences, from) = (contender.failovers()?, contender.preferences(), stream.sent());
    let began = Instant::now();
    sleep(MINUTE.saturating_sub(began.elapsed()));
    runs.note("false_switches_loaded", "switches", (contender.failovers()? - failovers) as f64);
    runs.note("better_path_loaded", "switches", contender.preferences().saturating_sub(preferences) as f64);
    runs.note("false_switches_loaded_lost", "packets", missing_since(stream, from).packets as f64);
    Ok(())
}

/// Waits for the end of an outage that began before this number.
fn wait_until_it_goes_on(stream: &Numbered, from: usize) {
    let goes_on = || {
        let known = stream.sent().saturating_sub(LATE);
        known >= from + IN_A_ROW && stream.all_came(known - IN_A_ROW..known)
    };
    eventually("the stream goes on", goes_on, String::new);
}

fn missing_since(stream: &Numbered, from: usize) -> Missing {
    stream.missing(from..stream.sent().saturating_sub(LATE))
}
