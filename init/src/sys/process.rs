//! Making a process, and the calls on its way to another program.

use std::{
    ffi::{CStr, CString, c_char, c_int},
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use rustix::process::Pid;

/// `linux/sched.h`. The C library's constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Makes a child process that runs `child` and ends; in the parent, gives its process id and a descriptor for it.
/// `namespaces` are `CLONE_NEW*` flags; the child begins its life in `cgroup`.
///
/// Only for processes with a single thread: of several, only the calling one goes on in the child, and locks that the others
/// hold stay locked there for ever.
///
/// # Errors
/// Whatever `clone3` says; no process was made.
pub fn clone_child(
    namespaces: c_int,
    cgroup: Option<BorrowedFd<'_>>,
    child: impl FnOnce(),
) -> io::Result<(Pid, OwnedFd)> {
    let mut pidfd: RawFd = -1;
    // SAFETY: `clone_args` is plain numbers; zero means "not used" for each field.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = (libc::CLONE_PIDFD | namespaces) as u64;
    arguments.pidfd = (&raw mut pidfd) as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM and with a zero stack the child gets a copy of this address space and goes on on a copy of this
    // stack, as after fork. The arguments outlive the call, and their size is passed along.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) };
    match pid {
        0 => {
            child();
            exit_now(1)
        }
        pid if pid > 0 => {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
            // SAFETY: the kernel has just stored a new descriptor there, and nobody else knows it.
            Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Becomes the program behind the descriptor. Returns only if that fails.
#[must_use]
pub fn exec(program: BorrowedFd<'_>, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| -> Vec<*const c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    let empty: &CStr = c"";
    // SAFETY: both lists end with a null pointer and point to texts that outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            empty.as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

/// Ends this process at once, without running anything else.
pub fn exit_now(code: c_int) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Marks every descriptor from `first` on as to be closed by exec.
///
/// # Errors
/// If the kernel is older than 5.11.
pub fn close_all_on_exec(first: u32) -> io::Result<()> {
    // SAFETY: takes numbers only; descriptors stay open until exec.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives SIGPIPE, which Rust's runtime ignores, its default again: what is ignored stays so across exec.
pub fn reset_broken_pipe() {
    // SAFETY: SIG_DFL is a valid disposition, and no handler runs.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
