//! The loop: what others say goes into the core, what it decides is published.
//!
//! *Does*: tell `prober` which paths matter most.
//! *Never does*: wait for anybody: what is silent is gone on without.

use std::{path::PathBuf, time::Duration};

use patronus_ipc::{
    Context, ServiceError,
    config::{self, Config},
    link::{self, Link},
    mesh::{self, Mesh},
    prober::{self, PathId, Prober},
    router::{self, Drain, Drainable, Rejected, Reply, Request},
};
use patronus_router::Router;
use patronus_store::{Spare, StoreError};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{Fatal, store::Store};

/// Between two words to `prober` on which paths matter, if its answer is missing.
const ROLES_EVERY: Duration = Duration::from_secs(5);

/// Runs until SIGTERM.
pub(crate) async fn run(context: Context) -> Result<(), Fatal> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ServiceError::Io("signal", error))?;
    let state_dir = context.state_dir.clone().ok_or(ServiceError::Missing("a directory for state"))?;
    let mut store = Spare::open(move || Store::open(&state_dir))?;
    let mut router = Router::new(now_ms());
    restore(&mut router, &mut store)?;
    let state = watch::Sender::new(Reply::State(Box::default()));
    let (mut answering, mut asked) = patronus_ipc::ask_in_turn::<router::Router>(&context, &state)?;
    let (roles, wanted_roles) = watch::channel(Vec::new());
    tokio::spawn(tell_roles(context.ipc_dir.clone(), wanted_roles));
    let mut documents = patronus_ipc::follow::<Config>(&context.ipc_dir, || config::Request::Watch);
    let mut uplinks = patronus_ipc::follow::<Link>(&context.ipc_dir, || link::Request::Watch);
    let mut members = patronus_ipc::follow::<Mesh>(&context.ipc_dir, || mesh::Request::Watch);
    let mut reports = patronus_ipc::follow::<Prober>(&context.ipc_dir, || prober::Request::Watch);
    context.ready();
    loop {
        let deadline = router
            .deadline_ms(now_ms())
            .map(|at_ms| Instant::now() + Duration::from_millis(at_ms.saturating_sub(now_ms())));
        tokio::select! {
            biased;
            _ = reports.changed() => {
                let newest = reports.borrow_and_update().clone();
                if let Some(prober::Reply::State(state)) = newest {
                    router.handle_paths(now_ms(), &state);
                }
            }
            _ = uplinks.changed() => {
                let newest = uplinks.borrow_and_update().clone();
                if let Some(state) = newest {
                    router.handle_link(now_ms(), &state);
                }
            }
            _ = members.changed() => {
                let newest = members.borrow_and_update().clone();
                if let Some(mesh::Reply::State(state)) = newest {
                    router.handle_mesh(now_ms(), &state);
                }
            }
            _ = documents.changed() => {
                let newest = documents.borrow_and_update().clone();
                if let Some(config::Reply::State(state)) = newest
                    && let Some(claimed) = state.claimed
                {
                    router.handle_config(now_ms(), &claimed.document);
                }
            }
            Some((request, reply)) = asked.recv() => {
                // Who asked and went away needs no answer.
                let _ = reply.send(answer(&mut router, &mut store, request)?);
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => router.handle_time(now_ms()),
            ended = &mut answering => return Err(ServiceError::not_answering(ended).into()),
            _ = terminate.recv() => return Ok(()),
        }
        publish(&state, &router);
        let hot = router.hot();
        roles.send_if_modified(|known| {
            let is_new = *known != hot;
            *known = hot;
            is_new
        });
    }
}

/// What was drained stays drained. What its flows waited for ended with the last process, or with the power.
fn restore(router: &mut Router, store: &mut Spare<Store>) -> Result<(), StoreError> {
    let drained = store.with(Store::load)?.unwrap_or_default();
    let until_ms = now_ms();
    router.restore_drains(until_ms, drained.into_iter().map(|what| Drain { what, until_ms }).collect());
    Ok(())
}

fn answer(router: &mut Router, store: &mut Spare<Store>, request: Request) -> Result<Reply, StoreError> {
    Ok(match request {
        // Answered at the desk.
        Request::Watch => Reply::State(Box::new(router.state().clone())),
        Request::Explain(site) => router.explain(site, now_ms()).map_or_else(
            || Reply::Rejected(Rejected::SiteUnknown),
            |explanation| Reply::Explanation(Box::new(explanation)),
        ),
        Request::DryRun(document) => Reply::Sites(router.dry_run(now_ms(), &document)),
        Request::Drain(what, within_s) => keep(router, store, |router| router.drain(now_ms(), what, within_s))?,
        Request::Undrain(what) => keep(router, store, |router| router.undrain(now_ms(), what))?,
    })
}

/// Changes what is drained; it is on disk before that is said, or it is undone.
fn keep(
    router: &mut Router,
    store: &mut Spare<Store>,
    change: impl FnOnce(&mut Router) -> Result<(), Rejected>,
) -> Result<Reply, StoreError> {
    let before = router.drains().to_vec();
    if let Err(rejected) = change(router) {
        return Ok(Reply::Rejected(rejected));
    }
    let drained: Vec<Drainable> = router.drains().iter().map(|drain| drain.what).collect();
    if store.with(|store| store.save(&drained))?.is_some() {
        return Ok(Reply::Accepted);
    }
    router.restore_drains(now_ms(), before);
    Ok(Reply::Rejected(Rejected::NoSpace))
}

fn publish(state: &watch::Sender<Reply>, router: &Router) {
    let new = router.state();
    state.send_if_modified(|reply| {
        let is_new = !matches!(reply, Reply::State(old) if old.generation == new.generation);
        if is_new {
            *reply = Reply::State(Box::new(new.clone()));
        }
        is_new
    });
}

/// `prober` may be away, and a new one knows nothing: it is told again and again.
async fn tell_roles(ipc_dir: PathBuf, mut wanted: watch::Receiver<Vec<PathId>>) {
    loop {
        let paths = wanted.borrow_and_update().clone();
        if !paths.is_empty() {
            // Who does not hear it now hears it next time.
            let _ = patronus_ipc::call::<Prober>(&ipc_dir, &prober::Request::Roles(paths)).await;
        }
        let _ = tokio::time::timeout(ROLES_EVERY, wanted.changed()).await;
        if wanted.has_changed().is_err() {
            return;
        }
    }
}

fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, ns) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds * 1000 + ns / 1_000_000
}
