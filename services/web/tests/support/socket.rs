//! A program that follows events.

use std::io::ErrorKind;

use serde_json::Value;
use tungstenite::{
    Error, Message, WebSocket,
    client::{IntoClientRequest, client},
    handshake::HandshakeError,
    http::HeaderName,
};

use super::{
    ADDRESS,
    browser::{Browser, Tls, tcp_from, tls},
};

pub type Socket = WebSocket<Tls>;

/// Asks for events as this caller, with other header fields than usual if a test wants that.
pub fn follow(caller: &Browser, query: &str, fields: &[(&str, &str)]) -> Result<Socket, Error> {
    let mut request = format!("wss://{ADDRESS}/api/events{query}").into_client_request()?;
    let mut set = |name: &str, value: &str| {
        request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    };
    if let Some(bearer) = &caller.bearer {
        set("authorization", &format!("Bearer {bearer}"));
    }
    if !caller.cookie.is_empty() {
        set("cookie", &caller.cookie);
    }
    fields.iter().for_each(|(name, value)| set(name, value));
    match client(request, tls(tcp_from([192, 168, 42, 1])).unwrap()) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => Err(Error::Io(ErrorKind::TimedOut.into())),
    }
}

/// Pings without an event between them, after which a test gives up: a minute.
const PINGS: u32 = 2;

/// The next event, or why there is none.
pub fn next(socket: &mut Socket) -> Result<Value, Option<String>> {
    let mut pings = 0;
    loop {
        match socket.read() {
            Ok(Message::Ping(_)) if pings < PINGS => pings += 1,
            Ok(Message::Ping(_)) => return Err(Some("no event for a minute".to_owned())),
            Ok(Message::Text(text)) => return Ok(serde_json::from_str(&text).unwrap()),
            Ok(Message::Close(frame)) => return Err(frame.map(|frame| frame.reason.to_string())),
            Ok(_) => {}
            Err(error) => return Err(Some(error.to_string())),
        }
    }
}
