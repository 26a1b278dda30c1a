//! Files of others, and places where nobody should write.
#![forbid(unsafe_code)]

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

use super::{Attempt, Outcome, call};
use crate::{Place, sys::Word::Number};

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("list /data", |_| list("/data")),
    Attempt::new("list another service's state", |place| list(&format!("/data/{}", other(place)))),
    Attempt::new("read another service's state", |place| read(&format!("/data/{0}/{0}.redb", other(place)))),
    Attempt::new("write another service's state", |place| write(&format!("/data/{}/probe", other(place)))),
    Attempt::new("read PID 1's state", |_| list("/data/init")),
    Attempt::new("write /", |_| write("/probe")),
    Attempt::new("write /etc", |_| write("/etc/probe")),
    Attempt::new("write /etc/patronus", |_| write("/etc/patronus/probe")),
    Attempt::new("overwrite the manifest", |_| write("/etc/patronus/services.toml")),
    Attempt::new("write /run", |_| write("/run/probe")),
    Attempt::new("write /run/patronus", |_| write("/run/patronus/probe")),
    Attempt::new("remove another service's socket", |place| done(fs::remove_file(place.sockets.join("init.sock")))),
    Attempt::new("write /bin", |_| write("/bin/probe")),
    Attempt::new("write /tmp", |_| write("/tmp/probe")),
    Attempt::new("write /dev", |_| write("/dev/probe")),
    Attempt::new("open /dev/mem", |_| read("/dev/mem")),
    Attempt::new("open /dev/kmsg", |_| read("/dev/kmsg")),
    Attempt::new("open /dev/vda", |_| read("/dev/vda")),
    Attempt::new("open /dev/sda", |_| read("/dev/sda")),
    Attempt::new("open /dev/nvme0n1", |_| read("/dev/nvme0n1")),
    Attempt::new("open /dev/watchdog", |_| write("/dev/watchdog")),
    Attempt::new("open the console", |_| write("/dev/console")),
    Attempt::new("read the memory of PID 1", |_| read("/proc/1/mem")),
    Attempt::new("read the environment of PID 1", |_| read("/proc/1/environ")),
    Attempt::new("list processes", |_| list("/proc")),
    Attempt::new("write /proc/sysrq-trigger", |_| write("/proc/sysrq-trigger")),
    Attempt::new("write /proc/sys/kernel/core_pattern", |_| write("/proc/sys/kernel/core_pattern")),
    Attempt::new("leave its cgroup", |_| write("/sys/fs/cgroup/cgroup.procs")),
    Attempt::new("write EFI variables", |_| list("/sys/firmware/efi/efivars")),
    Attempt::new("make a device", |place| {
        let path = own_file(place)?;
        let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
        call(libc::SYS_mknod, &[crate::sys::Word::Text(&path), Number(i64::from(libc::S_IFBLK)), Number(0x0801)])
    }),
    Attempt::new("make a symbolic link", |place| done(std::os::unix::fs::symlink("/data", own_file(place)?))),
    Attempt::new("open a file by its handle", |_| {
        call(libc::SYS_open_by_handle_at, &[Number(libc::AT_FDCWD.into()), Number(0), Number(0)])
    }),
    Attempt::new("leave the tree through its parent", |_| list("/../../data")),
];

/// A file in the service's own place; without one, a place where it may not write either.
pub(super) fn own_file(place: &Place) -> io::Result<std::path::PathBuf> {
    Ok(place.state_dir.as_deref().unwrap_or(Path::new("/tmp")).join("probe"))
}

fn other(place: &Place) -> &'static str {
    if place.service == "config" { "web" } else { "config" }
}

fn list(path: &str) -> io::Result<Outcome> {
    done(fs::read_dir(path))
}

fn read(path: &str) -> io::Result<Outcome> {
    done(File::open(path))
}

fn write(path: &str) -> io::Result<Outcome> {
    done(OpenOptions::new().write(true).create(true).truncate(false).open(path))
}

fn done<T>(result: io::Result<T>) -> io::Result<Outcome> {
    result.map(|_| Outcome::Done)
}
