//! The only place with `unsafe`: system calls as they are, which is the point of a probe.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_int, c_long},
    io,
    os::fd::{FromRawFd, OwnedFd},
};

/// One argument of a system call. There is none for memory that the kernel writes: such arguments are null.
#[derive(Clone, Copy)]
pub(crate) enum Word<'a> {
    Number(i64),
    Text(&'a CStr),
}

/// Makes a system call.
pub(crate) fn call(number: c_long, arguments: &[Word<'_>]) -> io::Result<c_long> {
    let word = |position: usize| match arguments.get(position) {
        Some(Word::Number(number)) => *number,
        Some(Word::Text(text)) => text.as_ptr() as i64,
        None => 0,
    };
    // SAFETY: pointers among the arguments are null or point to texts that outlive the call and that no listed call writes to.
    let result = unsafe { libc::syscall(number, word(0), word(1), word(2), word(3), word(4), word(5)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Makes a process or thread with these flags of `clone`. A new process ends at once.
pub(crate) fn clone(flags: c_int) -> io::Result<()> {
    // SAFETY: with a null stack and without CLONE_VM the child has a copy of everything, and only ends.
    match unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) } {
        // SAFETY: takes a number and does not return.
        0 => unsafe { libc::_exit(0) },
        pid if pid > 0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Maps a page that can be written and executed.
pub(crate) fn map_code() -> io::Result<()> {
    let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    // SAFETY: a new anonymous mapping, which nobody uses.
    let page =
        unsafe { libc::mmap(std::ptr::null_mut(), 4096, rights, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// One byte on the descriptor that `init` gave for it.
pub(crate) fn say_ready() -> bool {
    let number = std::env::var("PATRONUS_READY_FD").ok().and_then(|text| text.parse::<c_int>().ok());
    let Some(number) = number.filter(|number| *number > 2) else { return false };
    // SAFETY: `init` opened this descriptor for this program, and it is taken once.
    let ready = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::write(&ready, b"1").is_ok()
}

/// The first process of a namespace ignores signals without a handler.
pub(crate) fn end_on_termination() {
    extern "C" fn end(_: c_int) {
        // SAFETY: may be called in a signal handler, and does not return.
        unsafe { libc::_exit(0) }
    }
    let handler: extern "C" fn(c_int) = end;
    // SAFETY: the handler has the right signature and does only what is allowed in one.
    unsafe { libc::signal(libc::SIGTERM, handler as libc::sighandler_t) };
}
