//! The running service: database, socket, and the deadline of a trial.
//!
//! *Does*: answer callers one after another; roll back a trial at its deadline.
//! *Never does*: interrupt a commit.

use std::{error::Error, sync::Arc, time::Duration};

use patronus_ipc::{
    Answer, Context, Handler, ServiceError,
    config::{Config, Request},
    serve,
};
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    sync::Mutex,
    time::sleep,
};

use crate::{keeper::Keeper, moment};

/// Runs until SIGTERM.
pub(crate) async fn run(context: Context) -> Result<(), Box<dyn Error>> {
    // First of all: as PID 1 of its namespace this process has no default action for signals.
    let mut terminate = signal(SignalKind::terminate())?;
    let state_dir = context.state_dir.as_deref().ok_or(ServiceError::Missing("a directory for state"))?;
    let listener = context.take_listener().ok_or(ServiceError::Missing("a listening socket"))?;
    let keeper = Arc::new(Mutex::new(Keeper::open(state_dir)?));
    let answering = serve::<Config>(listener, context.access.clone(), Arc::new(Desk(Arc::clone(&keeper))));
    context.ready();
    select! {
        ended = answering => Ok(ended?),
        () = end_trials(&keeper) => Ok(()),
        _ = terminate.recv() => {
            // A commit is never interrupted: it runs to its end between two awaits.
            tracing::info!("stopping");
            Ok(())
        }
    }
}

/// Answers requests, one after another.
struct Desk(Arc<Mutex<Keeper>>);

impl Handler<Config> for Desk {
    async fn handle(&self, uid: u32, request: Request) -> Answer<Config> {
        let mut keeper = self.0.lock().await;
        if matches!(request, Request::Watch) {
            return Answer::Follow(keeper.follow());
        }
        let operation = patronus_ipc::Operation::operation(&request);
        let reply = keeper.handle_request(request);
        if let patronus_ipc::config::Reply::Rejected(problems) = &reply {
            let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
            tracing::info!(uid, operation, ?codes, "rejected");
        }
        Answer::Once(reply)
    }
}

/// Waits for the deadline of a trial, again after each change.
async fn end_trials(keeper: &Mutex<Keeper>) {
    let mut changes = keeper.lock().await.follow();
    loop {
        let deadline_ms = {
            let mut keeper = keeper.lock().await;
            keeper.handle_timeout();
            changes.mark_unchanged();
            keeper.deadline()
        };
        let wait =
            deadline_ms.map(|deadline_ms| Duration::from_millis(deadline_ms.saturating_sub(moment::uptime_ms())));
        select! {
            () = sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}
