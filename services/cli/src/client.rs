//! One question to a router, over TLS with a pinned certificate.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use patronus_pin::{Fingerprint, Verifier};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{error::Error, router::Router};

/// From the first packet to the end of the answer. A commit on a slow disk takes a few seconds.
const DEADLINE: Duration = Duration::from_secs(20);
/// The largest answer is a page of logs.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A router that can be asked.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) router: Router,
    pub(crate) pin: Fingerprint,
    pub(crate) token: Option<String>,
}

/// What is sent with a question.
pub(crate) enum Content {
    Nothing,
    Json(Value),
    Toml(String),
}

impl Client {
    /// Asks, and gives the answer's text.
    pub(crate) async fn ask(&self, method: &str, path: &str, content: Content) -> Result<String, Error> {
        match timeout(DEADLINE, self.exchange(method, path, content)).await {
            Ok(answer) => answer,
            Err(_) => Err(unreachable(&self.router, "no answer in time")),
        }
    }

    /// Asks, and gives the answer as JSON.
    pub(crate) async fn ask_json(&self, method: &str, path: &str, content: Content) -> Result<Value, Error> {
        let text = self.ask(method, path, content).await?;
        serde_json::from_str(&text).map_err(|_| Error::BadAnswer)
    }

    async fn exchange(&self, method: &str, path: &str, content: Content) -> Result<String, Error> {
        let failed = |error: hyper::Error| unreachable(&self.router, &error.to_string());
        let (stream, _) = connect(&self.router, Some(self.pin)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        let request = self.request(method, path, content)?;
        let (parts, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|_| Error::BadAnswer)?;
        let text = String::from_utf8(body.to_bytes().to_vec()).map_err(|_| Error::BadAnswer)?;
        if parts.status.is_success() { Ok(text) } else { Err(self.refusal(parts.status.as_u16(), &text)) }
    }

    fn request(&self, method: &str, path: &str, content: Content) -> Result<Request<Full<Bytes>>, Error> {
        let (content_type, body) = match content {
            Content::Nothing => (None, String::new()),
            Content::Json(value) => (Some("application/json"), value.to_string()),
            Content::Toml(text) => (Some("application/toml"), text),
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.router.authority());
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.body(Full::from(body)).map_err(|_| Error::BadAnswer)
    }

    /// The router's reasons; all of them, if there are several.
    pub(crate) fn refusal(&self, status: u16, text: &str) -> Error {
        let Ok(answer) = serde_json::from_str::<Value>(text) else { return Error::BadAnswer };
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let code = answer.pointer("/error/code").and_then(word);
        if status == 401 && code.as_deref() == Some("not-signed-in") {
            return Error::NotSignedIn(self.router.to_string());
        }
        let problems = answer.pointer("/error/problems").and_then(Value::as_array).cloned().unwrap_or_default();
        let lines: Vec<String> = problems.iter().filter_map(problem_line).collect();
        let message =
            if lines.is_empty() { answer.pointer("/error/message").and_then(word) } else { Some(lines.join("\n")) };
        match (code, message) {
            (Some(code), Some(message)) => Error::Refused { code, message },
            _ => Error::BadAnswer,
        }
    }
}

fn problem_line(problem: &Value) -> Option<String> {
    let message = problem.get("message")?.as_str()?;
    match problem.get("at").and_then(Value::as_str).unwrap_or_default() {
        "" => Some(message.to_owned()),
        at => Some(format!("{at}: {message}")),
    }
}

/// Looks at a router's certificate, without asking anything.
pub(crate) async fn look(router: &Router) -> Result<Fingerprint, Error> {
    match timeout(DEADLINE, connect(router, None)).await {
        Ok(connected) => connected.map(|(_, seen)| seen),
        Err(_) => Err(unreachable(router, "no answer in time")),
    }
}

/// Connects; with a pin only to that certificate.
pub(crate) async fn connect(
    router: &Router,
    pin: Option<Fingerprint>,
) -> Result<(TlsStream<TcpStream>, Fingerprint), Error> {
    let failed = |error: std::io::Error| unreachable(router, &error.to_string());
    let verifier = Verifier::new(pin);
    let config = verifier.client_config().map_err(|error| unreachable(router, &error.to_string()))?;
    let name = ServerName::try_from(router.host()).map_err(|_| Error::BadHost(router.to_string()))?;
    let tcp = TcpStream::connect((router.host(), router.port())).await.map_err(failed)?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    match (connected, pin, verifier.seen()) {
        (Ok(stream), _, Some(seen)) => Ok((stream, seen)),
        (Err(_), Some(pinned), Some(seen)) if pinned != seen => Err(Error::WrongCertificate {
            host: router.to_string(),
            seen: seen.to_string(),
            pinned: pinned.to_string(),
        }),
        (Err(error), ..) => Err(failed(error)),
        (Ok(_), _, None) => Err(Error::BadAnswer),
    }
}

pub(crate) fn unreachable(router: &Router, cause: &str) -> Error {
    Error::Unreachable { host: router.to_string(), cause: cause.to_owned() }
}
