//! The page as a program sees it: HTTPS to one address, trusting one certificate.
//!
//! *Does*: one request per connection; pin the certificate by the fingerprint that the console shows.
//! *Never does*: follow redirects, keep cookies, or judge answers; tests do.

use std::{
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
use tokio::{net::TcpStream, runtime, time::timeout};

/// One request, from connect to the end of the body. Password hashing takes its time in an emulated guest.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// Between two attempts while waiting for the page.
const RETRY_PAUSE: Duration = Duration::from_millis(25);

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
        answer.with_context(|| format!("{method} {path}: no answer in {} s", REQUEST_LIMIT.as_secs()))?
    }

    /// Asks again and again until the page answers, whatever it answers.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn wait_until_it_answers(&self, limit: Duration) -> Result<Response> {
        let deadline = Instant::now() + limit;
        loop {
            match self.get("/") {
                Ok(response) => return Ok(response),
                Err(error) if Instant::now() > deadline => return Err(error).context("the page does not answer"),
                Err(_) => std::thread::sleep(RETRY_PAUSE),
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
