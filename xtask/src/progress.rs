//! Tells the person who waits what is being done, and for how long.
//!
//! *Does*: one line per step on stderr, a sign of life every few seconds in long ones, the time at the end.
//! *Never does*: write to stdout, which belongs to the answers of a command.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long a step may be silent before it says that it is alive.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(5);
/// Steps shorter than this need no closing line.
const WORTH_TELLING: Duration = Duration::from_secs(2);

/// Runs `work` as a step of the given name.
///
/// # Errors
/// Whatever `work` fails with, with the name of the step in front.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("  {name}");
    let started = Instant::now();
    let result = work().with_context(|| name.to_owned());
    if result.is_ok() && started.elapsed() > WORTH_TELLING {
        eprintln!("  {name}: done in {:.0} s", started.elapsed().as_secs_f32());
    }
    result
}

/// Runs a long command. Its output goes to `log`; every line counts towards `expected_lines`, shown as a percentage.
///
/// # Errors
/// When the command cannot start or fails; the message carries the end of the log.
pub fn long_command(command: &mut Command, log: &Path, expected_lines: usize) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut output = std::fs::File::create(log).with_context(|| format!("create {}", log.display()))?;
    let both = output.try_clone()?;
    let mut child = command.stdout(Stdio::piped()).stderr(both).spawn().with_context(|| format!("start {name}"))?;
    let started = Instant::now();
    let mut last_sign = started;
    if let Some(stdout) = child.stdout.take() {
        for (count, line) in BufReader::new(stdout).split(b'\n').enumerate() {
            output.write_all(&line?)?;
            output.write_all(b"\n")?;
            if last_sign.elapsed() > SIGN_OF_LIFE_EVERY {
                last_sign = Instant::now();
                sign_of_life(started.elapsed(), count * 100 / expected_lines.max(1));
            }
        }
    }
    end_of_signs();
    if child.wait()?.success() {
        return Ok(());
    }
    bail!("{name} failed; the end of {}:\n{}", log.display(), tail(log)?);
}

/// Rewrites one line on a terminal; elsewhere says nothing, so that logs stay short.
fn sign_of_life(elapsed: Duration, percent: usize) {
    if std::io::stderr().is_terminal() {
        eprint!("\r    {} s, about {} %   ", elapsed.as_secs(), percent.min(99));
    } else if elapsed.as_secs() % 60 < SIGN_OF_LIFE_EVERY.as_secs() {
        eprintln!("    {} s, about {} %", elapsed.as_secs(), percent.min(99));
    }
}

fn end_of_signs() {
    if std::io::stderr().is_terminal() {
        eprint!("\r                              \r");
    }
}

fn tail(log: &Path) -> Result<String> {
    let text = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines.iter().skip(lines.len().saturating_sub(20)).copied().collect::<Vec<_>>().join("\n"))
}
