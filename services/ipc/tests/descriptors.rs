//! A service that runs out of descriptors, in a process of its own.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs::File, os::unix::net::UnixListener, sync::Arc};

use patronus_ipc::{Answer, Handler, clock, serve};
use rustix::process::{Resource, Rlimit, getrlimit, getuid, setrlimit};
use tokio::sync::watch;

struct Desk(watch::Receiver<clock::State>);

impl Handler<clock::Clock> for Desk {
    async fn handle(&self, _: u32, _: clock::Request) -> Answer<clock::Clock> {
        Answer::Once(self.0.borrow().clone())
    }
}

#[tokio::test]
async fn a_service_without_free_descriptors_answers_again_once_there_are_some() {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("clock.sock")).unwrap();
    let (_keep, state) = watch::channel(clock::State::default());
    let access = format!("{}=watch", getuid().as_raw()).parse().unwrap();
    let mut service = tokio::spawn(serve::<clock::Clock>(listener, access, Arc::new(Desk(state))));
    let few = Rlimit { current: Some(64), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, few).unwrap();
    let mut hogs: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One is left for the caller's end, none for the service's.
    hogs.pop();
    let ipc_dir = dir.path().to_owned();
    let mut answer =
        tokio::spawn(async move { patronus_ipc::call::<clock::Clock>(&ipc_dir, &clock::Request::Watch).await });
    tokio::select! {
        ended = &mut service => panic!("the service ended: {ended:?}"),
        answer = &mut answer => panic!("no descriptor was left: {answer:?}"),
        () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
    }
    drop(hogs);
    assert_eq!(answer.await.unwrap().unwrap(), clock::State::default());
}
