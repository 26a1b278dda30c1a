//! A disk whose power can be cut at any write or sync, or that can be full.
//!
//! The model of the disk: a write may be on disk any time after it was issued and is on disk for sure after the next sync; writes
//! between two syncs may arrive in any subset. Lengths behave as writes do.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use redb::StorageBackend;

use crate::builder;

/// How many of the possible subsets of unsynced writes are looked at: none, all, and some that look random.
const SURVIVORS: u64 = 8;

/// An empty database, all of it on disk, as a service finds it on its first start.
#[must_use]
pub fn empty_database() -> Vec<u8> {
    let disk = Disk::default();
    builder().create_with_backend(disk.clone()).unwrap().close().unwrap();
    disk.after_power_cut(|_| true)
}

/// Plays a story on an empty database, with the power cut at each of its steps in turn. `check` gets the number of the step, what the story
/// told, and a disk as it may be found with the power back. Returns how many steps the story has.
pub fn cut_at_every_step<T>(story: impl Fn(&Disk) -> T, mut check: impl FnMut(usize, &T, Disk)) -> usize {
    let empty = empty_database();
    let mut step = 0;
    loop {
        let disk = Disk::with(empty.clone()).cut_at(step);
        let told = story(&disk);
        disk.survivors().into_iter().for_each(|image| check(step, &told, Disk::with(image)));
        if !disk.is_cut() {
            return step;
        }
        step += 1;
    }
}

/// One thing that was written and not synced.
#[derive(Clone, Debug)]
enum Pending {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

#[derive(Debug, Default)]
struct Inner {
    synced: Vec<u8>,
    pending: Vec<Pending>,
    /// What the running kernel sees.
    seen: Vec<u8>,
    steps: usize,
    cut_at: Option<usize>,
    capacity: Option<usize>,
}

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    /// A disk with this content, all of it synced.
    #[must_use]
    pub fn with(content: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.inner().seen.clone_from(&content);
        disk.inner().synced = content;
        disk
    }

    /// Cuts the power at the step with this number, counted from now; from then on every step fails.
    #[must_use]
    pub fn cut_at(self, step: usize) -> Self {
        self.inner().cut_at = Some(step);
        self
    }

    /// Lets the disk grow to this many bytes only.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.inner().capacity = bytes;
    }

    /// Whether the power was cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        let inner = self.inner();
        inner.cut_at.is_some_and(|cut_at| inner.steps > cut_at)
    }

    /// Bytes as the running kernel sees them.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.inner().seen.len()
    }

    /// What is found after the power is back, when those unsynced writes arrived for which `arrived` says so.
    pub fn after_power_cut(&self, mut arrived: impl FnMut(usize) -> bool) -> Vec<u8> {
        let inner = self.inner();
        let mut content = inner.synced.clone();
        for (index, pending) in inner.pending.iter().enumerate() {
            if arrived(index) {
                apply(&mut content, pending);
            }
        }
        content
    }

    /// What may be found after the power is back, some of the possibilities.
    #[must_use]
    pub fn survivors(&self) -> Vec<Vec<u8>> {
        let arrived = |seed: u64, index: usize| match seed {
            0 => false,
            1 => true,
            seed => (seed * 1000 + index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 1,
        };
        (0..SURVIVORS).map(|seed| self.after_power_cut(|index| arrived(seed, index))).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn step(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let mut inner = self.inner();
        let step = inner.steps;
        inner.steps += 1;
        if inner.cut_at.is_some_and(|cut_at| step >= cut_at) {
            return Err(io::Error::other("power cut"));
        }
        Ok(inner)
    }

    fn change(&self, pending: Pending) -> io::Result<()> {
        let mut inner = self.step()?;
        let end = match &pending {
            Pending::Length(length) => *length,
            Pending::Bytes(offset, bytes) => offset + bytes.len(),
        };
        if inner.capacity.is_some_and(|capacity| end > capacity) && end > inner.synced.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        apply(&mut inner.seen, &pending);
        inner.pending.push(pending);
        Ok(())
    }
}

fn apply(content: &mut Vec<u8>, pending: &Pending) {
    match pending {
        Pending::Length(length) => content.resize(*length, 0),
        Pending::Bytes(offset, bytes) => {
            let end = offset + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*offset..end].copy_from_slice(bytes);
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inner().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.inner();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = inner.seen.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Pending::Length(usize::try_from(length).map_err(io::Error::other)?))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.step()?;
        let Inner { synced, pending, .. } = &mut *inner;
        for pending in pending.drain(..) {
            apply(synced, &pending);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Pending::Bytes(usize::try_from(offset).map_err(io::Error::other)?, data.to_vec()))
    }
}
