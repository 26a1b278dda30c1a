//! The history on disk.
//!
//! *Does*: points of each path by level and time; coarse ones made of finer ones when their stretch is over; what is too old goes.
//! *Never does*: hold more than two spans of points for [`limit::HISTORIES`] paths.
//! *Spec*: `docs/prober.md`, section "History".

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use patronus_ipc::prober::{PathId, Point, Span};
use patronus_prober::{
    history::{LEVELS, point_s, roll, span_s},
    limit,
};
use patronus_store::{Opened, Place, SetAside, Spare, StoreError};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition};
use tokio::task::spawn_blocking;

use super::worker::Points;

const NAME: &str = "prober.redb";

/// By site (32 bytes), slot here, slot there, level, seconds since 1970 (8 bytes): a [`Point`] without its time.
const POINTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("points-1");
const KEY_BYTES: usize = 43;

type Key = [u8; KEY_BYTES];

/// The history, for who writes it and who asks; without space it goes on without it.
#[derive(Clone)]
pub(crate) struct History(Arc<Mutex<Spare<Store>>>);

impl History {
    /// Opens the file of the state directory.
    pub(crate) fn open(state_dir: PathBuf) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Mutex::new(Spare::open(move || Store::open(&state_dir))?))))
    }

    /// Reads or writes, beside everything else; `None` without space.
    pub(crate) async fn with<R: Send + 'static>(
        &self,
        act: impl FnOnce(&Store) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<Option<R>, StoreError> {
        let spare = Arc::clone(&self.0);
        // A panic elsewhere leaves the database whole: what was not committed is not there.
        let done = spawn_blocking(move || spare.lock().unwrap_or_else(PoisonError::into_inner).with(act)).await;
        done.map_err(|error| StoreError::Failed(error.to_string()))?
    }
}

/// The file.
#[derive(Debug)]
pub(crate) struct Store(Database);

impl Store {
    /// Opens the file of the state directory, or makes it. A damaged one is set aside: what was is not known any more then.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let Opened { content, set_aside } = Place { dir: state_dir, name: NAME }.open(Self::new)?;
        if let Some(SetAside { to, reason }) = set_aside {
            tracing::error!(reason, kept_as = %to.display(), "the history is damaged and was set aside");
        }
        Ok(content)
    }

    fn new(database: Database) -> Result<Self, StoreError> {
        let transaction = database.begin_write()?;
        transaction.open_table(POINTS)?;
        transaction.commit()?;
        Ok(Self(database))
    }

    /// The points of a path, oldest first.
    pub(crate) fn points(&self, path: &PathId, level: Span, unix_s: u64) -> Result<Vec<Point>, StoreError> {
        let table = self.0.begin_read()?.open_table(POINTS)?;
        read(&table, path, level, unix_s.saturating_sub(span_s(level)), unix_s.saturating_add(1))
    }

    /// Keeps the finest points, and makes the coarser ones whose stretches ended between the two moments.
    pub(crate) fn keep(&self, stretches: &[Points], since_unix_s: u64, unix_s: u64) -> Result<(), StoreError> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(POINTS)?;
            for (path, point) in stretches.iter().flat_map(|points| points.iter().take(limit::HISTORIES)) {
                write(&mut table, path, Span::Hour, point)?;
            }
            let paths = || stretches.last().into_iter().flatten().take(limit::HISTORIES);
            for pair in LEVELS.windows(2) {
                let &[finer, coarser] = pair else { continue };
                for end_s in ended(coarser, since_unix_s, unix_s) {
                    let began_s = end_s - point_s(coarser);
                    for (path, _) in paths() {
                        let rolled = roll(&read(&table, path, finer, began_s, end_s)?, began_s);
                        rolled.map_or(Ok(()), |point| write(&mut table, path, coarser, &point))?;
                    }
                }
            }
            if ended(Span::Week, since_unix_s, unix_s).next().is_some() {
                table.retain(|key, _| is_kept(key, unix_s))?;
            }
        }
        Ok(transaction.commit()?)
    }
}

/// The ends of this level's stretches after one moment and not after the other: the last few, should the clock have leapt.
fn ended(level: Span, since_unix_s: u64, unix_s: u64) -> impl Iterator<Item = u64> {
    /// More than lie between two calls without a leap.
    const MOST: u64 = 4;
    let (first, last) = (since_unix_s / point_s(level), unix_s / point_s(level));
    (first.max(last.saturating_sub(MOST)) + 1..=last).map(move |number| number * point_s(level))
}

fn read(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    path: &PathId,
    level: Span,
    from_s: u64,
    to_s: u64,
) -> Result<Vec<Point>, StoreError> {
    let (from, to) = (key(path, level, from_s), key(path, level, to_s));
    let mut points = Vec::new();
    for row in table.range(from.as_slice()..to.as_slice())? {
        let (_, value) = row?;
        points.push(postcard::from_bytes(value.value()).map_err(|error| StoreError::Damaged(error.to_string()))?);
    }
    Ok(points)
}

fn write(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    path: &PathId,
    level: Span,
    point: &Point,
) -> Result<(), StoreError> {
    let value = postcard::to_stdvec(point).map_err(|error| StoreError::Failed(error.to_string()))?;
    table.insert(key(path, level, point.unix_s).as_slice(), value.as_slice())?;
    Ok(())
}

fn key(path: &PathId, level: Span, unix_s: u64) -> Key {
    let mut key = [0; KEY_BYTES];
    let slots = [path.local.number(), path.remote.number(), number(level)];
    let parts = path.site.0.into_iter().chain(slots).chain(unix_s.to_be_bytes());
    key.iter_mut().zip(parts).for_each(|(place, byte)| *place = byte);
    key
}

const fn number(level: Span) -> u8 {
    match level {
        Span::Hour => 0,
        Span::Day => 1,
        Span::Week => 2,
    }
}

/// Whether it lies within two spans of its level, and not in a future that a wrong clock had.
fn is_kept(key: &[u8], unix_s: u64) -> bool {
    let Some((rest, at)) = key.split_last_chunk::<8>() else { return false };
    let level = LEVELS.into_iter().find(|level| rest.last() == Some(&number(*level)));
    let (at_s, span_s) = (u64::from_be_bytes(*at), level.map_or(0, span_s));
    at_s <= unix_s && at_s >= unix_s.saturating_sub(2 * span_s)
}

#[cfg(test)]
mod tests;
