//! The count of what passed, failed and was skipped.

use std::{
    fmt,
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
    thread::{available_parallelism, scope},
};

use anyhow::{Context, Result, bail};

/// What all groups count into.
#[derive(Debug, Default)]
pub(super) struct Tally {
    filter: Option<String>,
    passed: u32,
    failed: Vec<String>,
    skipped: u32,
}

/// What a line of a test program says about one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    Skipped,
}

impl Tally {
    pub(super) fn new(filter: Option<&str>) -> Self {
        Self { filter: filter.map(str::to_owned), ..Self::default() }
    }

    /// What names must contain.
    pub(super) fn filter(&self) -> Option<&str> {
        self.filter.as_deref()
    }

    /// Whether a test of this name is wanted.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter))
    }

    pub(super) fn failed(&self) -> usize {
        self.failed.len()
    }

    /// Counts a success of a check that is no program of tests.
    pub(super) fn pass(&mut self, name: &str) {
        println!("test {name} ... ok");
        self.passed += 1;
    }

    /// Counts a failure.
    pub(super) fn fail(&mut self, name: &str, why: &str) {
        println!("test {name} ... FAILED\n{why}");
        self.failed.push(name.to_owned());
    }

    /// Counts what could not be tried here, and says why.
    pub(super) fn skip(&mut self, name: &str, why: &str) {
        println!("test {name} ... skipped: {why}");
        self.skipped += 1;
    }

    /// Runs a command that is a check by itself: it passes if the command succeeds.
    pub(super) fn check(&mut self, name: &str, command: &mut Command) -> Result<()> {
        if self.wants(name) {
            self.judge(name, run(command)?);
        }
        Ok(())
    }

    /// The same with several that keep one processor busy each: as many at a time as there are.
    pub(super) fn check_together(&mut self, mut checks: Vec<(String, Command)>) -> Result<()> {
        checks.retain(|(name, _)| self.wants(name));
        for some in checks.chunks_mut(available_parallelism()?.get()) {
            let outputs: Vec<Result<Output>> = scope(|scope| {
                let started: Vec<_> = some.iter_mut().map(|(_, command)| scope.spawn(|| run(command))).collect();
                let ended = started.into_iter().map(|one| one.join().unwrap_or_else(|_| bail!("a check panicked")));
                ended.collect()
            });
            for ((name, _), output) in some.iter().zip(outputs) {
                self.judge(name, output?);
            }
        }
        Ok(())
    }

    fn judge(&mut self, name: &str, output: Output) {
        if output.status.success() {
            self.pass(name)
        } else {
            self.fail(name, &String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))
        }
    }

    /// Runs a program of tests, shows what it says as it comes, and counts them.
    pub(super) fn run_tests(&mut self, what: &str, command: &mut Command) -> Result<()> {
        let failed_before = self.failed.len();
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let stdout = child.stdout.take().context("no pipe")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            self.count(&line);
        }
        // Tests that did not even begin have no line of their own.
        if !child.wait()?.success() && self.failed.len() == failed_before {
            self.fail(&format!("{what} ended early"), "see above");
        }
        Ok(())
    }

    /// Repeats the names of what failed, for people who see only the end.
    pub(super) fn show_failures(&self) {
        if !self.failed.is_empty() {
            println!("\nfailed:");
            self.failed.iter().for_each(|name| println!("    {name}"));
        }
        println!();
    }

    fn count(&mut self, line: &str) {
        match verdict(line) {
            Some((_, Verdict::Passed)) => self.passed += 1,
            Some((_, Verdict::Skipped)) => self.skipped += 1,
            Some((name, Verdict::Failed)) => self.failed.push(name.to_owned()),
            None => {}
        }
    }
}

fn run(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("cannot start {command:?}"))
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped)
    }
}

/// The test and its verdict, if the line is one of libtest's: `test NAME ... VERDICT`.
fn verdict(line: &str) -> Option<(&str, Verdict)> {
    let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let verdict = match verdict.split_whitespace().next()? {
        "ok" => Verdict::Passed,
        "FAILED" => Verdict::Failed,
        "ignored" | "ignored," => Verdict::Skipped,
        _ => return None,
    };
    Some((name, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_test_runner_count() {
        assert_eq!(verdict("test a::b ... ok"), Some(("a::b", Verdict::Passed)));
        assert_eq!(verdict("test a - should panic ... FAILED"), Some(("a - should panic", Verdict::Failed)));
        assert_eq!(verdict("test a ... ignored, slow"), Some(("a", Verdict::Skipped)));
        assert_eq!(verdict("test result: ok. 3 passed; 0 failed"), None);
        assert_eq!(verdict("  test a ... ok"), None);
    }

    #[test]
    fn a_runner_that_ends_without_a_verdict_is_one_failure() {
        let mut tally = Tally::new(None);
        tally.run_tests("nothing", &mut Command::new("false")).unwrap();
        assert_eq!(tally.to_string(), "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn checks_that_run_together_are_judged_one_by_one() {
        let mut tally = Tally::new(None);
        let checks = ["true", "false", "true"].map(|command| (command.to_owned(), Command::new(command)));
        tally.check_together(checks.into()).unwrap();
        assert_eq!(tally.to_string(), "2 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn verdicts_are_counted_as_they_are_streamed() {
        let mut tally = Tally::new(None);
        let mut echo = Command::new("printf");
        tally.run_tests("echo", echo.arg("test a ... ok\\ntest b ... FAILED\\ntest c ... ignored\\n")).unwrap();
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 1 skipped");
    }
}
