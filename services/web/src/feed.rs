//! The events as they happen, and their way to those who follow them over a WebSocket.
//!
//! *Does*: look at each snapshot of `mesh`, `tunnel` and `prober`, and at what `router` says has happened; keep what is new, send each follower what
//! comes after its cursor.
//! *Never does*: wait for a follower: who does not take his events in time is cut; go on for a session that is over.
//! *Spec*: RFC 6455; `docs/api.md`, section "Events".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{interval, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::{
    app::App,
    events::{Cursor, Entry, Event, Picture, Ring, changes},
    limits,
};

/// The last events, and the places of those who follow them.
#[derive(Debug)]
pub(crate) struct Feed {
    ring: Mutex<Ring>,
    /// The number of the newest event; it wakes the followers.
    newest: watch::Sender<u64>,
    followers: Arc<Semaphore>,
}

impl Feed {
    /// Without any event yet.
    pub(crate) fn new() -> Self {
        let mut epoch = [0; 4];
        // Without randomness a cursor of an earlier run could be taken for one of this run: the reader would miss events, not secrets.
        let _ = getrandom::fill(&mut epoch);
        Self {
            ring: Mutex::new(Ring::new(u32::from_be_bytes(epoch))),
            newest: watch::Sender::new(0),
            followers: Arc::new(Semaphore::new(limits::FOLLOWERS)),
        }
    }

    /// A place among the followers, if there is one.
    pub(crate) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.followers).try_acquire_owned().ok()
    }

    pub(crate) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at each snapshot, for as long as the service runs.
pub(crate) async fn watch(app: Arc<App>) {
    let (mut network, mut tunnels, mut measured) = (app.mesh.clone(), app.tunnel.clone(), app.prober.clone());
    let mut router = app.router.clone();
    let mut picture = Picture::default();
    let mut known = (0, 0);
    loop {
        let mut next = picture.clone();
        if let Some(state) = app.network() {
            next = next.with_sites(&state);
        }
        if let Some(state) = app.tunnels() {
            next = next.with_paths(&state, app.measured().as_ref());
        }
        let mut events = told(&app, &mut known);
        events.extend(changes(&picture, &next));
        keep(&app, events);
        picture = next;
        let changed = tokio::select! {
            changed = network.changed() => changed,
            changed = tunnels.changed() => changed,
            changed = router.changed() => changed,
            changed = measured.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// What `router` has told since its event of this number, in the run that began then.
fn told(app: &App, known: &mut (u64, u64)) -> Vec<Event> {
    let Some(state) = app.routing() else { return Vec::new() };
    if known.0 != state.started_ms {
        *known = (state.started_ms, 0);
    }
    let new: Vec<_> = state.events.iter().filter(|event| event.sequence > known.1).collect();
    known.1 = new.last().map_or(known.1, |event| event.sequence);
    new.into_iter().map(|event| Event::Routed(event.what)).collect()
}

fn keep(app: &App, events: Vec<Event>) {
    if events.is_empty() {
        return;
    }
    let network = app.network().unwrap_or_default();
    let mut ring = app.feed.ring();
    for event in events {
        let site = network.sites.iter().find(|site| Some(site.id) == event.site());
        let name = site.map(|site| site.name.to_string()).unwrap_or_default();
        ring.push(event, name, jiff::Timestamp::now().as_second());
    }
    app.feed.newest.send_replace(ring.end().sequence);
}

/// One follower, from the upgrade to the end.
pub(crate) struct Follower {
    /// Its session's token: when that session ends, so does this.
    pub token: String,
    /// What it has.
    pub cursor: Cursor,
    /// Whether some events that it has not are gone: it is told so first.
    pub is_late: bool,
    /// Its place.
    pub place: OwnedSemaphorePermit,
}

/// Why a follower is sent away.
#[derive(Debug, PartialEq, Eq)]
struct Farewell(CloseCode, &'static str);

impl Follower {
    /// Waits for the connection to become a WebSocket, then sends events until something ends it.
    pub(crate) async fn serve(mut self, app: Arc<App>, upgrade: OnUpgrade) {
        let Ok(Ok(upgraded)) = timeout(limits::HEAD_DEADLINE, upgrade).await else { return };
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits::FOLLOWER_MESSAGE_BYTES))
            .max_frame_size(Some(limits::FOLLOWER_MESSAGE_BYTES));
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        if let Err(Farewell(code, reason)) = self.converse(&app, &mut socket).await {
            let frame = CloseFrame { code, reason: reason.into() };
            let _ = timeout(limits::FOLLOWER_DEADLINE, socket.close(Some(frame))).await;
        }
        drop(self.place);
    }

    async fn converse(&mut self, app: &Arc<App>, socket: &mut Socket) -> Result<(), Farewell> {
        let mut newest = app.feed.newest.subscribe();
        let mut look = interval(limits::FOLLOWER_LOOK);
        let mut looks = 0_u32;
        if std::mem::take(&mut self.is_late) {
            self.tell_late(app, socket).await?;
        }
        loop {
            newest.mark_unchanged();
            self.send_new(app, socket).await?;
            tokio::select! {
                _ = newest.changed() => {}
                _ = look.tick() => {
                    if app.sessions().find(&self.token, app.now(), true).is_none() {
                        return Err(Farewell(CloseCode::Policy, "session-over"));
                    }
                    looks = looks.wrapping_add(1);
                    if looks.is_multiple_of(limits::FOLLOWER_LOOKS_PER_PING) {
                        send(socket, Message::Ping(Default::default())).await?;
                    }
                }
                heard = socket.next() => match heard {
                    // What a follower says has no meaning; answers to pings come by themselves.
                    Some(Ok(message)) if !message.is_close() => {}
                    _ => return Ok(()),
                },
                () = app.told_to_stop() => return Err(Farewell(CloseCode::Away, "restarting")),
            }
        }
    }

    /// Sends what comes after the cursor, in pieces.
    async fn send_new(&mut self, app: &Arc<App>, socket: &mut Socket) -> Result<(), Farewell> {
        loop {
            let piece = app.feed.ring().after(self.cursor, limits::EVENTS_AT_ONCE);
            let Some((entries, cursor)) = piece else {
                self.tell_late(app, socket).await?;
                continue;
            };
            if entries.is_empty() {
                return Ok(());
            }
            for entry in &entries {
                send(socket, text(entry)).await?;
            }
            self.cursor = cursor;
        }
    }

    /// Says plainly that events are missing: read the state anew and go on from here.
    async fn tell_late(&mut self, app: &Arc<App>, socket: &mut Socket) -> Result<(), Farewell> {
        self.cursor = app.feed.ring().end();
        let message = json!({ "event": "CursorTooOld", "cursor": self.cursor.to_string() });
        send(socket, Message::text(message.to_string())).await
    }
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

fn text(entry: &Entry) -> Message {
    Message::text(serde_json::to_string(entry).unwrap_or_default())
}

/// A follower that does not take it in time is cut.
async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    message: Message,
) -> Result<(), Farewell> {
    match timeout(limits::FOLLOWER_DEADLINE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Farewell(CloseCode::Policy, "too-slow")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_follower_that_takes_nothing_is_cut_after_its_time() {
        let (ours, _theirs) = tokio::io::duplex(1024);
        let mut socket = WebSocketStream::from_raw_socket(ours, Role::Server, None).await;
        assert_eq!(send(&mut socket, Message::text("x".repeat(900))).await, Ok(()));
        let began = tokio::time::Instant::now();
        let cut = send(&mut socket, Message::text("x".repeat(900))).await;
        assert_eq!(cut, Err(Farewell(CloseCode::Policy, "too-slow")));
        assert_eq!(began.elapsed(), limits::FOLLOWER_DEADLINE);
    }

    #[test]
    fn the_last_place_is_given_and_the_next_is_not() {
        let feed = Feed::new();
        let places: Vec<_> = (0..limits::FOLLOWERS).filter_map(|_| feed.admit()).collect();
        assert_eq!(places.len(), limits::FOLLOWERS);
        assert!(feed.admit().is_none());
        drop(places);
        assert!(feed.admit().is_some());
    }
}
