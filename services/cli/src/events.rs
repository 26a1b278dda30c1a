//! What happened in the network, and what happens.
//!
//! *Does*: list the last events, or follow them over a WebSocket; after a lost connection go on from the last cursor.
//! *Spec*: `docs/api.md`, section "Events".

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::header::AUTHORIZATION;
use serde_json::Value;
use tokio::time::sleep;
use tokio_tungstenite::{
    client_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

use crate::{
    client::{Client, Content, connect, unreachable},
    error::Error,
    show,
};

/// Pause before a lost connection is made anew.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Lists, or follows until interrupted.
pub(crate) async fn run(client: &Client, cursor: Option<&str>, follows: bool, as_json: bool) -> Result<(), Error> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let mut cursor: String = cursor.unwrap_or_default().bytes().filter(plain).map(char::from).collect();
    if !follows {
        let answer = client.ask_json("GET", &path(&cursor), Content::Nothing).await?;
        if answer.get("cursor_too_old") == Some(&Value::Bool(true)) {
            eprintln!("Events before these are not kept any more.");
        }
        answer.get("events").and_then(Value::as_array).into_iter().flatten().for_each(|event| print(event, as_json));
        return Ok(());
    }
    loop {
        match follow(client, &mut cursor, as_json).await {
            Err(error @ Error::Unreachable { .. }) if !cursor.is_empty() => eprintln!("{error} Trying again."),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// One connection, from the cursor on.
async fn follow(client: &Client, cursor: &mut String, as_json: bool) -> Result<(), Error> {
    let (stream, _) = connect(&client.router, Some(client.pin)).await?;
    let url = format!("wss://{}{}", client.router.authority(), path(cursor));
    let mut request = url.into_client_request().map_err(|_| Error::BadAnswer)?;
    let bearer = format!("Bearer {}", client.token.as_deref().unwrap_or_default());
    request.headers_mut().insert(AUTHORIZATION, bearer.parse().map_err(|_| Error::BadAnswer)?);
    let (mut socket, _) = client_async(request, stream).await.map_err(|error| match error {
        tungstenite::Error::Http(answer) => {
            let text = String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default()).into_owned();
            client.refusal(answer.status().as_u16(), &text)
        }
        other => unreachable(&client.router, &other.to_string()),
    })?;
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Text(text)) => {
                let event: Value = serde_json::from_str(&text).map_err(|_| Error::BadAnswer)?;
                *cursor = show::word(&event, "/cursor");
                print(&event, as_json);
            }
            Ok(Message::Close(Some(frame))) if frame.reason.as_str() == "session-over" => {
                return Err(Error::NotSignedIn(client.router.to_string()));
            }
            // The answer to a ping is ready; it leaves with a flush.
            Ok(_) => drop(socket.flush().await),
            Err(error) => return Err(unreachable(&client.router, &error.to_string())),
        }
    }
    Ok(())
}

fn path(cursor: &str) -> String {
    if cursor.is_empty() { "/api/events".to_owned() } else { format!("/api/events?cursor={cursor}") }
}

fn print(event: &Value, as_json: bool) {
    if as_json { println!("{event}") } else { println!("{}", show::event(event)) }
}
