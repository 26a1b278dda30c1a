//! The database's file in a service's state directory.
//!
//! *Does*: make it whole under another name before it gets its own, open it, set a damaged one aside.
//! *Never does*: delete a damaged database, as long as it is one of the last [`DAMAGED_KEPT`].

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use redb::{Builder, Database, StorageBackend, backends::FileBackend};

use crate::StoreError;

/// Damaged databases that are set aside rather than deleted; with one more, the oldest goes.
pub const DAMAGED_KEPT: usize = 3;
/// The largest, `config`'s whole history, is 3 MiB at most, and mostly a few KiB.
const CACHE_BYTES: usize = 1024 * 1024;

/// Where a database lies.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// The service's state directory.
    pub dir: &'p Path,
    /// The file's name, such as `config.redb`. What is in the making has `.new` behind it, what is damaged `.damaged-N`.
    pub name: &'p str,
}

/// A database with what its service read from it.
#[derive(Debug)]
pub struct Opened<T> {
    /// What was read.
    pub content: T,
    /// Why there is nothing in it although there may have been something before.
    pub set_aside: Option<SetAside>,
}

/// A damaged database, kept under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Its path now.
    pub to: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl Place<'_> {
    /// Opens the database, or makes an empty one, and reads it. One that is damaged, also in the eyes of `read`, is set aside first.
    ///
    /// # Errors
    /// What `read` says and what the disk says, but [`StoreError::Damaged`] only if it is so of an empty database.
    pub fn open<T>(&self, read: impl Fn(Database) -> Result<T, StoreError>) -> Result<Opened<T>, StoreError> {
        match self.open_existing(&read) {
            Ok(content) => Ok(Opened { content, set_aside: None }),
            Err(StoreError::Damaged(reason)) => {
                let to = self.set_aside()?;
                Ok(Opened { content: self.open_existing(&read)?, set_aside: Some(SetAside { to, reason }) })
            }
            Err(error) => Err(error),
        }
    }

    fn open_existing<T>(&self, read: impl Fn(Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if !self.path().try_exists()? {
            self.make()?;
        }
        read(builder().open(self.path())?)
    }

    /// Makes an empty database. It gets its name once it is on disk, so a file of that name is never half made.
    fn make(&self) -> Result<(), StoreError> {
        let making = self.dir.join(format!("{}.new", self.name));
        match fs::remove_file(&making) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let file = File::options().read(true).write(true).create_new(true).open(&making)?;
        let database: Database = builder().create_with_backend(Nameless(FileBackend::new(file)?))?;
        database.close()?;
        File::open(&making)?.sync_all()?;
        fs::rename(&making, self.path())?;
        self.sync_directory()
    }

    fn set_aside(&self) -> Result<PathBuf, StoreError> {
        let mut numbers = self.damaged_numbers()?;
        numbers.sort_unstable();
        let next = numbers.last().map_or(1, |last| last.saturating_add(1));
        let to = self.damaged_path(next);
        fs::rename(self.path(), &to)?;
        numbers.push(next);
        let surplus = numbers.len().saturating_sub(DAMAGED_KEPT);
        for number in numbers.into_iter().take(surplus) {
            fs::remove_file(self.damaged_path(number))?;
        }
        self.sync_directory()?;
        Ok(to)
    }

    fn damaged_numbers(&self) -> Result<Vec<u32>, StoreError> {
        let prefix = format!("{}.damaged-", self.name);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(self.dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&prefix)).map(str::parse::<u32>);
            numbers.extend(number.and_then(Result::ok));
        }
        Ok(numbers)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(self.name)
    }

    fn damaged_path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{}.damaged-{number}", self.name))
    }

    /// A name is on disk when its directory is.
    fn sync_directory(&self) -> Result<(), StoreError> {
        Ok(File::open(self.dir)?.sync_all()?)
    }
}

/// A database in the making. Nobody looks at what a power cut leaves of it, so one sync is enough, when it is whole.
#[derive(Debug)]
struct Nameless<B>(B);

impl<B: StorageBackend> StorageBackend for Nameless<B> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}

/// How a database is opened: what a disk has altered by itself is found out, not trusted.
#[must_use]
pub fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

#[cfg(test)]
mod tests;
