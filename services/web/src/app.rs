//! Everything that requests share.
//!
//! *Does*: hold the store, the sessions and limiters behind their locks, and what the other services last said.
//! *Never does*: hold a lock across an await.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use patronus_ipc::{CallError, Protocol, clock, config, init, link, mesh, prober, router, tunnel};
use patronus_store::StoreError;
use tokio::sync::{Notify, Semaphore, watch};

use crate::{
    claim::{ClaimCode, ClaimLock},
    feed::Feed,
    gate::Gate,
    head::Names,
    limits,
    refusal::Refusals,
    session::{Identity, Sessions},
    store::Store,
    throttle::Throttle,
};

/// A claim that waits for the person to read that the page moves.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// CSRF token of the set-up session that prepared it.
    pub csrf: String,
    /// What will be sent to `config`.
    pub claim: config::Claim,
    /// The token to join with afterwards, if it is not the first site of a network.
    pub token: Option<String>,
}

/// What requests share.
#[derive(Debug)]
pub(crate) struct App {
    /// Directory of the other services' sockets.
    pub ipc_dir: PathBuf,
    /// What lasts.
    pub store: Store,
    /// The code of this box; none once it is claimed.
    pub claim_code: watch::Sender<Option<ClaimCode>>,
    /// What `config` last said.
    pub config: watch::Receiver<Option<config::Reply>>,
    /// What `link` last said.
    pub link: watch::Receiver<Option<link::State>>,
    /// What `clock` last said.
    pub clock: watch::Receiver<Option<clock::State>>,
    /// What `mesh` last said.
    pub mesh: watch::Receiver<Option<mesh::Reply>>,
    /// What `tunnel` last said.
    pub tunnel: watch::Receiver<Option<tunnel::Reply>>,
    /// What `router` last said.
    pub router: watch::Receiver<Option<router::Reply>>,
    /// What `prober` last said.
    pub prober: watch::Receiver<Option<prober::Reply>>,
    /// Set once the certificate is there.
    pub fingerprint: watch::Sender<Option<String>>,
    /// Questions to other services at one time.
    pub asking: Semaphore,
    /// One password at a time: each takes 19 MiB.
    pub hashing: Semaphore,
    /// One claim at a time.
    pub claiming: tokio::sync::Mutex<()>,
    /// What happens in the network.
    pub feed: Feed,
    /// Counters of the front door.
    pub refusals: Refusals,
    /// Ends the service; it is restarted.
    pub fatal: Notify,
    /// Becomes true when the service is told to stop: what is being answered is finished, nothing new is taken.
    pub closing: watch::Sender<bool>,
    started: Instant,
    sessions: Mutex<Sessions>,
    throttle: Mutex<Throttle>,
    claim_lock: Mutex<ClaimLock>,
    gate: Mutex<Gate>,
    prepared: Mutex<Option<Prepared>>,
    not_joined: Mutex<Option<mesh::Problem>>,
}

impl App {
    /// Opens what lasts and starts to follow the other services.
    ///
    /// # Errors
    /// If the store cannot be used.
    pub(crate) fn open(ipc_dir: PathBuf, store: Store) -> Result<Self, StoreError> {
        let claim_lock = ClaimLock::restored(store.claim_wrong()?, Duration::ZERO);
        Ok(Self {
            config: patronus_ipc::follow::<config::Config>(&ipc_dir, || config::Request::Watch),
            link: patronus_ipc::follow::<link::Link>(&ipc_dir, || link::Request::Watch),
            clock: patronus_ipc::follow::<clock::Clock>(&ipc_dir, || clock::Request::Watch),
            mesh: patronus_ipc::follow::<mesh::Mesh>(&ipc_dir, || mesh::Request::Watch),
            tunnel: patronus_ipc::follow::<tunnel::Tunnel>(&ipc_dir, || tunnel::Request::Watch),
            router: patronus_ipc::follow::<router::Router>(&ipc_dir, || router::Request::Watch),
            prober: patronus_ipc::follow::<prober::Prober>(&ipc_dir, || prober::Request::Watch),
            ipc_dir,
            store,
            claim_code: watch::Sender::new(None),
            fingerprint: watch::Sender::new(None),
            asking: Semaphore::new(limits::QUESTIONS),
            hashing: Semaphore::new(1),
            claiming: tokio::sync::Mutex::new(()),
            feed: Feed::new(),
            refusals: Refusals::default(),
            fatal: Notify::new(),
            closing: watch::Sender::new(false),
            started: Instant::now(),
            sessions: Mutex::default(),
            throttle: Mutex::default(),
            claim_lock: Mutex::new(claim_lock),
            gate: Mutex::default(),
            prepared: Mutex::default(),
            not_joined: Mutex::default(),
        })
    }

    /// Time since the service started: the only clock of sessions and limiters.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The running configuration's state; `None` while `config` has not answered yet.
    pub(crate) fn configuration(&self) -> Option<config::State> {
        match &*self.config.borrow() {
            Some(config::Reply::State(state)) => Some((**state).clone()),
            _ => None,
        }
    }

    /// The site's name; empty while the box is unclaimed.
    pub(crate) fn site(&self) -> String {
        let claimed = self.configuration().and_then(|state| state.claimed);
        claimed.map(|claimed| claimed.document.site.name.to_string()).unwrap_or_default()
    }

    /// Ports, uplinks and LAN; empty while `link` has not answered yet.
    pub(crate) fn links(&self) -> link::State {
        self.link.borrow().clone().unwrap_or_default()
    }

    /// The network as `mesh` last told it; `None` while it has not answered yet.
    pub(crate) fn network(&self) -> Option<mesh::State> {
        match &*self.mesh.borrow() {
            Some(mesh::Reply::State(state)) => Some((**state).clone()),
            _ => None,
        }
    }

    /// Paths and keys as `tunnel` last told them; `None` while it has not answered yet.
    pub(crate) fn tunnels(&self) -> Option<tunnel::State> {
        match &*self.tunnel.borrow() {
            Some(tunnel::Reply::State(state)) => Some((**state).clone()),
            _ => None,
        }
    }

    /// Which path carries what, as `router` last told it; `None` while it has not answered yet.
    pub(crate) fn routing(&self) -> Option<router::State> {
        match &*self.router.borrow() {
            Some(router::Reply::State(state)) => Some((**state).clone()),
            _ => None,
        }
    }

    /// How good each path is, as `prober` last told it; `None` while it has not answered yet.
    pub(crate) fn measured(&self) -> Option<prober::State> {
        match &*self.prober.borrow() {
            Some(prober::Reply::State(state)) => Some((**state).clone()),
            _ => None,
        }
    }

    /// The names under which the box answers now.
    pub(crate) fn names(&self) -> Names {
        let site = self.configuration().and_then(|state| state.claimed).map(|claimed| claimed.document.site.name);
        let addresses = self.links().lan.addresses.into_iter().map(|address| address.addr());
        Names::new(addresses, site.as_ref().map(|name| name.as_str()))
    }

    /// Asks another service.
    pub(crate) async fn ask<P: Protocol>(&self, request: P::Request) -> Result<P::Reply, CallError> {
        // Closed only if we closed it, which nobody does; then the call goes without a turn.
        let _turn = self.asking.acquire().await.ok();
        let answer = patronus_ipc::call::<P>(&self.ipc_dir, &request).await;
        if let Err(error) = &answer {
            tracing::warn!(service = P::SERVICE, %error, "no answer");
        }
        answer
    }

    /// Asks PID 1 for the machine's state.
    pub(crate) async fn machine(&self) -> Option<init::Status> {
        match self.ask::<init::Init>(init::Request::Status).await {
            Ok(init::Reply::Status(status)) => Some(*status),
            _ => None,
        }
    }

    /// Opens a session; `None` if the kernel has no randomness.
    pub(crate) fn open_session(&self, identity: Identity) -> Option<String> {
        let (mut secret, mut csrf) = ([0; 32], [0; 16]);
        getrandom::fill(&mut secret).and_then(|()| getrandom::fill(&mut csrf)).ok()?;
        Some(self.sessions().open(identity, secret, csrf, self.now()))
    }

    /// All sessions.
    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }

    /// The brake on logins.
    pub(crate) fn throttle(&self) -> MutexGuard<'_, Throttle> {
        lock(&self.throttle)
    }

    /// The brake on claim codes.
    pub(crate) fn claim_lock(&self) -> MutexGuard<'_, ClaimLock> {
        lock(&self.claim_lock)
    }

    /// Places at the front door.
    pub(crate) fn gate(&self) -> MutexGuard<'_, Gate> {
        lock(&self.gate)
    }

    /// The one claim that waits to be finished.
    pub(crate) fn prepared(&self) -> MutexGuard<'_, Option<Prepared>> {
        lock(&self.prepared)
    }

    /// Why the way into a network that was chosen at set-up was not begun.
    pub(crate) fn not_joined(&self) -> MutexGuard<'_, Option<mesh::Problem>> {
        lock(&self.not_joined)
    }

    /// Waits until the service is told to stop.
    pub(crate) async fn told_to_stop(&self) {
        // An error would mean that the sender, which is ours, is gone.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await.is_ok();
    }

    /// The store failed: nothing that needs it may go on.
    pub(crate) fn fail(&self, error: &StoreError) {
        tracing::error!(%error, "ending, to be restarted");
        self.fatal.notify_one();
    }
}

/// A panic elsewhere leaves these values whole: each change is a single call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
