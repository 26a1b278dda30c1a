//! Figures: collected, summed up, shown and written.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::workspace::Workspace;

/// The runs of one benchmark, by figure, as they come.
#[derive(Debug, Default)]
pub(super) struct Runs {
    order: Vec<String>,
    values: BTreeMap<String, (String, Vec<f64>)>,
}

impl Runs {
    /// Notes one measured value of a figure.
    pub(super) fn note(&mut self, figure: &str, unit: &str, value: f64) {
        if !self.order.iter().any(|known| known == figure) {
            self.order.push(figure.to_owned());
        }
        self.values.entry(figure.to_owned()).or_insert_with(|| (unit.to_owned(), Vec::new())).1.push(value);
    }

    /// Takes over what a part of the runs has brought. How each of its figures stands with that, for who waits, and for when the rest is cut.
    pub(super) fn take(&mut self, part: Self) -> Vec<String> {
        let take = |figure: &String| {
            let (unit, values) = part.values.get(figure)?;
            values.iter().for_each(|value| self.note(figure, unit, *value));
            self.so_far(figure)
        };
        part.order.iter().filter_map(take).collect()
    }

    fn so_far(&self, figure: &str) -> Option<String> {
        let (unit, values) = self.values.get(figure)?;
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (runs, median, p99) = (values.len(), median(values), p99(values));
        Some(format!("{figure}: median {median:.2}, p99 {p99:.2}, max {max:.2} {unit} of {runs} runs"))
    }
}

/// What goes into the file.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: String,
    command: String,
    figures: Vec<Figure>,
}

/// One figure of ours, and how it compares.
#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    /// Whose, if rivals have rows of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    unit: String,
    runs: usize,
    median: f64,
    min: f64,
    p99: f64,
    max: f64,
    /// The rival's median divided by ours, and the other way round for rates: how many times smaller or faster we are.
    ratio: Option<f64>,
    ratio_to: Option<String>,
}

impl Report {
    /// Sums up our runs; `rival` has a name and the runs of the same figures.
    pub(super) fn new(command: &str, ours: &Runs, rival: Option<(&str, &Runs)>) -> Result<Self> {
        let figures = ours.order.iter().map(|name| figure(name, ours, rival)).collect::<Result<_>>()?;
        Ok(Self { machine: machine()?, command: command.to_owned(), figures })
    }

    /// The same with several rivals: a row for each.
    pub(super) fn against(command: &str, ours: &Runs, rivals: &[(&str, &Runs)]) -> Result<Self> {
        // A rival that has no such figure has no row.
        let rows = |name: &String| {
            let with = rivals.iter().filter(|(_, runs)| runs.values.contains_key(name));
            with.map(|rival| figure(name, ours, Some(*rival))).collect::<Vec<_>>()
        };
        let figures = ours.order.iter().flat_map(rows).collect::<Result<_>>()?;
        Ok(Self { machine: machine()?, command: command.to_owned(), figures })
    }

    /// The same with rows for the rivals' runs, too: what counts is not only the middle.
    pub(super) fn side_by_side(command: &str, all: &[(&str, Runs)]) -> Result<Self> {
        let Some((_, ours)) = all.first() else { bail!("nobody ran") };
        let of_all = |name: &String| {
            let with = all.iter().filter(|(_, runs)| runs.values.contains_key(name));
            let row =
                |(by, runs): &(&str, Runs)| Ok(Figure { by: Some((*by).to_owned()), ..figure(name, runs, None)? });
            with.map(row).collect::<Vec<_>>()
        };
        let figures = ours.order.iter().flat_map(of_all).collect::<Result<_>>()?;
        Ok(Self { machine: machine()?, command: command.to_owned(), figures })
    }

    /// Prints the table.
    pub(super) fn show(&self) {
        println!("\n{}\n{}\n", self.machine, self.command);
        println!(
            "{:<26} {:>5} {:>11} {:>11} {:>11} {:>11}  {:<10} ratio",
            "figure", "runs", "median", "min", "p99", "max", "unit"
        );
        for figure in &self.figures {
            let ratio = match (figure.ratio, &figure.ratio_to, &figure.by) {
                (Some(ratio), Some(rival), _) => format!("{ratio:.1}x {rival}"),
                (_, _, by) => by.clone().unwrap_or_default(),
            };
            println!(
                "{:<26} {:>5} {:>11.2} {:>11.2} {:>11.2} {:>11.2}  {:<10} {ratio}",
                figure.name, figure.runs, figure.median, figure.min, figure.p99, figure.max, figure.unit
            );
        }
    }

    /// Writes `target/bench/NAME.json`; gives its path.
    pub(super) fn write(&self, workspace: &Workspace, name: &str) -> Result<PathBuf> {
        let directory = workspace.target.join("bench");
        fs::create_dir_all(&directory)?;
        let path = directory.join(format!("{name}.json"));
        fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }
}

fn figure(name: &str, ours: &Runs, rival: Option<(&str, &Runs)>) -> Result<Figure> {
    let (unit, values) = ours.values.get(name).context("a figure without runs")?;
    let median_ours = median(values);
    let of_rival = rival.and_then(|(rival, runs)| Some((rival.to_owned(), median(&runs.values.get(name)?.1))));
    Ok(Figure {
        name: name.to_owned(),
        by: None,
        unit: unit.clone(),
        runs: values.len(),
        median: median_ours,
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        p99: p99(values),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ratio: of_rival
            .as_ref()
            .map(|(_, median)| if is_rate(unit) { median_ours / median } else { median / median_ours }),
        ratio_to: of_rival.map(|(rival, _)| rival),
    })
}

/// Of rates the larger is the better one, of all else the smaller.
fn is_rate(unit: &str) -> bool {
    unit.ends_with("/s")
}

/// The middle value; of an even number of values, the mean of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(middle(half.wrapping_sub(1)), middle(half))
    } else {
        middle(half)
    }
}

/// The smallest value that 99 of a hundred do not exceed.
fn p99(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Processor, number of processors, memory, kernel, emulator.
fn machine() -> Result<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processors = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let model = field(&cpuinfo, "model name").unwrap_or_default();
    let memory = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    // Few benches need it, and not every machine has it.
    let qemu = match std::process::Command::new("qemu-system-x86_64").arg("--version").output() {
        Ok(said) => format!(", {} (TCG)", String::from_utf8_lossy(&said.stdout).lines().next().unwrap_or_default()),
        Err(_) => String::new(),
    };
    Ok(format!("{processors} x {model}, {memory}, Linux {}{qemu}", kernel.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn one_of_a_hundred_exceeds_the_99th_percentile() {
        let values = |count: u32| (1..=count).map(f64::from).collect::<Vec<_>>();
        assert!((p99(&values(200)) - 198.0).abs() < f64::EPSILON);
        assert!((p99(&values(3)) - 3.0).abs() < f64::EPSILON);
        assert!(p99(&[]).is_nan());
    }

    #[test]
    fn what_a_part_has_brought_counts_with_what_was_there() {
        let (mut all, mut part) = (Runs::default(), Runs::default());
        all.note("gap", "ms", 1.0);
        part.note("lost", "packets", 4.0);
        part.note("gap", "ms", 2.0);
        part.note("better", "switches", 0.0);
        let told = all.take(part);
        assert_eq!(
            told,
            [
                "lost: median 4.00, p99 4.00, max 4.00 packets of 1 runs",
                "gap: median 1.50, p99 2.00, max 2.00 ms of 2 runs",
                "better: median 0.00, p99 0.00, max 0.00 switches of 1 runs"
            ]
        );
        assert_eq!(all.order, ["gap", "lost", "better"], "as they came");
    }

    #[test]
    fn a_ratio_tells_how_many_times_the_rival_is_larger() {
        let (mut ours, mut theirs) = (Runs::default(), Runs::default());
        ours.note("page", "s", 2.0);
        theirs.note("page", "s", 33.0);
        let report = Report::new("bench", &ours, Some(("rival", &theirs))).unwrap();
        assert_eq!(report.figures[0].ratio, Some(16.5));
        assert_eq!(report.figures[0].ratio_to.as_deref(), Some("rival"));
    }

    #[test]
    fn of_a_rate_the_ratio_tells_how_many_times_the_rival_is_smaller() {
        let (mut ours, mut theirs) = (Runs::default(), Runs::default());
        ours.note("tcp", "Gb/s", 6.0);
        theirs.note("tcp", "Gb/s", 2.0);
        let report = Report::against("bench", &ours, &[("one", &theirs), ("other", &theirs)]).unwrap();
        let ratios: Vec<_> = report.figures.iter().map(|figure| (figure.ratio, figure.ratio_to.as_deref())).collect();
        assert_eq!(ratios, [(Some(3.0), Some("one")), (Some(3.0), Some("other"))]);
    }
}
