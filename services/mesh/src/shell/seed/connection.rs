//! One connection after its handshake: messages in, messages out.
//!
//! *Never does*: hold more than one message and one read beyond it; wait for the far end for ever.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use patronus_mesh::limit::{CONNECTION_OUTBOX, CONNECTION_PATIENCE_S, CONNECTION_SILENCE_S};
use patronus_wire::{IdentityKey, encode_frame, take_frame};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};

use super::{Happening, Happenings, Session};

static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Carries messages until either end is gone.
pub(super) async fn converse(
    stream: impl AsyncRead + AsyncWrite,
    peer: IdentityKey,
    source: SocketAddr,
    is_ours: bool,
    happenings: &Happenings,
) {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let (sender, outbox) = mpsc::channel(CONNECTION_OUTBOX);
    let session = Box::new(Session { number, peer, source, is_ours, sender });
    if happenings.send(Happening::Opened(session)).await.is_err() {
        return;
    }
    let (reader, writer) = tokio::io::split(stream);
    let ended = tokio::select! {
        ended = hear(reader, number, happenings) => ended,
        ended = say(writer, outbox) => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%source, %error, "connection ended");
    }
    // Who counts connections has gone, too, if this fails.
    let _ = happenings.send(Happening::Closed(number)).await;
}

async fn hear(mut reader: impl AsyncRead + Unpin, number: u64, happenings: &Happenings) -> io::Result<()> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        match take_frame(&bytes) {
            Ok(Some((message, length))) => {
                bytes.drain(..length);
                let said = Happening::Said { number, message: Box::new(message) };
                happenings.send(said).await.map_err(io::Error::other)?;
            }
            Ok(None) => {
                let read = timeout(Duration::from_secs(CONNECTION_SILENCE_S), reader.read(&mut buffer)).await??;
                if read == 0 {
                    return Ok(());
                }
                bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
            }
            Err(refused) => {
                let _ = happenings.send(Happening::Refused(refused)).await;
                return Err(io::Error::other(refused));
            }
        }
    }
}

async fn say(
    mut writer: impl AsyncWrite + Unpin,
    mut outbox: mpsc::Receiver<patronus_wire::Message>,
) -> io::Result<()> {
    while let Some(message) = outbox.recv().await {
        let frame = encode_frame(&message).map_err(io::Error::other)?;
        let sent = async {
            writer.write_all(&frame).await?;
            writer.flush().await
        };
        timeout(Duration::from_secs(CONNECTION_PATIENCE_S), sent).await??;
    }
    // This end has nothing more to say: the session was dropped.
    writer.shutdown().await
}
