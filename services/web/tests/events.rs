//! Events over a WebSocket, as a program follows them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use patronus_web::limits;
use serde_json::Value;
use support::socket::{follow, next};
use support::{ADDRESS, Stand, browser::Browser};
use tungstenite::Error;

fn status_of<T: std::fmt::Debug>(refused: Result<T, Error>) -> u16 {
    match refused {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_so_many_follow_and_the_end_of_a_session_ends_its_followers() {
    let stand = Stand::start();
    stand.claim();
    let api = stand.sign_in();
    let mut followers: Vec<_> = (0..limits::FOLLOWERS).map(|_| follow(&api, "", &[]).unwrap()).collect();
    assert_eq!(status_of(follow(&api, "", &[])), 503);
    assert_eq!(api.get("/api/status").json()["front_door"]["refusals"]["too-many-followers"], 1);
    // A place that is left is free again.
    drop(followers.pop());
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    followers.push(loop {
        match follow(&api, "", &[]) {
            Ok(socket) => break socket,
            Err(_) => assert!(std::time::Instant::now() < end, "the place stays taken"),
        }
    });
    assert_eq!(api.ask("DELETE", "/api/session", "", "").status, 200);
    for mut socket in followers {
        let close = loop {
            match next(&mut socket) {
                Ok(event) => assert_eq!(event["event"], "PolicyApplied"),
                Err(close) => break close,
            }
        };
        assert_eq!(close.as_deref(), Some("session-over"));
    }
}

/// The events, once there is the one that a claim leads to: the policy of the document is in force.
fn events_after_claim(api: &Browser) -> Value {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let list = api.get("/api/events").json();
        if list["events"].as_array().is_some_and(|events| events.iter().any(|event| event["event"] == "PolicyApplied"))
        {
            return list;
        }
        assert!(std::time::Instant::now() < end, "{list}");
    }
}

#[test]
fn a_cursor_that_is_too_old_is_told_plainly() {
    let stand = Stand::start();
    stand.claim();
    let api = stand.sign_in();
    let list = events_after_claim(&api);
    assert_eq!((list["events"].as_array().map(Vec::len), &list["cursor_too_old"]), (Some(1), &Value::Bool(false)));
    let end = list["cursor"].as_str().unwrap();
    let other_run = format!("{:08x}-5", u32::from_str_radix(&end[..8], 16).unwrap() ^ 1);
    assert_eq!(api.get(&format!("/api/events?cursor={other_run}")).json()["cursor_too_old"], true);
    let mut socket = follow(&api, &format!("?cursor={other_run}"), &[]).unwrap();
    let first = next(&mut socket).unwrap();
    assert_eq!((first["event"].as_str(), first["cursor"].as_str()), (Some("CursorTooOld"), Some(end)));
    assert_eq!(status_of(follow(&api, "?cursor=yesterday", &[])), 422);
}

#[test]
fn nobody_follows_without_a_session_or_from_another_sites_page() {
    let stand = Stand::start();
    let browser = stand.claim();
    let api = stand.sign_in();
    let ours = format!("https://{ADDRESS}");
    assert_eq!(status_of(follow(&Browser::default(), "", &[])), 401);
    assert_eq!(status_of(follow(&browser, "", &[("origin", "https://evil.example")])), 403);
    assert_eq!(status_of(follow(&api, "", &[("sec-websocket-version", "12")])), 400);
    assert_eq!(status_of(follow(&api, "", &[("upgrade", "h2c")])), 400);
    follow(&browser, "", &[("origin", &ours)]).unwrap();
}
