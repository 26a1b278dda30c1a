//! The data partition.

use patronus_ipc::init::{Data, DataState};

use crate::{console::Console, disk::BootDisk, meta::Meta};

/// Where all state lives.
pub const MOUNT_POINT: &str = "/data";

/// Size and free space of the data file system, in bytes, now.
#[must_use]
pub fn usage() -> (u64, u64) {
    rustix::fs::statvfs(MOUNT_POINT)
        .map_or((0, 0), |data| (data.f_blocks * data.f_frsize, data.f_bavail * data.f_frsize))
}

/// Makes, mends and mounts the data partition.
pub fn start(console: &mut Console, disk: Option<&mut BootDisk>, meta: Option<&mut Meta>) -> Data {
    let _ = (console, disk, meta);
    let (size_bytes, free_bytes) = usage();
    Data { state: DataState::Volatile { reason: "not yet".into() }, size_bytes, free_bytes }
}

/// The state in one line, as the console shows it.
#[must_use]
pub fn describe(state: &DataState) -> String {
    match state {
        DataState::Clean => "clean".into(),
        DataState::Made => "made".into(),
        DataState::Repaired { reason } => format!("repaired: {reason}"),
        DataState::SetAside { reason } => format!("set-aside: {reason}"),
        DataState::Volatile { reason } => format!("volatile: {reason}"),
    }
}
