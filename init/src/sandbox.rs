//! From the rights in the manifest to a process that has no others.
//!
//! *Does*: the steps of a child process between its birth and its program, in the one order in which they work: the file tree
//! first, because it needs root; then the user; then Landlock; the system call filter last, because the steps before need calls
//! that it refuses.
//! *Never does*: go on after a step that failed; run in PID 1 itself.
//! *Spec*: `docs/adr/0002-manifest.md`, section "Order of the steps".
#![forbid(unsafe_code)]

use std::{fmt, io, os::fd::AsFd};

use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, setrlimit, umask},
};

use crate::manifest::Service;

pub mod paths;
pub mod privileges;
pub mod root;
pub mod rules;
pub mod syscalls;

/// The descriptor of the program while the filter is on. It is out of the service's reach afterwards, because its number is over
/// the service's limit of descriptors: a filter that lets this number be executed lets nothing be executed later.
pub const PROGRAM_FD: i32 = 4_000;

/// A step that can fail. Its number is what the child tells its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Step {
    Session = 1,
    Streams,
    Program,
    FileTree,
    Limits,
    Privileges,
    Landlock,
    SystemCalls,
    Exec,
}

impl Step {
    const ALL: [Self; 9] = [
        Self::Session,
        Self::Streams,
        Self::Program,
        Self::FileTree,
        Self::Limits,
        Self::Privileges,
        Self::Landlock,
        Self::SystemCalls,
        Self::Exec,
    ];

    /// The step with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u8 == number)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session and signals",
            Self::Streams => "standard streams",
            Self::Program => "opening the program",
            Self::FileTree => "file tree",
            Self::Limits => "limits",
            Self::Privileges => "user and capabilities",
            Self::Landlock => "Landlock",
            Self::SystemCalls => "system call filter",
            Self::Exec => "running the program",
        })
    }
}

/// A step that failed, and the kernel's error number.
pub type Failure = (Step, io::Error);

/// Names the step in which something failed.
pub trait During<T> {
    /// Names the step.
    ///
    /// # Errors
    /// The same, with the step's name.
    fn during(self, step: Step) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, step: Step) -> Result<T, Failure> {
        self.map_err(|error| (step, error.into()))
    }
}

/// Gives up every right that the manifest does not give. `program` is what will be executed.
///
/// # Errors
/// The step that failed. The process must end then: it is in a state between.
pub fn enter(service: &Service, program: impl AsFd, filters: &syscalls::Filters) -> Result<(), Failure> {
    if service.namespaces.contains(&crate::manifest::Namespace::Mount) {
        root::enter(service).during(Step::FileTree)?;
    }
    limit_resources(service).during(Step::Limits)?;
    privileges::reduce(service).during(Step::Privileges)?;
    rules::enforce(service, program).during(Step::Landlock)?;
    filters.enforce().during(Step::SystemCalls)
}

fn limit_resources(service: &Service) -> io::Result<()> {
    let exactly = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Nofile, exactly(service.files_max))?;
    setrlimit(Resource::Core, exactly(0))?;
    // A full disk is the whole machine's trouble: no file of a service grows over this.
    setrlimit(Resource::Fsize, exactly(MAX_FILE_BYTES))?;
    umask(Mode::RWXG | Mode::RWXO);
    Ok(())
}

/// Largest file that a service may write: half of the data partition as shipped.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
