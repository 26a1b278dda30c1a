use std::os::unix::net::UnixListener as StdListener;

use serde::{Deserialize, Serialize};

use super::*;
use crate::{CallError, call, follow};

struct Echo;

#[derive(Serialize, Deserialize)]
enum Ask {
    Say(u32),
    Count,
    Secret,
}

impl Operation for Ask {
    fn operation(&self) -> &'static str {
        match self {
            Self::Say(_) => "say",
            Self::Count => "count",
            Self::Secret => "secret",
        }
    }
}

impl Protocol for Echo {
    const SERVICE: &'static str = "echo";
    type Request = Ask;
    type Reply = u32;
}

struct Desk(watch::Receiver<u32>);

impl Handler<Echo> for Desk {
    async fn handle(&self, _: u32, request: Ask) -> Answer<Echo> {
        match request {
            Ask::Say(word) => Answer::Once(word),
            Ask::Count => Answer::Follow(self.0.clone()),
            Ask::Secret => unreachable!("nobody is granted this"),
        }
    }
}

/// This process's own user.
fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// An echo service in a directory of its own, which grants `operations` to this process's user.
async fn start(operations: &str) -> (tempfile::TempDir, watch::Sender<u32>) {
    let dir = tempfile::tempdir().unwrap();
    let listener = StdListener::bind(dir.path().join("echo.sock")).unwrap();
    let access = if operations.is_empty() { String::new() } else { format!("{}={operations}", uid()) };
    let (sender, receiver) = watch::channel(1);
    tokio::spawn(serve::<Echo>(listener, access.parse().unwrap(), Arc::new(Desk(receiver))));
    (dir, sender)
}

#[tokio::test]
async fn a_granted_operation_is_answered() {
    let (dir, _keep) = start("say").await;
    assert_eq!(call::<Echo>(dir.path(), &Ask::Say(7)).await.unwrap(), 7);
}

#[tokio::test]
async fn an_operation_that_is_not_granted_is_refused_by_name() {
    let (dir, _keep) = start("say").await;
    let error = call::<Echo>(dir.path(), &Ask::Secret).await.unwrap_err();
    assert!(matches!(error, CallError::Refused(Refusal::Denied { operation, .. }) if operation == "secret"));
}

#[tokio::test]
async fn an_unknown_caller_is_not_read() {
    let (dir, _keep) = start("").await;
    assert!(matches!(call::<Echo>(dir.path(), &Ask::Say(7)).await, Err(CallError::Io(_))));
}

#[tokio::test]
async fn noise_closes_the_connection_and_not_the_service() {
    let (dir, _keep) = start("say").await;
    let mut stream = UnixStream::connect(dir.path().join("echo.sock")).await.unwrap();
    stream.write_all(&[1, 0, 0, 0, 250]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let mut decoder = frame::Decoder::default();
    decoder.handle_bytes(&answer);
    assert_eq!(decoder.poll_message::<Outcome<Echo>>(), Ok(Some(Err(Refusal::Malformed))));
    assert_eq!(call::<Echo>(dir.path(), &Ask::Say(8)).await.unwrap(), 8);
}

#[tokio::test]
async fn a_follower_sees_the_newest_value_and_follows_a_restart() {
    let (dir, sender) = start("count").await;
    let mut values = follow::<Echo>(dir.path(), || Ask::Count);
    assert_eq!(*values.wait_for(Option::is_some).await.unwrap(), Some(1));
    sender.send(5).unwrap();
    assert_eq!(*values.wait_for(|value| *value == Some(5)).await.unwrap(), Some(5));
    // A service that restarts binds the same name anew.
    drop(sender);
    std::fs::remove_file(dir.path().join("echo.sock")).unwrap();
    let listener = StdListener::bind(dir.path().join("echo.sock")).unwrap();
    let (_keep, receiver) = watch::channel(9);
    tokio::spawn(serve::<Echo>(listener, format!("{}=count", uid()).parse().unwrap(), Arc::new(Desk(receiver))));
    assert_eq!(*values.wait_for(|value| *value == Some(9)).await.unwrap(), Some(9));
}

#[test]
fn only_a_broken_listening_socket_ends_the_service() {
    let after = |errno: Errno| super::after(&errno.into());
    assert_eq!(after(Errno::CONNABORTED), AfterError::Next);
    assert_eq!([Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].map(after), [AfterError::Pause; 4]);
    assert_eq!([Errno::BADF, Errno::INVAL, Errno::NOTSOCK].map(after), [AfterError::End; 3]);
}

#[tokio::test]
async fn a_caller_with_its_whole_share_is_answered_and_one_more_connection_is_closed() {
    let (dir, _keep) = start("say").await;
    let mut held = Vec::new();
    for word in 0..=share::MAX_CLIENTS_PER_UID as u32 {
        let mut stream = UnixStream::connect(dir.path().join("echo.sock")).await.unwrap();
        // The closed one may refuse to take it.
        let _ = stream.write_all(&frame::encode(&Ask::Say(word)).unwrap()).await;
        let mut answer = [0; 6];
        let answered = stream.read_exact(&mut answer).await.is_ok();
        assert_eq!(answered, word < share::MAX_CLIENTS_PER_UID as u32, "connection {word}");
        held.push(stream);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_in_time_ends_the_connection_however_it_drips() {
    let (dir, _keep) = start("say").await;
    let mut stream = UnixStream::connect(dir.path().join("echo.sock")).await.unwrap();
    let began = Instant::now();
    stream.write_all(&100_u32.to_le_bytes()).await.unwrap();
    let mut answer = [0; 1];
    let drip = REQUEST_DEADLINE / 4;
    let ended = loop {
        match timeout(drip, stream.read(&mut answer)).await {
            Err(_) => stream.write_all(&[0]).await.unwrap(),
            Ok(ended) => break ended.unwrap_or(0),
        }
    };
    assert_eq!(ended, 0);
    assert!(began.elapsed() <= REQUEST_DEADLINE + drip, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_silent_between_requests_is_kept() {
    let (dir, _keep) = start("say").await;
    let mut stream = UnixStream::connect(dir.path().join("echo.sock")).await.unwrap();
    for word in [1, 2] {
        stream.write_all(&frame::encode(&Ask::Say(word)).unwrap()).await.unwrap();
        stream.read_exact(&mut [0; 6]).await.unwrap();
        sleep(REQUEST_DEADLINE * 10).await;
    }
}
