//! One service becomes one process.
//!
//! *Does*: make the pipes, the process in its cgroup and namespaces, and, in the child, the sandbox and the program.
//! *Never does*: wait for the child: whether it got to its program is read later from a pipe.
//! *Spec*: `docs/ipc.md`, section "Environment of a service"; `docs/adr/0002-manifest.md`, section "Order of the steps".
#![forbid(unsafe_code)]

use std::{
    convert::Infallible,
    ffi::CString,
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, net::UnixListener},
    },
};

use patronus_ipc::{Access, context};
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd},
    pipe::{PipeFlags, pipe_with},
    process::{Pid, Resource, Rlimit, setrlimit, setsid},
};

use crate::{
    cgroup::Cgroup,
    manifest::{Namespace, Service},
    sandbox::{self, During, Failure, PROGRAM_FD, Step, paths, syscalls::Filters},
    sys::process as sys,
};

/// Exit code of a child that did not get to its program.
pub const NOT_STARTED: i32 = 125;

/// What is needed to start a service, again and again.
#[derive(Debug)]
pub struct Launch {
    /// What it is.
    pub service: Service,
    /// Its system call filters. Without them, only an unconfined service is started.
    pub filters: Option<Filters>,
    /// Its listening socket, which outlives its processes: callers wait in it while the service is started again.
    pub listener: Option<UnixListener>,
    /// Who may call it.
    pub access: Access,
    /// Its cgroup; `None` on a machine without.
    pub cgroup: Option<Cgroup>,
}

/// A running service.
#[derive(Debug)]
pub struct Child {
    /// Its process id.
    pub pid: Pid,
    /// Its process, even after its id is used again.
    pub pidfd: OwnedFd,
    /// What it writes to standard output and error.
    pub output: OwnedFd,
    /// One byte here means "ready".
    pub ready: OwnedFd,
    /// Why it did not get to its program: see [`read_failure`]. Ends empty if it did.
    pub failure: OwnedFd,
}

/// The ends of the pipes that the child keeps.
struct ChildEnds {
    output: OwnedFd,
    ready: OwnedFd,
    failure: OwnedFd,
}

/// Makes the process.
///
/// # Errors
/// If the kernel gives no descriptors or no process.
pub fn start(launch: &Launch) -> io::Result<Child> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK);
    let (output, child_output) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&output, true)?;
    let ((ready, child_ready), (failure, child_failure)) = (pipe()?, pipe()?);
    let ends = ChildEnds { output: child_output, ready: child_ready, failure: child_failure };
    let cgroup = launch.cgroup.as_ref().map(|cgroup| cgroup.directory().as_fd());
    let (pid, pidfd) = sys::clone_child(clone_flags(&launch.service), cgroup, || run_child(launch, &ends))?;
    Ok(Child { pid, pidfd, output, ready, failure })
}

/// What a child said of its failure: the step and the kernel's error number.
#[must_use]
pub fn read_failure(bytes: [u8; 5]) -> Option<Failure> {
    let [step, number @ ..] = bytes;
    Some((Step::from_number(step)?, io::Error::from_raw_os_error(i32::from_ne_bytes(number))))
}

fn clone_flags(service: &Service) -> i32 {
    let flag = |namespace: &Namespace| match namespace {
        Namespace::Mount => libc::CLONE_NEWNS,
        Namespace::Pid => libc::CLONE_NEWPID,
        Namespace::Uts => libc::CLONE_NEWUTS,
        Namespace::Net => libc::CLONE_NEWNET,
    };
    service.namespaces.iter().map(flag).fold(0, |flags, flag| flags | flag)
}

/// The child: ends as the service's program, or with a word to its parent.
fn run_child(launch: &Launch, ends: &ChildEnds) {
    let Err((step, error)) = become_service(launch, ends);
    let [a, b, c, d] = error.raw_os_error().unwrap_or(libc::EINVAL).to_ne_bytes();
    let _ = rustix::io::write(&ends.failure, &[step as u8, a, b, c, d]);
    sys::exit_now(NOT_STARTED)
}

fn become_service(launch: &Launch, ends: &ChildEnds) -> Result<Infallible, Failure> {
    begin_session().during(Step::Session)?;
    connect_streams(launch, ends).during(Step::Streams)?;
    let (arguments, environment) = words(launch, ends).during(Step::Streams)?;
    let program = open_program(&launch.service).during(Step::Program)?;
    if !launch.service.unconfined {
        let filters = launch.filters.as_ref().ok_or(io::ErrorKind::Unsupported).during(Step::SystemCalls)?;
        sandbox::enter(&launch.service, &program, filters)?;
    }
    Err((Step::Exec, sys::exec(program.as_fd(), &arguments, &environment)))
}

fn begin_session() -> io::Result<()> {
    setsid()?;
    sys::reset_broken_pipe();
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    // The directories of the file tree are made with this; the service gets a stricter one.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    Ok(())
}

/// Standard streams, and the descriptors of `patronus_ipc::context`; all others of PID 1 are closed by exec.
fn connect_streams(launch: &Launch, ends: &ChildEnds) -> io::Result<()> {
    let null = openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&ends.output)?;
    rustix::stdio::dup2_stderr(&ends.output)?;
    sys::close_all_on_exec(3)?;
    fcntl_setfd(&ends.ready, FdFlags::empty())?;
    if let Some(listener) = &launch.listener {
        fcntl_setfd(listener, FdFlags::empty())?;
    }
    Ok(())
}

/// The program under the one number that the system call filter lets be executed.
fn open_program(service: &Service) -> io::Result<OwnedFd> {
    let file = if service.namespaces.contains(&Namespace::Mount) {
        sandbox::root::open_program(&service.exec)?
    } else {
        openat(CWD, &service.exec, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?
    };
    let files = u64::from(PROGRAM_FD.unsigned_abs()) + 1;
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: Some(files) })?;
    let program = fcntl_dupfd_cloexec(&file, PROGRAM_FD)?;
    if program.as_raw_fd() == PROGRAM_FD { Ok(program) } else { Err(io::ErrorKind::AlreadyExists.into()) }
}

/// Blocks of so many bytes and more go back to the kernel when they are freed. glibc alone raises this to the largest that was ever freed: a password that was
/// checked would leave its 19 MiB with the process for good (mallopt(3), `M_MMAP_THRESHOLD`).
const GIVEN_BACK_BYTES: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "262144");

/// The program's arguments and environment.
fn words(launch: &Launch, ends: &ChildEnds) -> io::Result<(Vec<CString>, Vec<CString>)> {
    let service = &launch.service;
    let number = |fd: BorrowedFd<'_>| fd.as_raw_fd().to_string();
    let mut variables = vec![
        (context::SERVICE, service.name.clone()),
        (context::IPC_DIR, paths::SOCKETS.to_owned()),
        (context::CALLERS, launch.access.to_string()),
        (context::READY_FD, number(ends.ready.as_fd())),
        (GIVEN_BACK_BYTES.0, GIVEN_BACK_BYTES.1.to_owned()),
    ];
    if service.state {
        variables.push((context::STATE_DIR, paths::state_dir(service).display().to_string()));
    }
    if let Some(listener) = &launch.listener {
        variables.push((context::LISTEN_FD, number(listener.as_fd())));
    }
    let environment = variables.into_iter().map(|(name, value)| CString::new(format!("{name}={value}")));
    let arguments = vec![CString::new(service.exec.as_os_str().as_bytes())?];
    Ok((arguments, environment.collect::<Result<_, _>>()?))
}

/// Makes the place where a service keeps its state, owned by it, closed to all others. It is on the medium after [`keep_state_dirs`].
///
/// # Errors
/// If the data file system refuses; the service then starts without the directory, and says so itself.
pub fn make_state_dir(service: &Service) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, chown};
    let path = paths::state_dir(service);
    if !path.exists() {
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
    }
    // Always: after a power cut between the two, the directory is there and root's.
    chown(&path, Some(service.uid), Some(service.uid))
}

/// Puts the new places on the medium, all at once.
///
/// # Errors
/// If the data file system refuses.
pub fn keep_state_dirs() -> io::Result<()> {
    File::open("/data")?.sync_all()
}

/// Gives a service the devices that it may write, and the place for pins: in the kernel's own tree they are root's alone.
///
/// # Errors
/// If there is no such device; the service then starts without.
pub fn give_devices(service: &Service) -> io::Result<()> {
    use std::os::unix::fs::chown;
    let devices = service.write.iter().filter(|path| paths::is_given(path));
    devices.into_iter().try_for_each(|path| chown(path, Some(service.uid), Some(service.uid)))
}

/// Ends a service at once, for a machine without cgroups.
///
/// # Errors
/// If it has ended already.
pub fn kill(pidfd: &OwnedFd) -> io::Result<()> {
    Ok(rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL)?)
}

/// Tells a service to end.
///
/// # Errors
/// If it has ended already.
pub fn terminate(pidfd: &OwnedFd) -> io::Result<()> {
    Ok(rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::TERM)?)
}
