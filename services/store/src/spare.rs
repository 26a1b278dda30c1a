//! State that its service can do without for a while: a full disk must not take the network or the clock down.
//!
//! *Does*: on a full disk, go on without the database, and open it anew at the next use.
//! *Never does*: hide any other failure: then the service ends and is started anew.

use crate::StoreError;

/// How the database is opened.
type Open<T> = Box<dyn Fn() -> Result<T, StoreError> + Send>;

/// A database that may be closed for lack of space.
pub struct Spare<T> {
    open: Open<T>,
    content: Option<T>,
}

impl<T> Spare<T> {
    /// Opens the database; on a full disk it stays closed.
    ///
    /// # Errors
    /// What `open` says, but for [`StoreError::Full`].
    pub fn open(open: impl Fn() -> Result<T, StoreError> + Send + 'static) -> Result<Self, StoreError> {
        let mut spare = Self { open: Box::new(open), content: None };
        spare.with(|_| Ok(()))?;
        Ok(spare)
    }

    /// Reads or writes; `None` if the disk is full, which is said in the log.
    ///
    /// # Errors
    /// What the database says, but for [`StoreError::Full`].
    pub fn with<R>(&mut self, act: impl FnOnce(&T) -> Result<R, StoreError>) -> Result<Option<R>, StoreError> {
        // After a write that failed the database takes no other one until it is opened anew.
        let content = self.content.take().map_or_else(|| (self.open)(), Ok);
        match content.and_then(|content| act(&content).map(|result| (content, result))) {
            Ok((content, result)) => {
                self.content = Some(content);
                Ok(Some(result))
            }
            Err(StoreError::Full(reason)) => {
                tracing::warn!(reason, "the disk is full: state is kept in memory only");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    };

    use super::*;

    fn full() -> StoreError {
        StoreError::Full("test".to_owned())
    }

    #[test]
    fn a_full_disk_at_the_start_is_tried_again_at_each_use() {
        let is_full = Arc::new(AtomicBool::new(true));
        let disk = Arc::clone(&is_full);
        let mut spare = Spare::open(move || if disk.load(Ordering::Relaxed) { Err(full()) } else { Ok(7) }).unwrap();
        assert_eq!(spare.with(|content| Ok(*content)).unwrap(), None);
        is_full.store(false, Ordering::Relaxed);
        assert_eq!(spare.with(|content| Ok(*content)).unwrap(), Some(7));
    }

    #[test]
    fn a_write_that_finds_no_space_closes_the_database_until_the_next_use() {
        let opened = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&opened);
        let mut spare = Spare::open(move || Ok(count.fetch_add(1, Ordering::Relaxed))).unwrap();
        assert_eq!(spare.with(|_| Err::<(), _>(full())).unwrap(), None);
        assert_eq!(spare.with(|_| Ok(())).unwrap(), Some(()));
        assert_eq!(spare.with(|_| Ok(())).unwrap(), Some(()));
        assert_eq!(opened.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn every_other_failure_is_passed_on() {
        let failed = || StoreError::Failed("test".to_owned());
        assert!(Spare::<u8>::open(move || Err(failed())).is_err());
        let mut spare = Spare::open(|| Ok(7)).unwrap();
        assert!(spare.with(|_| Err::<(), _>(failed())).is_err());
    }
}
