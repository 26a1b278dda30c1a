//! Calls of stage 1 and of bringing the machine up.

use std::{
    fs::File,
    io,
    mem::size_of,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use libc::{c_int, c_ulong};

/// Hands the whole `buffer` to the device mapper as argument of `command`; the kernel writes its answer into it.
///
/// # Errors
/// What the kernel says; `InvalidInput` if the buffer is shorter than the length that stands in it.
pub fn device_mapper(control: &File, command: u8, buffer: &mut [u8]) -> io::Result<()> {
    /// `_IOWR(0xfd, 0, struct dm_ioctl)`, whose size is 312.
    const BASE: c_ulong = 0xc138_fd00;
    let stated = buffer.get(12..16).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    if stated.is_none_or(|length| length as usize > buffer.len() || length < 312) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the buffer is at least as long as `data_size` in it says, which bounds what the kernel reads and writes.
    check(unsafe { libc::ioctl(control.as_raw_fd(), BASE | c_ulong::from(command), buffer.as_mut_ptr()) })
}

/// Tells the kernel that partition `number` of `disk` now has `length` bytes from `start`.
///
/// # Errors
/// What the kernel says.
pub fn resize_partition(disk: &File, number: u32, start: u64, length: u64) -> io::Result<()> {
    const RESIZE: c_int = 3;
    change_partition(disk, RESIZE, number, start, length)
}

/// Tells the kernel of a partition that it did not find: `number` of `disk`, `length` bytes from `start`.
///
/// # Errors
/// What the kernel says.
pub fn add_partition(disk: &File, number: u32, start: u64, length: u64) -> io::Result<()> {
    const ADD: c_int = 1;
    change_partition(disk, ADD, number, start, length)
}

fn change_partition(disk: &File, operation: c_int, number: u32, start: u64, length: u64) -> io::Result<()> {
    #[repr(C)]
    struct Partition {
        start: i64,
        length: i64,
        number: c_int,
        names: [u8; 128],
    }
    #[repr(C)]
    struct Argument {
        operation: c_int,
        flags: c_int,
        length: c_int,
        data: *mut Partition,
    }
    const BLKPG: c_ulong = 0x1269;
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut partition = Partition {
        start: i64::try_from(start).map_err(too_large)?,
        length: i64::try_from(length).map_err(too_large)?,
        number: c_int::try_from(number).map_err(too_large)?,
        names: [0; 128],
    };
    let size = size_of::<Partition>() as c_int;
    let argument = Argument { operation, flags: 0, length: size, data: &raw mut partition };
    // SAFETY: both structures have the kernel's layout and outlive the call.
    check(unsafe { libc::ioctl(disk.as_raw_fd(), BLKPG, &raw const argument) })
}

/// Grows the mounted ext4 that `root` is a part of to `blocks` of its own block size.
///
/// # Errors
/// What the kernel says.
pub fn resize_ext4(root: BorrowedFd<'_>, blocks: u64) -> io::Result<()> {
    /// `_IOW('f', 16, __u64)`.
    const RESIZE_FS: c_ulong = 0x4008_6610;
    // SAFETY: the kernel reads eight bytes, which is what `blocks` has.
    check(unsafe { libc::ioctl(root.as_raw_fd(), RESIZE_FS, &raw const blocks) })
}

/// Sets the time-out of a watchdog; the driver may choose another, which is returned.
///
/// # Errors
/// What the kernel says, such as that the time-out is fixed.
pub fn set_watchdog_timeout(watchdog: &File, seconds: u32) -> io::Result<u32> {
    /// `_IOWR('W', 6, int)`.
    const SET_TIMEOUT: c_ulong = 0xc004_5706;
    let mut value = c_int::try_from(seconds).unwrap_or(c_int::MAX);
    // SAFETY: the kernel reads and writes one int.
    check(unsafe { libc::ioctl(watchdog.as_raw_fd(), SET_TIMEOUT, &raw mut value) })?;
    Ok(u32::try_from(value).unwrap_or(0))
}

/// Mixes `seed` into the kernel's random pool and credits it in full.
///
/// # Errors
/// What the kernel says; `InvalidInput` if the seed has not 32 bytes.
pub fn credit_entropy(random: &File, seed: &[u8; 32]) -> io::Result<()> {
    #[repr(C)]
    struct Pool {
        entropy_bits: c_int,
        bytes: c_int,
        buffer: [u8; 32],
    }
    /// `_IOW('R', 3, int[2])`.
    const ADD_ENTROPY: c_ulong = 0x4008_5203;
    let pool = Pool { entropy_bits: 256, bytes: 32, buffer: *seed };
    // SAFETY: the structure has the kernel's layout, its length field counts the buffer that follows.
    check(unsafe { libc::ioctl(random.as_raw_fd(), ADD_ENTROPY, &raw const pool) })
}

/// Sets the flag "up" of the loopback device.
///
/// # Errors
/// What the kernel says.
pub fn bring_up_loopback(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid `ifreq`: a name, and a union of plain integers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(*b"lo\0") {
        *place = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the kernel reads one `ifreq`, whose name ends with a zero.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) })
}

/// Takes over a descriptor that the program before `exec` left open, if `number` is open.
#[must_use]
pub fn adopt(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: asking for the flags of a number that is not open only fails.
    let open = number > 2 && unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    // SAFETY: it is open, and nobody else in this young process owns it: it was inherited.
    open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
