//! The data partition: made, grown, mended, mounted.
//!
//! *Does*: whatever is found on it, leave a file system at `/data`; say what was done.
//! *Never does*: end the boot, or lose what could be read. A power cut at any step leads to the same step again.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Data partition".

mod archive;
mod aside;
mod carry;
mod file_system;
mod judge;
mod partition;
mod template;

pub use archive::{Archive, ArchiveError, ENTRIES_MAX as ARCHIVE_ENTRIES_MAX};
pub use judge::{Finding, judge};

use std::io;

use patronus_ipc::init::{Data, DataState};

use self::{
    aside::{Aside, Contents},
    file_system::MountError,
    partition::Partition,
    template::Template,
};
use crate::{
    console::Console,
    disk::{BootDisk, grow, layout::Role},
    meta::Meta,
};

/// Where all state lives.
pub const MOUNT_POINT: &str = "/data";

/// Makes, mends and mounts the data partition; calls `feed` between long steps.
pub fn start(
    console: &mut Console,
    disk: Option<&mut BootDisk>,
    meta: Option<&mut Meta>,
    feed: &mut dyn FnMut(),
) -> Data {
    let made_before = meta.as_ref().is_some_and(|meta| meta.record().data_made);
    let state = match settle(console, disk, made_before, feed) {
        Ok(state) => state,
        Err(reason) => volatile(console, reason),
    };
    let lasts = !matches!(state, DataState::Volatile { .. });
    if let Some(Err(error)) = meta.filter(|_| lasts).map(|meta| meta.update(|record| record.data_made = true)) {
        console.line(&format!("noting that data was made: {error}"));
    }
    let (size_bytes, free_bytes) = usage();
    Data { state, size_bytes, free_bytes }
}

/// Size and free space of the data file system, in bytes, now.
#[must_use]
pub fn usage() -> (u64, u64) {
    rustix::fs::statvfs(MOUNT_POINT)
        .map_or((0, 0), |data| (data.f_blocks * data.f_frsize, data.f_bavail * data.f_frsize))
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

/// Everything that ends with the partition mounted; an error says why it cannot be used.
fn settle(
    console: &mut Console,
    disk: Option<&mut BootDisk>,
    made_before: bool,
    feed: &mut dyn FnMut(),
) -> Result<DataState, String> {
    let disk = disk.ok_or("the boot disk is not known")?;
    match grow::grow_data(disk) {
        Ok(true) => console.line("data partition grown to the end of the disk"),
        Ok(false) => {}
        Err(error) => console.line(&format!("growing the data partition: {error}")),
    }
    if disk.on_disk(Role::Data).is_none() {
        return Err("the disk ends before the data partition".into());
    }
    if disk.is_cut() {
        console.line("the disk is shorter than its partition table says: data has what is left");
    }
    let path = disk.partition(Role::Data).ok_or("the disk has no data partition")?;
    let partition = Partition::open(&path).map_err(|error| format!("opening {}: {error}", path.display()))?;
    let state = mend(&partition, made_before).map_err(|error| error.to_string())?;
    feed();
    if let Err(error) = file_system::fill(&partition, feed) {
        console.line(&format!("growing the data file system: {error}"));
    }
    Ok(state)
}

fn mend(partition: &Partition, made_before: bool) -> Result<DataState, MountError> {
    let template = Template::load()?;
    if let Some(aside) = Aside::pending(partition)? {
        return replace(partition, &template, &aside);
    }
    match judge(&partition.head()?, &template.head(), partition.bytes) {
        Finding::TooSmall => Err(io::Error::other("the data partition is too small").into()),
        Finding::Blank => {
            template.write(partition)?;
            file_system::mount(partition)?;
            Ok(if made_before {
                DataState::SetAside { reason: "the data partition was erased".into() }
            } else {
                DataState::Made
            })
        }
        Finding::Damaged(reason) => set_aside(partition, &template, reason.to_owned()),
        Finding::FileSystem => match file_system::mount(partition) {
            Ok(()) => check(partition, &template),
            Err(MountError::Damaged(error)) => {
                set_aside(partition, &template, format!("the file system cannot be mounted: {error}"))
            }
            Err(error) => Err(error),
        },
    }
}

/// A mounted file system that noted errors is carried over into a new one.
fn check(partition: &Partition, template: &Template) -> Result<DataState, MountError> {
    let Some(errors) = file_system::noted_errors(partition)? else { return Ok(DataState::Clean) };
    let (archive, left_out) = carry::collect(MOUNT_POINT.as_ref());
    file_system::unmount()?;
    let reason = match left_out {
        0 => errors,
        count => format!("{errors}; {count} files could not be carried over"),
    };
    let aside = Aside { contents: Contents::Carried(archive), reason };
    aside.save(partition)?;
    replace(partition, template, &aside)
}

fn set_aside(partition: &Partition, template: &Template, reason: String) -> Result<DataState, MountError> {
    let aside = Aside { contents: Contents::Raw, reason };
    aside.save(partition)?;
    replace(partition, template, &aside)
}

/// Makes the file system anew, once what was on it is safe; a cut in here is found as a pending aside.
fn replace(partition: &Partition, template: &Template, aside: &Aside) -> Result<DataState, MountError> {
    template::erase(partition)?;
    template.write(partition)?;
    let reason = aside.reason.clone();
    let state = match &aside.contents {
        Contents::Raw => DataState::SetAside { reason },
        Contents::Carried(archive) => {
            file_system::mount(partition)?;
            carry::restore(archive, MOUNT_POINT.as_ref())?;
            file_system::unmount()?;
            DataState::Repaired { reason }
        }
    };
    Aside::done(partition)?;
    file_system::mount(partition)?;
    Ok(state)
}

fn volatile(console: &mut Console, reason: String) -> DataState {
    if let Err(error) = file_system::mount_memory() {
        console.line(&format!("mounting memory at {MOUNT_POINT}: {error}"));
    }
    DataState::Volatile { reason }
}
