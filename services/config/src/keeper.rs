//! The ledger with its database: what is acknowledged is on disk.
//!
//! *Does*: decide in the core, write, take note, publish, in this order.
//! *Never does*: go on with a database that failed: a full disk is opened anew, all else ends the process, and `init` starts it again.

use std::{
    path::{Path, PathBuf},
    process,
};

use patronus_config::{Change, Ledger, Rejection};
use patronus_ipc::config::{Problem, Reply, Request};
use patronus_store::Opened;
use tokio::sync::watch;

use crate::{
    moment,
    store::{self, Store, StoreError, reserve},
};

/// Owner of the configuration.
#[derive(Debug)]
pub(crate) struct Keeper {
    state_dir: PathBuf,
    /// `None` only while a database is being opened anew.
    store: Option<Store>,
    ledger: Ledger,
    boot_id: String,
    state: watch::Sender<Reply>,
}

impl Keeper {
    /// Opens the database and ends a trial of an earlier boot.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let Opened { content: (store, ledger), set_aside } = store::open(state_dir)?;
        if let Some(set_aside) = set_aside {
            tracing::error!(reason = set_aside.reason, kept_as = %set_aside.to.display(),
                "the configuration is damaged and was set aside; this box is unclaimed: see the claim code on its console");
        }
        let (state, _) = watch::channel(published(&ledger));
        reserve::fill(state_dir);
        let boot_id = moment::boot_id();
        let mut keeper = Self { state_dir: state_dir.to_owned(), store: Some(store), ledger, boot_id, state };
        if let Some(change) = keeper.ledger.handle_start(&moment::now(&keeper.boot_id)) {
            tracing::warn!(generation = %change.head.running, "trial ended by a restart: rolled back");
            keeper.commit_unasked(change);
        }
        Ok(keeper)
    }

    /// The published state, for followers.
    pub(crate) fn follow(&self) -> watch::Receiver<Reply> {
        self.state.subscribe()
    }

    /// See [`Ledger::deadline`].
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.ledger.deadline()
    }

    /// Carries out one request; what it returns is true on disk.
    pub(crate) fn handle_request(&mut self, request: Request) -> Reply {
        // A request never overtakes a deadline that has come.
        self.handle_timeout();
        let decision = self.ledger.handle_request(&moment::now(&self.boot_id), request);
        let Some(change) = decision.change else { return decision.reply };
        match self.commit(change) {
            Ok(()) => decision.reply,
            Err(problems) => Reply::Rejected(problems),
        }
    }

    /// Rolls back a trial whose deadline has come.
    pub(crate) fn handle_timeout(&mut self) {
        if let Some(change) = self.ledger.handle_timeout(&moment::now(&self.boot_id)) {
            tracing::warn!(generation = %change.head.running, "trial not confirmed in time: rolled back");
            self.commit_unasked(change);
        }
    }

    /// A roll back is promised, so the reserve is spent for it; where even that does not help, a restart tries again.
    fn commit_unasked(&mut self, change: Change) {
        if self.commit(change.clone()).is_ok() {
            return;
        }
        reserve::spend(&self.state_dir);
        if self.commit(change).is_err() {
            end(&StoreError::Full("not even a roll back fits".to_owned()));
        }
    }

    fn commit(&mut self, change: Change) -> Result<(), Vec<Problem>> {
        let Some(store) = &self.store else { end(&StoreError::Failed("the database is closed".to_owned())) };
        match store.commit(&change) {
            Ok(()) => {
                if let Err(damage) = self.ledger.commit(change) {
                    end(&StoreError::Failed(damage.to_string()));
                }
            }
            Err(StoreError::Full(reason)) => {
                tracing::error!(reason, "no space left for the configuration");
                self.reopen();
                // The change may have become durable before the error; then it counts.
                let mut wanted = self.ledger.snapshot().clone();
                wanted.apply(change);
                if *self.ledger.snapshot() != wanted {
                    return Err(Rejection::DiskFull.into());
                }
            }
            Err(error) => end(&error),
        }
        self.state.send_replace(published(&self.ledger));
        Ok(())
    }

    /// After a failed write only the disk knows what holds.
    fn reopen(&mut self) {
        // Closed before it is opened: the file is locked.
        self.store = None;
        match store::open(&self.state_dir) {
            Ok(opened) if opened.set_aside.is_none() => {
                let (store, ledger) = opened.content;
                self.store = Some(store);
                self.ledger = ledger;
            }
            Ok(_) => end(&StoreError::Damaged("after running out of space".to_owned())),
            Err(error) => end(&error),
        }
    }
}

fn published(ledger: &Ledger) -> Reply {
    Reply::State(Box::new(ledger.state().clone()))
}

/// Ends the process; the database is consistent at any moment, and a restart finds out what holds.
pub(crate) fn end(error: &StoreError) -> ! {
    tracing::error!(%error, "the configuration cannot be kept; exiting to be started again");
    process::exit(1)
}
