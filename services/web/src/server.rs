//! The front door: connections from the LAN, TLS, HTTP/1.1, within limits.
//!
//! *Does*: accept, give places, time every step, hand whole requests to `dispatch`, count what is refused.
//! *Never does*: speak without TLS, wait without a deadline, queue.
//! *Spec*: `docs/adr/0003-front-door.md`.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::IpAddr,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use hyper::{
    Request,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{app::App, dispatch, gate::ConnectionId, limits, refusal::Refusal, reply::Reply};

/// Pause after a failed accept, which means that descriptors or memory are short.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// The front door, shared by all listeners.
pub(crate) struct FrontDoor {
    app: Arc<App>,
    tls: TlsAcceptor,
    /// How to tell a connection to leave.
    leave: Mutex<BTreeMap<ConnectionId, oneshot::Sender<()>>>,
}

impl FrontDoor {
    /// A front door with this certificate.
    #[must_use]
    pub(crate) fn new(app: Arc<App>, tls: Arc<rustls::ServerConfig>) -> Arc<Self> {
        Arc::new(Self { app, tls: tls.into(), leave: Mutex::default() })
    }

    /// Accepts connections until the service is told to stop.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.app.told_to_stop() => return,
            };
            match accepted {
                Ok((stream, peer)) => self.handle_connection(stream, peer.ip()),
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Gives the connection a place and a task of its own, or closes it.
    fn handle_connection(self: &Arc<Self>, stream: TcpStream, source: IpAddr) {
        let admitted = match self.app.gate().admit(source, self.app.now()) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.app.refusals.count(refusal),
        };
        let (leave, left) = oneshot::channel();
        {
            let mut leaves = self.leave.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(evicted) = admitted.evicted.and_then(|evicted| leaves.remove(&evicted)) {
                self.app.refusals.count(Refusal::Evicted);
                let _ = evicted.send(());
            }
            leaves.insert(admitted.id, leave);
        }
        let door = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                _ = left => {}
                () = sleep(limits::CONNECTION_LIFE) => {}
                () = door.converse(stream, source, admitted.id) => {}
            }
            door.app.gate().leave(admitted.id);
            door.leave.lock().unwrap_or_else(PoisonError::into_inner).remove(&admitted.id);
        });
    }

    /// One connection from handshake to end.
    async fn converse(&self, stream: TcpStream, source: IpAddr, id: ConnectionId) {
        let _ = stream.set_nodelay(true);
        let stream = match timeout(limits::HANDSHAKE_DEADLINE, self.tls.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return self.app.refusals.count(Refusal::HandshakeFailed),
            Err(_) => return self.app.refusals.count(Refusal::HandshakeTimeout),
        };
        let requests = AtomicU32::new(0);
        let service = service_fn(|request| self.respond(source, id, &requests, request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEAD_DEADLINE)
            .max_headers(limits::HEADERS)
            .max_header_size(limits::HEAD_BYTES)
            .max_buf_size(2 * limits::HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = self.app.told_to_stop() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Some(refusal) = served.err().and_then(|error| refusal_of(&error, requests.load(Ordering::Relaxed))) {
            self.app.refusals.count(refusal);
        }
    }

    async fn respond(
        &self,
        source: IpAddr,
        id: ConnectionId,
        requests: &AtomicU32,
        request: Request<Incoming>,
    ) -> Result<Reply, Infallible> {
        let served = requests.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut reply = dispatch::respond(&self.app, source, id, request).await;
        self.app.gate().handle_answer(id, self.app.now());
        if served >= limits::REQUESTS_PER_CONNECTION {
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(reply)
    }
}

/// The name for why hyper gave up on a connection; `None` if it simply ended, or stayed idle between requests.
fn refusal_of(error: &hyper::Error, requests: u32) -> Option<Refusal> {
    if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else if error.is_parse() {
        Some(Refusal::Malformed)
    } else if error.is_timeout() && requests == 0 {
        Some(Refusal::HeadTimeout)
    } else {
        None
    }
}
