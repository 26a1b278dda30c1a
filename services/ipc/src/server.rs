//! The answering end of a connection.
//!
//! *Does*: accept, ask the kernel who is there, check each request against the access table, answer in order.
//! *Never does*: read from a caller it does not know, keep more than [`MAX_CLIENTS`] connections, wait for a slow reader with
//! anything but that reader's own task.
//! *Spec*: `docs/ipc.md`, sections "Callers" and "Following".

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::{Access, Operation, Outcome, Protocol, Refusal, frame};

/// Connections of one service at a time; there are fewer than ten services, each with a few connections.
const MAX_CLIENTS: usize = 64;
/// How long a caller may take to read an answer before it is dropped.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

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

/// Answers callers for ever.
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
    let clients = Arc::new(Semaphore::new(MAX_CLIENTS));
    loop {
        let (stream, _) = listener.accept().await?;
        let uid = stream.peer_cred()?.uid();
        if !access.knows(uid) {
            tracing::warn!(service = P::SERVICE, uid, "ipc caller unknown");
            continue;
        }
        let Ok(permit) = Arc::clone(&clients).try_acquire_owned() else {
            tracing::warn!(service = P::SERVICE, uid, "ipc too many connections");
            continue;
        };
        let (access, handler) = (Arc::clone(&access), Arc::clone(&handler));
        tokio::spawn(async move {
            if let Err(error) = converse::<P>(stream, uid, &access, &*handler).await {
                tracing::debug!(service = P::SERVICE, uid, %error, "ipc connection ended");
            }
            drop(permit);
        });
    }
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
    loop {
        let request = match decoder.poll_message::<P::Request>() {
            Ok(Some(request)) => request,
            Ok(None) => {
                let count = stream.read(&mut buffer).await?;
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
