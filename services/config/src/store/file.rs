//! The database's file in the state directory.
//!
//! *Does*: make it whole under another name before it gets its own, open it, set a damaged one aside.
//! *Never does*: delete a damaged database, as long as it is one of the last [`limit::DAMAGED_KEPT`].

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use patronus_config::{Ledger, limit};
use redb::{Builder, Database};

use super::{Store, StoreError, reserve};

const NAME: &str = "config.redb";
/// Where a database is made; what a power cut leaves there was never used.
const NAME_IN_THE_MAKING: &str = "config.redb.new";
const DAMAGED_PREFIX: &str = "config.redb.damaged-";
/// The whole history is 3 MiB at most, and mostly a few KiB.
const CACHE_BYTES: usize = 1024 * 1024;

/// A database with what it holds.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    /// Why an unclaimed box is unclaimed although it may have been claimed before.
    pub(crate) set_aside: Option<SetAside>,
}

/// A damaged database, kept under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetAside {
    pub(crate) to: PathBuf,
    pub(crate) reason: String,
}

/// Opens the database of the state directory, or makes an empty one. On a full disk the reserve is spent for it.
pub(crate) fn open(state_dir: &Path) -> Result<Opened, StoreError> {
    match open_or_set_aside(state_dir) {
        Err(StoreError::Full(_)) if reserve::spend(state_dir) => open_or_set_aside(state_dir),
        opened => opened,
    }
}

fn open_or_set_aside(state_dir: &Path) -> Result<Opened, StoreError> {
    match open_existing(state_dir) {
        Err(StoreError::Damaged(reason)) => {
            let to = set_aside(state_dir)?;
            let Opened { store, ledger, .. } = open_existing(state_dir)?;
            Ok(Opened { store, ledger, set_aside: Some(SetAside { to, reason }) })
        }
        opened => opened,
    }
}

fn open_existing(state_dir: &Path) -> Result<Opened, StoreError> {
    let path = state_dir.join(NAME);
    if !path.try_exists()? {
        make(state_dir)?;
    }
    let store = Store::new(builder().open(&path)?);
    let ledger = Ledger::restore(store.load()?).map_err(|damage| StoreError::Damaged(damage.to_string()))?;
    Ok(Opened { store, ledger, set_aside: None })
}

/// Makes an empty database. It gets its name once it is on disk, so a file of that name is never half made.
fn make(state_dir: &Path) -> Result<(), StoreError> {
    let making = state_dir.join(NAME_IN_THE_MAKING);
    match fs::remove_file(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let database: Database = builder().create(&making)?;
    database.close()?;
    File::open(&making)?.sync_all()?;
    fs::rename(&making, state_dir.join(NAME))?;
    sync_directory(state_dir)
}

/// How a database is opened: what a disk has altered by itself is found out, not trusted.
pub(crate) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn set_aside(state_dir: &Path) -> Result<PathBuf, StoreError> {
    let mut numbers = damaged_numbers(state_dir)?;
    numbers.sort_unstable();
    let next = numbers.last().map_or(1, |last| last.saturating_add(1));
    let to = state_dir.join(format!("{DAMAGED_PREFIX}{next}"));
    fs::rename(state_dir.join(NAME), &to)?;
    numbers.push(next);
    let surplus = numbers.len().saturating_sub(limit::DAMAGED_KEPT);
    for number in numbers.into_iter().take(surplus) {
        fs::remove_file(state_dir.join(format!("{DAMAGED_PREFIX}{number}")))?;
    }
    sync_directory(state_dir)?;
    Ok(to)
}

fn damaged_numbers(state_dir: &Path) -> Result<Vec<u32>, StoreError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(state_dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(DAMAGED_PREFIX)).map(str::parse::<u32>);
        numbers.extend(number.and_then(Result::ok));
    }
    Ok(numbers)
}

/// A name is on disk when its directory is.
fn sync_directory(state_dir: &Path) -> Result<(), StoreError> {
    Ok(File::open(state_dir)?.sync_all()?)
}
