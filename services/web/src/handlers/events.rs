//! Events: the last ones, or all that come, over a WebSocket.

use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Failure, sites};
use crate::{
    app::App,
    dispatch::{Call, Upgrade},
    events::Cursor,
    feed::Follower,
    limits, pages,
    refusal::Refusal,
    reply::{self, Reply},
};

/// The cursor of a question, and whether events after it are gone. Without one: from now on when following, else all that are kept.
fn cursor(app: &App, call: &Call, follows: bool) -> Result<(Cursor, bool), Failure> {
    let ring = app.feed.ring();
    let cursor = match call.query.text("cursor") {
        "" if follows => return Ok((ring.end(), false)),
        "" => return Ok((ring.begin(), false)),
        text => text.parse::<Cursor>(),
    };
    let cursor = cursor.map_err(|_| Failure::about("cursor", "cursor-invalid", "Give a cursor as an event had it."))?;
    Ok((cursor, ring.after(cursor, 0).is_none()))
}

pub(super) fn page(app: &App, call: &Call) -> Reply {
    let entries = {
        let ring = app.feed.ring();
        ring.after(ring.begin(), limits::EVENTS).map(|(entries, _)| entries).unwrap_or_default()
    };
    reply::page(200, pages::events::page(&entries, &sites::timezone(app), &app.site(), call.csrf()))
}

pub(super) fn api_events(app: &Arc<App>, call: &Call) -> Reply {
    match &call.upgrade {
        Some(wish) => follow(app, call, wish),
        None => list(app, call),
    }
}

fn list(app: &App, call: &Call) -> Reply {
    let (cursor, is_late) = match cursor(app, call, false) {
        Ok(found) => found,
        Err(failure) => return failure.into_json(app),
    };
    let ring = app.feed.ring();
    let from = if is_late { ring.begin() } else { cursor };
    let (entries, next) = ring.after(from, limits::EVENTS).unwrap_or_else(|| (Vec::new(), ring.end()));
    reply::json(200, &json!({ "events": entries, "cursor": next.to_string(), "cursor_too_old": is_late }))
}

fn follow(app: &Arc<App>, call: &Call, wish: &Upgrade) -> Reply {
    let (cursor, is_late) = match cursor(app, call, true) {
        Ok(found) => found,
        Err(failure) => return failure.into_json(app),
    };
    let Some(place) = app.feed.admit() else { return Failure::from(Refusal::TooManyFollowers).into_json(app) };
    let follower = Follower { token: call.token.clone(), cursor, is_late, place };
    let accept = derive_accept_key(wish.key.as_bytes());
    tokio::spawn(follower.serve(Arc::clone(app), wish.upgrade.clone()));
    let mut reply = reply::answer(101, "text/plain; charset=utf-8", "");
    reply.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        reply.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    reply
}
