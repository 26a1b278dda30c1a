//! Other processes, other programs, other users.
#![forbid(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::unix::fs::OpenOptionsExt,
};

use super::{Attempt, Outcome, call, files::own_file};
use crate::{
    Place,
    sys::{self, Word::Number, Word::Text},
};

/// See `sandbox::PROGRAM_FD` of `init`.
const PROGRAM_FD: i64 = 4_000;
/// Process ids of a small machine.
const PROCESS_IDS: std::ops::Range<i64> = 2..500;
const PTRACE_ATTACH: i64 = 16;

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("execute /init", |_| execute(c"/init")),
    Attempt::new("execute its own program", |place| execute(&CString::new(format!("/bin/{}", place.service))?)),
    Attempt::new("execute its own program by /proc", |_| execute(c"/proc/self/exe")),
    Attempt::new("execute through the program's descriptor", |_| execute_at(c"", libc::AT_EMPTY_PATH)),
    Attempt::new("execute a path through the program's descriptor", |place| {
        execute_at(&CString::new(format!("/bin/{}", place.service))?, libc::AT_EMPTY_PATH)
    }),
    Attempt::new("take the number of the program's descriptor", |_| {
        call(libc::SYS_dup3, &[Number(1), Number(PROGRAM_FD), Number(0)])
    }),
    Attempt::new("raise its limit of descriptors", |_| {
        // The kernel looks at the new limit before it is read: any pointer that is not null will do.
        call(libc::SYS_prlimit64, &[Number(0), Number(7), Text(c"limits limits limits"), Number(0)])
    }),
    Attempt::new("execute a file that it wrote", execute_written),
    Attempt::new("execute memory", |_| sys::map_code().map(|()| Outcome::Done)),
    Attempt::new("make a file in memory", |_| call(libc::SYS_memfd_create, &[Text(c"probe"), Number(0)])),
    Attempt::new("make a process", |_| sys::clone(0).map(|()| Outcome::Done)),
    Attempt::new("make a user namespace by clone", |_| sys::clone(libc::CLONE_NEWUSER).map(|()| Outcome::Done)),
    Attempt::new("signal PID 1", |_| call(libc::SYS_kill, &[Number(1), Number(0)])),
    Attempt::new("signal everything", |_| call(libc::SYS_kill, &[Number(-1), Number(0)])),
    Attempt::new("signal another service", signal_others),
    Attempt::new("trace PID 1", |_| call(libc::SYS_ptrace, &[Number(PTRACE_ATTACH), Number(1)])),
    Attempt::new("read memory of PID 1", |_| call(libc::SYS_process_vm_readv, &[Number(1)])),
    Attempt::new("become root", |_| call(libc::SYS_setuid, &[Number(0)])),
    Attempt::new("become another service", |_| {
        call(libc::SYS_setresuid, &[Number(10001), Number(10001), Number(10001)])
    }),
    Attempt::new("join root's group", |_| call(libc::SYS_setgid, &[Number(0)])),
    Attempt::new("raise its capabilities", |_| call(libc::SYS_capset, &[Number(0), Number(0)])),
    Attempt::new("type into a terminal", |_| {
        call(libc::SYS_ioctl, &[Number(0), Number(libc::TIOCSTI as i64), Text(c"x")])
    }),
    Attempt::new("change its personality", |_| call(libc::SYS_personality, &[Number(0x0040_0000)])),
];

fn execute(path: &CStr) -> io::Result<Outcome> {
    call(libc::SYS_execve, &[Text(path), Number(0), Number(0)])
}

fn execute_at(path: &CStr, flags: i32) -> io::Result<Outcome> {
    call(libc::SYS_execveat, &[Number(PROGRAM_FD), Text(path), Number(0), Number(0), Number(flags.into())])
}

fn execute_written(place: &Place) -> io::Result<Outcome> {
    let path = own_file(place)?;
    let written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o700).open(&path);
    written.and_then(|mut file| io::Write::write_all(&mut file, b"#!/init\n"))?;
    let outcome = execute(&CString::new(path.as_os_str().as_encoded_bytes())?);
    let removed = fs::remove_file(&path);
    outcome.and_then(|outcome| removed.map(|()| outcome))
}

/// `tgkill` is there for `abort`.
fn signal_others(_: &Place) -> io::Result<Outcome> {
    let mut last = Err(io::ErrorKind::NotFound.into());
    for id in PROCESS_IDS {
        last = call(libc::SYS_tgkill, &[Number(id), Number(id), Number(0)]);
        if last.is_ok() {
            break;
        }
    }
    last
}
