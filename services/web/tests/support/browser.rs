//! A client that says exactly what a test wants, bytes and all, and keeps cookies like a browser.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use patronus_pin::Verifier;
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use super::ADDRESS;

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// How long a test waits for an answer before it fails.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The hidden token of the page's forms.
    pub fn csrf(&self) -> String {
        let mark = "name=\"csrf\" value=\"";
        let start = self.body.find(mark).unwrap_or_else(|| panic!("no token in {}", self.body)) + mark.len();
        self.body[start..].chars().take_while(|letter| *letter != '"').collect()
    }
}

/// Asks one question per connection.
#[derive(Clone, Default)]
pub struct Browser {
    pub cookie: String,
    pub bearer: Option<String>,
}

impl Browser {
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let more = format!(
            "Origin: https://{ADDRESS}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        );
        let answer = self.ask("POST", path, &more, &body);
        if let Some(cookie) = answer.field("set-cookie") {
            self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        }
        answer
    }

    pub fn api(&self, method: &str, path: &str, content_type: &str, body: &str) -> Answer {
        self.ask(method, path, &format!("Content-Type: {content_type}\r\n"), body)
    }

    pub fn ask(&self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        let mut request = self.head(method, path, more);
        if method != "GET" && method != "DELETE" || !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        raw(format!("{request}\r\n{body}").as_bytes()).unwrap_or_default()
    }

    /// Sends a head that announces a body, and no body.
    pub fn announce(&self, method: &str, path: &str, more: &str, body_bytes: usize) -> Answer {
        let head = self.head(method, path, more);
        raw(format!("{head}Content-Length: {body_bytes}\r\n\r\n").as_bytes()).unwrap_or_default()
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\n{more}");
        if !self.cookie.is_empty() {
            request.push_str(&format!("Cookie: {}\r\n", self.cookie));
        }
        if let Some(bearer) = &self.bearer {
            request.push_str(&format!("Authorization: Bearer {bearer}\r\n"));
        }
        request
    }
}

/// Sends bytes over TLS and reads the answer to its end; `None` if there was none.
pub fn raw(bytes: &[u8]) -> Option<Answer> {
    let mut stream = tls(tcp_from([192, 168, 42, 1])).ok()?;
    stream.write_all(bytes).ok()?;
    stream.flush().ok()?;
    read_answer(&mut stream)
}

/// A connection from one of the LAN's addresses.
pub fn tcp_from(source: [u8; 4]) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(IpAddr::V4(Ipv4Addr::from(source)), 0).into()).unwrap();
    let target: SocketAddr = format!("{ADDRESS}:443").parse().unwrap();
    socket.connect(&target.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn tls(mut tcp: TcpStream) -> std::io::Result<Tls> {
    // These tests look at HTTP; that the certificate is the right one is seen by its fingerprint elsewhere.
    let config = Verifier::new(None).client_config().unwrap();
    let name = ServerName::from(IpAddr::V4(Ipv4Addr::new(192, 168, 42, 1)));
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    connection.complete_io(&mut tcp)?;
    Ok(StreamOwned::new(connection, tcp))
}

pub fn read_answer(stream: &mut impl Read) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16_384];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return parse(&bytes).map(|(answer, _)| answer),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
        if let Some((answer, true)) = parse(&bytes) {
            return Some(answer);
        }
    }
}

/// The answer so far, and whether it is whole.
fn parse(bytes: &[u8]) -> Option<(Answer, bool)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    let answer = Answer { status, head, body };
    let length = answer.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let whole = bytes.len() - end - 4 >= length;
    Some((answer, whole))
}
