//! Answers, with the header fields that every answer has.
//!
//! *Does*: build responses for pages, JSON, files, redirects and refusals.
//! *Never does*: put what a client sent into a header field.
//! *Spec*: CSP level 3; RFC 6265bis for the cookie; `docs/api.md`, section "Errors".

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};
use serde::Serialize;
use serde_json::json;

use crate::refusal::Refusal;

/// A whole answer.
pub(crate) type Reply = Response<Full<Bytes>>;

/// Name of the session cookie; `__Host-` makes browsers insist on Secure, Path=/ and no Domain.
pub(crate) const COOKIE: &str = "__Host-patronus";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// On every answer. The referrer policy is `same-origin` because `no-referrer` makes browsers send `Origin: null` with our own forms.
/// No HSTS: with a self-signed certificate it would lock people out.
const FIELDS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// An answer of the given type.
pub(crate) fn answer(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in FIELDS {
        reply.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    reply
}

/// A page.
pub(crate) fn page(status: u16, html: maud::Markup) -> Reply {
    answer(status, "text/html; charset=utf-8", html.into_string())
}

/// JSON.
pub(crate) fn json(status: u16, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => answer(status, "application/json", body),
        Err(_) => answer(500, "application/json", "{}"),
    }
}

/// An error of the API.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    json(status, &json!({ "error": { "code": code, "message": message } }))
}

/// A refusal, as page or as JSON.
pub(crate) fn refusal(refusal: Refusal, as_page: bool) -> Reply {
    if as_page {
        page(refusal.status(), crate::pages::notice("This did not work", refusal.message()))
    } else {
        error(refusal.status(), refusal.name(), refusal.message())
    }
}

/// Another page, to be fetched with GET.
pub(crate) fn redirect(to: &'static str) -> Reply {
    let mut reply = answer(303, "text/plain; charset=utf-8", "");
    reply.headers_mut().insert(header::LOCATION, HeaderValue::from_static(to));
    reply
}

/// A file to be saved.
pub(crate) fn download(content_type: &'static str, name: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = answer(200, content_type, body);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        reply.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    reply
}

/// Adds the session cookie; without a token it takes the cookie away.
pub(crate) fn with_cookie(mut reply: Reply, token: Option<&str>) -> Reply {
    let age = if token.is_some() { "" } else { "; Max-Age=0" };
    let cookie = format!("{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Strict{age}", token.unwrap_or_default());
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        reply.headers_mut().insert(header::SET_COOKIE, value);
    }
    reply
}
