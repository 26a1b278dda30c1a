//! The directory of sockets of one box, and the services that the test itself stands in for.
//!
//! *Does*: bind each service's socket as `init` does, answer `watch` with values that the test changes, follow what a real service says.
//! *Never does*: answer anything that the test did not give it.
//! *Spec*: `docs/ipc.md`, section "Following".

use std::{
    collections::BTreeMap,
    os::unix::{fs::chown, net::UnixListener},
    path::Path,
    sync::{Arc, Mutex},
};

use patronus_ipc::{Answer, Handler, Protocol, call, follow, serve};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::watch, task::AbortHandle};

use crate::PATIENCE;

/// A directory of sockets, and the threads that answer on some of them.
#[derive(Debug)]
pub struct Sockets {
    // The threads go before the directory.
    runtime: Runtime,
    dir: TempDir,
    uid: u32,
    answering: Mutex<BTreeMap<&'static str, AbortHandle>>,
}

impl Sockets {
    /// For services that run as `uid`, who may call all that the test answers.
    #[must_use]
    pub fn new(uid: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        chown(dir.path(), Some(uid), Some(uid)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, dir, uid, answering: Mutex::default() }
    }

    /// Where they are; also the directory for state of the services.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The threads that answer, for what a test does itself: calls, waiting.
    #[must_use]
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Stands in for the service of `P`: each `watch` follows the value that is sent here.
    pub fn publish<P: Protocol>(&self, first: P::Reply) -> watch::Sender<P::Reply> {
        let (sender, values) = watch::channel(first);
        self.answer::<P>("watch", Desk(values));
        sender
    }

    /// Stands in for the service of `P`, with answers of the test's own to these operations.
    pub fn answer<P: Protocol>(&self, operations: &str, handler: impl Handler<P>) {
        let listener = self.bind(P::SERVICE);
        chown(self.path(P::SERVICE), Some(self.uid), Some(self.uid)).unwrap();
        let access = format!("{}={operations}", self.uid).parse().unwrap();
        let task = self.runtime.spawn(serve::<P>(listener, access, Arc::new(handler)));
        self.answering.lock().unwrap().insert(P::SERVICE, task.abort_handle());
    }

    /// Asks a service one question.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn ask<P: Protocol>(&self, request: &P::Request) -> P::Reply {
        self.runtime.block_on(call::<P>(self.dir(), request)).unwrap()
    }

    /// Ends the service of `P` that the test stood in for: nobody can connect any more. Those that are connected lose it with its sender.
    pub fn end<P: Protocol>(&self) {
        if let Some(task) = self.answering.lock().unwrap().remove(P::SERVICE) {
            task.abort();
        }
        std::fs::remove_file(self.path(P::SERVICE)).unwrap();
    }

    /// Follows a service, also over its restarts.
    pub fn follow<P: Protocol>(&self, request: fn() -> P::Request) -> Follower<P::Reply> {
        let state = self.runtime.block_on(async { follow::<P>(self.dir(), request) });
        Follower { state, runtime: self.runtime.handle().clone() }
    }

    /// A service's own socket.
    pub(crate) fn bind(&self, service: &str) -> UnixListener {
        UnixListener::bind(self.path(service)).unwrap()
    }

    fn path(&self, service: &str) -> std::path::PathBuf {
        self.dir().join(format!("{service}.sock"))
    }
}

struct Desk<T>(watch::Receiver<T>);

impl<P: Protocol> Handler<P> for Desk<P::Reply> {
    async fn handle(&self, _: u32, _: P::Request) -> Answer<P> {
        Answer::Follow(self.0.clone())
    }
}

/// What a service says, as it says it.
#[derive(Clone, Debug)]
pub struct Follower<T> {
    state: watch::Receiver<Option<T>>,
    runtime: tokio::runtime::Handle,
}

impl<T: Clone + std::fmt::Debug + Send + Sync> Follower<T> {
    /// What it said last, if anything.
    #[must_use]
    pub fn newest(&self) -> Option<T> {
        self.state.borrow().clone()
    }

    /// Waits until what the service says is as wanted. `story` tells what happened when it never is.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&T) -> bool, story: impl Fn() -> String) -> T {
        let mut state = self.state.clone();
        let found = self.runtime.block_on(async {
            let seen = state.wait_for(|state| state.as_ref().is_some_and(&wanted));
            tokio::time::timeout(PATIENCE, seen).await.map(|state| state.unwrap().clone())
        });
        match found {
            Ok(state) => state.unwrap(),
            Err(_) => panic!("never: {what}\n{:#?}\n{}", self.state.borrow(), story()),
        }
    }
}
