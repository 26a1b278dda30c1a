//! Everything that Cargo builds of the workspace for its tests.
//!
//! *Does*: build all programs and all tests at once: then a crate is compiled with one set of features, not once for each group that asks for a part.
//! *Never does*: build anything if only groups run that need none of it.

use std::{
    cell::OnceCell,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::tally::Tally;
use crate::{build::ebpf, workspace::Workspace};

/// Tells tests of several services where their programs are.
const PLACE: &str = "PATRONUS_PROGRAMS";

/// What was built.
pub(super) struct Programs<'w> {
    workspace: &'w Workspace,
    tests: OnceCell<Vec<Test>>,
}

/// A program that runs the tests of a crate, or of one of its files.
#[derive(Debug)]
struct Test {
    /// The crate.
    directory: PathBuf,
    /// The crate's name, or the file's.
    name: String,
    program: PathBuf,
}

/// What Cargo says of each thing that it has built; of others it says less.
#[derive(Deserialize)]
struct Message {
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl<'w> Programs<'w> {
    /// Nothing yet.
    pub(super) fn new(workspace: &'w Workspace) -> Self {
        Self { workspace, tests: OnceCell::new() }
    }

    /// Runs all tests of the crates that are wanted, by their directory in the tree.
    pub(super) fn run(&self, tally: &mut Tally, is_wanted: impl Fn(&Path) -> bool, arguments: &[&str]) -> Result<()> {
        for test in self.tests()?.iter().filter(|test| is_wanted(&test.directory)) {
            println!("\n     Running {} ({})", test.name, test.program.display());
            let mut command = Command::new(&test.program);
            command.current_dir(self.workspace.root.join(&test.directory));
            command.env("CARGO_MANIFEST_DIR", self.workspace.root.join(&test.directory));
            command.env(PLACE, self.place()).args(tally.filter()).args(arguments);
            tally.run_tests(&test.name, &mut command)?;
        }
        Ok(())
    }

    /// A program by its name.
    pub(super) fn program(&self, name: &str) -> Result<Command> {
        self.tests()?;
        Ok(Command::new(self.place().join(name)))
    }

    fn place(&self) -> PathBuf {
        self.workspace.target.join("debug")
    }

    fn tests(&self) -> Result<&[Test]> {
        if self.tests.get().is_none() {
            let _ = self.tests.set(build(self.workspace)?);
        }
        self.tests.get().map(Vec::as_slice).context("nothing was built")
    }
}

fn build(workspace: &Workspace) -> Result<Vec<Test>> {
    ebpf::object(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--workspace", "--bins", "--tests", "--message-format=json-render-diagnostics"]);
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("start cargo")?;
    let said = child.stdout.take().context("no pipe")?;
    let mut tests = Vec::new();
    for line in BufReader::new(said).lines() {
        tests.extend(test(workspace, &line?)?);
    }
    ensure!(child.wait()?.success(), "the programs or their tests do not build");
    tests.sort_by(|one, other| (&one.directory, &one.name).cmp(&(&other.directory, &other.name)));
    Ok(tests)
}

/// The tests that a line of Cargo's names.
fn test(workspace: &Workspace, line: &str) -> Result<Option<Test>> {
    let message: Message = serde_json::from_str(line).context("what Cargo says")?;
    let Message { manifest_path: Some(manifest), target: Some(target), profile, executable: Some(program) } = message
    else {
        return Ok(None);
    };
    if !profile.is_some_and(|profile| profile.test) {
        return Ok(None);
    }
    let directory = manifest.parent().and_then(|place| place.strip_prefix(&workspace.root).ok());
    let directory = directory.with_context(|| format!("{} is not in the tree", manifest.display()))?.to_owned();
    Ok(Some(Test { directory, name: target.name, program }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_told_from_a_program_and_from_what_is_no_artefact() {
        let workspace = Workspace { root: "/tree".into(), target: "/target".into(), cache: "/cache".into() };
        let artefact = |is_test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/tree/services/web/Cargo.toml","target":{{"name":"pages"}},
                "profile":{{"test":{is_test}}},"executable":{executable}}}"#
            )
        };
        let found = test(&workspace, &artefact(true, r#""/target/debug/deps/pages-1""#)).unwrap().unwrap();
        assert_eq!((found.directory, found.name.as_str()), ("services/web".into(), "pages"));
        assert_eq!(found.program, Path::new("/target/debug/deps/pages-1"));
        for other in
            [artefact(false, r#""/target/debug/web""#), artefact(true, "null"), r#"{"reason":"build-finished"}"#.into()]
        {
            assert!(test(&workspace, &other).unwrap().is_none());
        }
    }
}
