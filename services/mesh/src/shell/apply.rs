//! Telling `tunnel` whom to have sessions with.
//!
//! *Does*: hand over the newest wish until it is taken.
//! *Never does*: hold up discovery while `tunnel` is away: it works with what it has on its own disk.

use std::{path::Path, time::Duration};

use patronus_ipc::{
    call,
    tunnel::{Desired, Reply, Request, Tunnel},
};
use patronus_types::Generation;
use tokio::{sync::watch, time::sleep};

/// Between two wishes: each is written to `tunnel`'s disk.
const GAP: Duration = Duration::from_millis(200);
/// Between two tries.
const RETRY: Duration = Duration::from_secs(1);
/// Wishes of one start of this service: each start's numbers are above those of every start before.
const PER_BOOT_EPOCH: u64 = 1 << 24;

/// The wish, as it is handed over.
pub(crate) struct Wish {
    sender: watch::Sender<Option<Desired>>,
    generation: Generation,
}

impl Wish {
    /// Hands wishes over in a task of its own.
    pub(crate) fn new(ipc_dir: &Path, boot_epoch: u64) -> Self {
        let (sender, wishes) = watch::channel(None);
        tokio::spawn(hand_over(ipc_dir.to_owned(), wishes));
        Self { sender, generation: Generation(boot_epoch.saturating_mul(PER_BOOT_EPOCH)) }
    }

    /// The newest wish; the same as before is none.
    pub(crate) fn set(&mut self, mut desired: Desired) {
        let next = self.generation.next();
        let is_new = self.sender.send_if_modified(|wish| {
            desired.generation = wish.as_ref().map_or(next, |wish| wish.generation);
            let is_new = wish.as_ref() != Some(&desired);
            if is_new {
                desired.generation = next;
                *wish = Some(desired);
            }
            is_new
        });
        if is_new {
            self.generation = next;
        }
    }
}

async fn hand_over(ipc_dir: std::path::PathBuf, mut wishes: watch::Receiver<Option<Desired>>) {
    while wishes.changed().await.is_ok() {
        loop {
            let Some(wish) = wishes.borrow_and_update().clone() else { break };
            match call::<Tunnel>(&ipc_dir, &Request::Apply(Box::new(wish))).await {
                Ok(Reply::Rejected(reason)) => {
                    tracing::error!(%reason, "tunnel does not take the members");
                    break;
                }
                Ok(_) => {
                    sleep(GAP).await;
                    break;
                }
                Err(error) => tracing::debug!(%error, "tunnel is not there yet"),
            }
            sleep(RETRY).await;
        }
    }
}
