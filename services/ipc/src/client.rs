//! The asking end of a connection.
//!
//! *Does*: one question with its answer, or a subscription that survives restarts of the other side.
//! *Never does*: wait longer than [`CALL_DEADLINE`] for an answer.
//! *Spec*: `docs/ipc.md`, section "Following".

use std::{io, path::Path, time::Duration};

use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::watch,
    time::{sleep, timeout},
};

use crate::{Outcome, Protocol, Refusal, frame};

/// How long a caller waits for an answer. A commit on a slow disk takes a second or two.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// Pause before a lost subscription is made anew: shorter than `init`'s first restart back-off.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// The service is not there, or went away.
    #[error("the service does not answer: {0}")]
    Io(#[from] io::Error),
    /// The service answered that it will not.
    #[error("the service refused: {0}")]
    Refused(#[from] Refusal),
    /// The service answered with something else than its protocol says.
    #[error("the service answered nonsense: {0}")]
    Frame(#[from] frame::FrameError),
}

/// Asks the service of `P`, whose socket is in `ipc_dir`, one question.
///
/// # Errors
/// See [`CallError`].
pub async fn call<P: Protocol>(ipc_dir: &Path, request: &P::Request) -> Result<P::Reply, CallError> {
    let answer = async {
        let mut connection = Connection::open::<P>(ipc_dir, request).await?;
        connection.next::<P>().await
    };
    timeout(CALL_DEADLINE, answer).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Follows a state of the service of `P`: the newest value, `None` until the first arrives. Reconnects for ever; ends when the
/// receiver is dropped.
pub fn follow<P: Protocol>(
    ipc_dir: &Path,
    request: impl Fn() -> P::Request + Send + Sync + 'static,
) -> watch::Receiver<Option<P::Reply>> {
    let (sender, receiver) = watch::channel(None);
    let ipc_dir = ipc_dir.to_owned();
    tokio::spawn(async move {
        while !sender.is_closed() {
            if let Err(error) = copy_values::<P>(&ipc_dir, &request(), &sender).await {
                tracing::debug!(service = P::SERVICE, %error, "ipc subscription lost");
            }
            sleep(RECONNECT_AFTER).await;
        }
    });
    receiver
}

async fn copy_values<P: Protocol>(
    ipc_dir: &Path,
    request: &P::Request,
    sender: &watch::Sender<Option<P::Reply>>,
) -> Result<(), CallError> {
    let mut connection = Connection::open::<P>(ipc_dir, request).await?;
    loop {
        tokio::select! {
            value = connection.next::<P>() => {
                let value = value?;
                if P::is_set(&value) {
                    sender.send_replace(Some(value));
                }
            }
            () = sender.closed() => return Ok(()),
        }
    }
}

struct Connection {
    stream: UnixStream,
    decoder: frame::Decoder,
}

impl Connection {
    async fn open<P: Protocol>(ipc_dir: &Path, request: &P::Request) -> Result<Self, CallError> {
        let mut stream = UnixStream::connect(ipc_dir.join(format!("{}.sock", P::SERVICE))).await?;
        stream.write_all(&frame::encode(request)?).await?;
        Ok(Self { stream, decoder: frame::Decoder::default() })
    }

    async fn next<P: Protocol>(&mut self) -> Result<P::Reply, CallError> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(outcome) = self.decoder.poll_message::<Outcome<P>>()? {
                return Ok(outcome?);
            }
            let count = self.stream.read(&mut buffer).await?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.decoder.handle_bytes(buffer.get(..count).unwrap_or_default());
        }
    }
}
