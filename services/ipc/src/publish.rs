//! The answering end of a service of which one can only follow the state.
//!
//! *Does*: give each follower the newest state, in a task of its own.
//! *Never does*: wait for a follower.
//! *Spec*: `docs/ipc.md`, section "Following".

use std::{io, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle};

use crate::{Answer, Context, Handler, Operation, Protocol, ServiceError, serve};

/// What may be asked of such a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchOnly {
    /// Follow the state: now and at each change.
    Watch,
}

impl Operation for WatchOnly {
    fn operation(&self) -> &'static str {
        match self {
            Self::Watch => crate::WATCH,
        }
    }
}

struct Desk<T>(watch::Receiver<T>);

impl<P: Protocol<Request = WatchOnly>> Handler<P> for Desk<P::Reply> {
    async fn handle(&self, _: u32, request: WatchOnly) -> Answer<P> {
        match request {
            WatchOnly::Watch => Answer::Follow(self.0.clone()),
        }
    }
}

/// Answers callers with `state` as it is and as it becomes. When the task ends, so must the service: others could not follow it any more.
///
/// # Errors
/// [`ServiceError::Missing`] if no listening socket was handed over.
pub fn publish<P: Protocol<Request = WatchOnly>>(
    context: &Context,
    state: &watch::Sender<P::Reply>,
) -> Result<JoinHandle<io::Result<()>>, ServiceError> {
    let listener = context.take_listener().ok_or(ServiceError::Missing("a listening socket"))?;
    Ok(tokio::spawn(serve::<P>(listener, context.access.clone(), Arc::new(Desk(state.subscribe())))))
}
