//! From a request to its answer.
//!
//! *Does*: head, session, route, intent, length, body, in this order; each step may refuse; then the route's handler answers.
//! *Never does*: read a body before the route is known to be open to this caller.

use std::{net::IpAddr, sync::Arc};

use http_body_util::{BodyExt, Limited};
use hyper::{
    HeaderMap, Request,
    body::Incoming,
    header::{self, CONNECTION, HeaderValue},
    http::request::Parts,
    upgrade::OnUpgrade,
};
use tokio::time::timeout;

use crate::{
    app::App,
    form::Form,
    gate::ConnectionId,
    handlers,
    head::{self, Head},
    limits,
    refusal::Refusal,
    reply::{self, COOKIE, Reply},
    routes::{self, BodyKind, Decision, Handler, Intent, Route},
    session::{Identity, Session},
};

/// Sent by our own script when it refreshes a page by itself: such requests do not keep a session alive.
const BACKGROUND: &str = "x-patronus-background";

/// A request that may be answered.
#[derive(Debug)]
pub(crate) struct Call {
    /// Who asks.
    pub source: IpAddr,
    /// Fields of the query.
    pub query: Form,
    /// Fields of the form, if the route takes one.
    pub form: Form,
    /// The body, if the route takes JSON or TOML.
    pub body: Vec<u8>,
    /// The caller's session, if it has one.
    pub session: Option<Session>,
    /// That session's token.
    pub token: String,
    /// The wish to go on as a WebSocket.
    pub upgrade: Option<Upgrade>,
}

/// A wish to go on as a WebSocket.
#[derive(Clone, Debug)]
pub(crate) struct Upgrade {
    /// What the client has made up, to be answered.
    pub key: String,
    /// The connection, once the answer is on its way.
    pub upgrade: OnUpgrade,
}

impl Call {
    /// Token for the forms of the page that answers.
    pub(crate) fn csrf(&self) -> &str {
        self.session.as_ref().map_or("", |session| session.csrf.as_str())
    }
}

/// Answers one request.
pub(crate) async fn respond(app: &Arc<App>, source: IpAddr, id: ConnectionId, request: Request<Incoming>) -> Reply {
    let as_page = !routes::is_for_programs(request.uri().path());
    match admit(app, source, id, request).await {
        Ok((route, call)) => handlers::run(route.handler, app, &call).await,
        Err(Turn::Away(to)) => reply::redirect(to),
        Err(Turn::Down(refusal)) => {
            app.refusals.count(refusal);
            let mut reply = reply::refusal(refusal, as_page);
            // What was refused may have left bytes on the way: the next request must not begin with them.
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            reply
        }
    }
}

/// Why a request is not answered by a handler.
enum Turn {
    Away(&'static str),
    Down(Refusal),
}

impl From<Refusal> for Turn {
    fn from(refusal: Refusal) -> Self {
        Self::Down(refusal)
    }
}

async fn admit(
    app: &Arc<App>,
    source: IpAddr,
    id: ConnectionId,
    request: Request<Incoming>,
) -> Result<(&'static Route, Call), Turn> {
    let (mut parts, body) = request.into_parts();
    let head = head::check(&parts, &app.names())?;
    let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok_or(Refusal::OddQuery)?;
    let (token, session) = find_session(app, &parts);
    let identity = session.as_ref().map_or(Identity::Anyone, |session| session.identity);
    let claimed = app.configuration().ok_or(Refusal::Unavailable)?.claimed.is_some();
    let route = match routes::decide(&parts.method, parts.uri.path(), claimed, identity) {
        Decision::Go(route) => route,
        Decision::Redirect(to) => return Err(Turn::Away(to)),
        Decision::Refuse(refusal) => return Err(refusal.into()),
    };
    check_intent(route, &parts.headers, &head)?;
    check_content_type(route, &parts.headers, &head)?;
    let upgrade = find_upgrade(route, &mut parts, &head)?;
    if head.body_bytes > route.room.bytes() {
        return Err(Refusal::BodyTooLarge.into());
    }
    let body = read_body(body, route.room.bytes()).await?;
    app.gate().handle_request(id);
    let mut call = Call { source, query, form: Form::default(), body, session, token, upgrade };
    if route.body == BodyKind::Form {
        call.form = Form::parse(&call.body).ok_or(Refusal::BadBody)?;
        call.body.clear();
    }
    if route.intent == Intent::Token && !call.session.as_ref().is_some_and(|s| s.csrf_matches(call.form.raw("csrf"))) {
        return Err(Refusal::CsrfToken.into());
    }
    Ok((route, call))
}

/// The session by bearer token (API only) or by cookie (which never suffices to change something through the API).
fn find_session(app: &App, parts: &Parts) -> (String, Option<Session>) {
    let in_api = routes::is_for_programs(parts.uri.path());
    let bearer =
        parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let token = match bearer {
        Some(token) if in_api => token,
        None if !in_api || parts.method == hyper::Method::GET => cookie(&parts.headers).unwrap_or_default(),
        _ => "",
    };
    let background = parts.headers.contains_key(BACKGROUND);
    let session = app.sessions().find(token, app.now(), background);
    (token.to_owned(), session)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// RFC 6455 section 4.2.1. A browser lets any site's page open a WebSocket with our cookie, so its origin must be ours.
fn find_upgrade(route: &Route, parts: &mut Parts, head: &Head) -> Result<Option<Upgrade>, Refusal> {
    let Some(wanted) = parts.headers.get(header::UPGRADE).filter(|_| route.handler == Handler::ApiEvents) else {
        return Ok(None);
    };
    let is_websocket = wanted.to_str().is_ok_and(|wanted| wanted.eq_ignore_ascii_case("websocket"));
    let version = parts.headers.get(header::SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    match (key, upgrade) {
        (Some(key), Some(upgrade)) if is_websocket && version == Some(b"13") && key.len() == 24 => {
            head::check_origin(&parts.headers, &head.host, false)?;
            Ok(Some(Upgrade { key: key.to_owned(), upgrade }))
        }
        _ => Err(Refusal::BadUpgrade),
    }
}

fn check_intent(route: &Route, headers: &HeaderMap, head: &Head) -> Result<(), Refusal> {
    match route.intent {
        Intent::Read => Ok(()),
        Intent::Origin | Intent::Token => head::check_origin(headers, &head.host, true),
        Intent::Bearer => head::check_origin(headers, &head.host, false),
    }
}

fn check_content_type(route: &Route, headers: &HeaderMap, head: &Head) -> Result<(), Refusal> {
    let expected = match route.body {
        BodyKind::Nothing if head.body_bytes > 0 => return Err(Refusal::BodyUnexpected),
        BodyKind::Nothing => return Ok(()),
        BodyKind::Form => "application/x-www-form-urlencoded",
        BodyKind::Json => "application/json",
        BodyKind::Toml => "application/toml",
    };
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(Refusal::ContentType) }
}

async fn read_body(body: Incoming, room_bytes: usize) -> Result<Vec<u8>, Refusal> {
    let whole = Limited::new(body, room_bytes).collect();
    match timeout(limits::BODY_DEADLINE, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(_)) => Err(Refusal::BodyBroken),
        Err(_) => Err(Refusal::BodyTimeout),
    }
}
