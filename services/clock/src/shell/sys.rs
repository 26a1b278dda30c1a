//! The one place that needs `unsafe`: the kernel's slewing, for which no library in use has a safe function.
#![allow(unsafe_code)]

use std::io;

/// Lets the kernel drift the clock by this many microseconds at 500 parts per million; replaces a drift that still runs.
pub(crate) fn slew(offset_us: i64) -> io::Result<()> {
    // SAFETY: timex is a plain C struct for which all zeroes are a valid value.
    let mut request: libc::timex = unsafe { std::mem::zeroed() };
    request.modes = libc::ADJ_OFFSET_SINGLESHOT;
    request.offset = offset_us;
    // SAFETY: the pointer is to a live timex of our own, which the kernel reads and writes only during the call.
    if unsafe { libc::clock_adjtime(libc::CLOCK_REALTIME, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
