//! The one place of this crate that needs `unsafe`: taking over a descriptor by its number.
#![allow(unsafe_code)]

use std::{
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::Mutex,
};

/// Numbers that were adopted: each descriptor has one owner.
static ADOPTED: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Takes ownership of an inherited descriptor. `None` if it is not open, is a standard stream, or has an owner already.
pub(crate) fn adopt(number: RawFd) -> Option<OwnedFd> {
    let mut adopted = ADOPTED.lock().ok()?;
    if number <= 2 || adopted.contains(&number) {
        return None;
    }
    // SAFETY: borrowed only for this call, and the call fails harmlessly (EBADF) if the number is not open.
    let borrowed = unsafe { rustix::fd::BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC).ok()?;
    adopted.push(number);
    // SAFETY: the number is open (fcntl succeeded), was inherited across exec so nothing in this process owns it, and the list
    // above lets it be adopted once.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
