//! The page as a program sees it: HTTPS to one address, trusting one certificate.
//!
//! *Does*: one request per connection; pin the certificate by the fingerprint that the console shows.
//! *Never does*: follow redirects, keep cookies, or judge answers; tests do.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, body::Bytes};
use hyper_util::rt::TokioIo;
use patronus_pin::{Fingerprint, Verifier};
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    runtime,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

/// One request, from connect to the end of the body. Password hashing takes its time in an emulated guest.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// After an attempt that failed while waiting for the page.
const RETRY_PAUSE: Duration = Duration::from_millis(25);
/// After an attempt that does not end while waiting for the page, at least.
const NEXT_ATTEMPT: Duration = Duration::from_millis(200);
/// Attempts that wait at the same time.
const ATTEMPTS_MAX: usize = 3;

/// A page at an address.
#[derive(Clone, Debug)]
pub struct Page {
    address: SocketAddr,
    fingerprint: Option<Fingerprint>,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its head.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
    /// SHA-256 of the certificate that the server showed: hexadecimal, upper case, with colons.
    pub fingerprint: String,
}

impl Page {
    /// A page at `address`, whatever its certificate.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self { address, fingerprint: None }
    }

    /// The same page, but only with this certificate (SHA-256: hexadecimal, upper case, with colons).
    ///
    /// # Errors
    /// If that is no fingerprint.
    pub fn pinned(self, fingerprint: &str) -> Result<Self> {
        Ok(Self { fingerprint: Some(fingerprint.parse()?), ..self })
    }

    /// Its address for people and browsers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}/", self.address)
    }

    /// Host and port, as `Host` and `Origin` want them.
    #[must_use]
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Reads a page.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn get(&self, path: &str) -> Result<Response> {
        self.request(&Method::GET, path, &[], "")
    }

    /// Sends one request.
    ///
    /// # Errors
    /// If there is no whole answer in time, or the certificate is not the pinned one.
    pub fn request(&self, method: &Method, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Response> {
        let mut request = Request::builder().method(method).uri(path).header("Host", self.authority());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(async { timeout(REQUEST_LIMIT, self.exchange(request)).await });
        let answer = answer.with_context(|| format!("{method} {path}: no answer in {} s", REQUEST_LIMIT.as_secs()))?;
        answer.with_context(|| format!("{method} {path}"))
    }

    /// Asks again and again until the page answers, whatever it answers.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn wait_until_it_answers(&self, limit: Duration) -> Result<Response> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(async { timeout(limit, self.first_answer()).await });
        answer.with_context(|| format!("the page does not answer within {} s", limit.as_secs()))
    }

    /// Attempts overlap: one whose first packet was lost, because the port was not up yet, would wait for seconds after the page is there.
    async fn first_answer(&self) -> Response {
        let begin = Instant::now();
        let (mut attempts, mut handles) = (JoinSet::new(), VecDeque::new());
        loop {
            let page = self.clone();
            let request = Request::builder().uri("/").header("Host", self.authority()).body(Full::default());
            handles.push_back(attempts.spawn(async move { page.exchange(request?).await }));
            if handles.len() > ATTEMPTS_MAX {
                handles.pop_front().as_ref().map(AbortHandle::abort);
            }
            // The longer the boot takes, the slower this computer is, and the longer an answer.
            let next = tokio::time::sleep(NEXT_ATTEMPT.max(begin.elapsed() / 20));
            tokio::pin!(next);
            loop {
                tokio::select! {
                    () = &mut next => break,
                    Some(ended) = attempts.join_next() => match ended {
                        Ok(Ok(response)) => return response,
                        // Refused: somebody is there, and will soon listen.
                        Ok(Err(_)) => { tokio::time::sleep(RETRY_PAUSE).await; break; }
                        Err(_aborted) => {}
                    },
                }
            }
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response> {
        let verifier = Verifier::new(self.fingerprint);
        let connector = tokio_rustls::TlsConnector::from(Arc::new(verifier.client_config()?));
        let stream = TcpStream::connect(self.address).await?;
        let stream = connector.connect(ServerName::from(self.address.ip()), stream).await;
        let fingerprint = verifier.seen().map(|seen| seen.to_string()).unwrap_or_default();
        let stream = stream.with_context(|| format!("no TLS; the page shows the certificate {fingerprint:?}"))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Response { status: head.status, headers: head.headers, body, fingerprint })
    }
}
