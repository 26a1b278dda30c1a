//! The answering end of a connection.
//!
//! *Does*: accept, ask the kernel who is there, check each request against the access table, answer in order.
//! *Never does*: read from a caller it does not know, give one caller the places of others, wait for a slow caller with
//! anything but that caller's own task, end because of one connection.
//! *Spec*: `docs/ipc.md`, sections "Callers" and "Following".

mod share;

use std::{io, sync::Arc, time::Duration};

use rustix::io::Errno;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use self::share::Clients;
use crate::{Access, Operation, Outcome, Protocol, Refusal, frame};

/// How long a caller may take from the first byte of a request to its last before it is dropped.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
/// How long a caller may take to read an answer before it is dropped.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// How long no connection is accepted after descriptors or memory were used up.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What a request leads to.
pub enum Answer<P: Protocol> {
    /// One reply.
    Once(P::Reply),
    /// The present value now and each later one: always the newest, never a queue.
    Follow(watch::Receiver<P::Reply>),
}

/// What a service does with a request that its caller may make.
pub trait Handler<P: Protocol>: Send + Sync + 'static {
    /// Answers one request. `uid` is the caller by the kernel's word.
    fn handle(&self, uid: u32, request: P::Request) -> impl Future<Output = Answer<P>> + Send;
}

/// Answers callers for ever. A service whose callers are gone for good is of no use: when this ends, the service must end, too.
///
/// # Errors
/// Only if the listening socket itself fails.
pub async fn serve<P: Protocol>(
    listener: std::os::unix::net::UnixListener,
    access: Access,
    handler: Arc<impl Handler<P>>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let access = Arc::new(access);
    let clients = Clients::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => welcome::<P>(stream, &access, &clients, &handler),
            Err(error) => {
                tracing::warn!(service = P::SERVICE, %error, "ipc connection not accepted");
                match after(&error) {
                    AfterError::Next => {}
                    AfterError::Pause => sleep(ACCEPT_PAUSE).await,
                    AfterError::End => return Err(error),
                }
            }
        }
    }
}

/// What follows a connection that could not be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterError {
    /// It concerned that connection only.
    Next,
    /// Something is used up, and would be used up at once again: descriptors, memory.
    Pause,
    /// The listening socket is none.
    End,
}

/// The errors of accept(2).
fn after(error: &io::Error) -> AfterError {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::CONNABORTED | Errno::INTR | Errno::PERM) => AfterError::Next,
        Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP) => AfterError::End,
        _ => AfterError::Pause,
    }
}

/// Gives a caller a task of its own, if the kernel says that it is one and it has a place.
fn welcome<P: Protocol>(stream: UnixStream, access: &Arc<Access>, clients: &Clients, handler: &Arc<impl Handler<P>>) {
    let uid = match stream.peer_cred() {
        Ok(caller) => caller.uid(),
        Err(error) => return tracing::warn!(service = P::SERVICE, %error, "ipc caller without a name"),
    };
    if !access.knows(uid) {
        return tracing::warn!(service = P::SERVICE, uid, "ipc caller unknown");
    }
    let place = match clients.admit(uid) {
        Ok(place) => place,
        Err(reason) => return tracing::warn!(service = P::SERVICE, uid, %reason, "ipc connection closed"),
    };
    let (access, handler) = (Arc::clone(access), Arc::clone(handler));
    tokio::spawn(async move {
        if let Err(error) = converse::<P>(stream, uid, &access, &*handler).await {
            tracing::debug!(service = P::SERVICE, uid, %error, "ipc connection ended");
        }
        drop(place);
    });
}

/// One connection: requests in, answers out, until either end is gone.
async fn converse<P: Protocol>(
    mut stream: UnixStream,
    uid: u32,
    access: &Access,
    handler: &impl Handler<P>,
) -> io::Result<()> {
    let mut decoder = frame::Decoder::default();
    let mut buffer = vec![0; 4096];
    let mut deadline = None;
    loop {
        let request = match decoder.poll_message::<P::Request>() {
            Ok(Some(request)) => {
                deadline = decoder.has_begun().then(|| Instant::now() + REQUEST_DEADLINE);
                request
            }
            Ok(None) => {
                let count = match deadline {
                    None => stream.read(&mut buffer).await?,
                    Some(deadline) => timeout_at(deadline, stream.read(&mut buffer)).await??,
                };
                deadline.get_or_insert_with(|| Instant::now() + REQUEST_DEADLINE);
                if count == 0 {
                    return Ok(());
                }
                decoder.handle_bytes(buffer.get(..count).unwrap_or_default());
                continue;
            }
            Err(error) => {
                tracing::warn!(service = P::SERVICE, uid, %error, "ipc malformed request");
                return send::<P>(&mut stream, &Err(Refusal::Malformed)).await;
            }
        };
        let operation = request.operation();
        if !access.allows(uid, operation) {
            tracing::warn!(service = P::SERVICE, uid, operation, "ipc operation denied");
            send::<P>(&mut stream, &Err(Refusal::Denied { operation: operation.to_owned(), uid })).await?;
            continue;
        }
        match handler.handle(uid, request).await {
            Answer::Once(reply) => send::<P>(&mut stream, &Ok(reply)).await?,
            Answer::Follow(values) => return follow::<P>(stream, values).await,
        }
    }
}

/// Sends the present value and each newer one until the reader goes away.
async fn follow<P: Protocol>(mut stream: UnixStream, mut values: watch::Receiver<P::Reply>) -> io::Result<()> {
    let mut unexpected = [0; 1];
    values.mark_changed();
    loop {
        tokio::select! {
            changed = values.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let value = values.borrow_and_update().clone();
                send::<P>(&mut stream, &Ok(value)).await?;
            }
            // A follower says nothing more: a byte or the end of the stream both end it.
            _ = stream.read(&mut unexpected) => return Ok(()),
        }
    }
}

async fn send<P: Protocol>(stream: &mut UnixStream, outcome: &Outcome<P>) -> io::Result<()> {
    let frame = frame::encode(outcome).map_err(io::Error::other)?;
    timeout(WRITE_DEADLINE, stream.write_all(&frame)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

#[cfg(test)]
mod tests;
