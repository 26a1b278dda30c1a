//! One question to one time server.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use patronus_clock::{
    Rejected, Sample, limit,
    sntp::{check, question},
};
use thiserror::Error;
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

use super::time::now_us;

const PORT: u16 = 123;

/// Why a server gave no time.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    /// It did not answer, or cannot be reached.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What it answered is not used.
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

/// Asks, and waits for the answer to this very question; others are passed over.
pub(crate) async fn ask(server: IpAddr, pivot_s: i64) -> Result<Sample, AskError> {
    let socket = UdpSocket::bind(any(server)).await?;
    socket.connect((server, PORT)).await?;
    let nonce = super::random()?;
    let end = Instant::now() + Duration::from_millis(limit::ANSWER_MS);
    let sent_us = now_us();
    socket.send(&question(nonce)).await?;
    let mut buffer = [0; 128];
    loop {
        let count = timeout_at(end, socket.recv(&mut buffer)).await.map_err(io::Error::from)??;
        let received_us = now_us();
        match check(buffer.get(..count).unwrap_or_default(), nonce, sent_us, received_us, pivot_s) {
            Err(Rejected::WrongOrigin | Rejected::Truncated) => {}
            outcome => return Ok(outcome?),
        }
    }
}

/// The unspecified address of the same family, port chosen by the kernel.
pub(crate) fn any(other: IpAddr) -> SocketAddr {
    match other {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
