//! Whether the head of a request may come in.
//!
//! *Does*: look at method, target, version, Host and the fields that say how long the body is; say "yes" or give the one reason why not.
//! *Never does*: I/O; repair: what is odd is refused, so no two readers can see two different requests (RFC 9112 section 11.2).
//! *Spec*: RFC 9112 sections 2.2, 3.2, 6; `docs/adr/0003-front-door.md`.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use hyper::{HeaderMap, Method, Uri, Version, header, http::request::Parts};

use crate::{limits, refusal::Refusal};

/// The names under which this box answers, in lower case and without port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// The fixed names, the addresses of the LAN, and the site's name once it has one.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>, site: Option<&str>) -> Self {
        let mut names = BTreeSet::from(["patronus".to_owned(), "patronus.lan".to_owned()]);
        names.extend(addresses.into_iter().map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        }));
        if let Some(site) = site {
            names.extend([site.to_owned(), format!("{site}.lan")]);
        }
        Self(names)
    }

    /// Whether a Host field's value is one of ours; the port, if given, must be 443.
    #[must_use]
    pub fn answer_to(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.0.contains(host.strip_suffix(":443").unwrap_or(&host)) || is_forwarded(&host)
    }
}

/// Whether the host is a loopback address with a port: so a browser calls us through a port that a hypervisor or a tunnel forwards.
/// It is no name, so nobody can make it point to us from elsewhere (DNS rebinding).
fn is_forwarded(host: &str) -> bool {
    host.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
}

/// What the front door needs to know of an accepted head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Value of the Host field.
    pub host: String,
    /// Announced length of the body in bytes.
    pub body_bytes: usize,
}

/// Checks the head of a request as hyper has parsed it.
///
/// # Errors
/// The first reason to refuse it.
pub fn check(parts: &Parts, names: &Names) -> Result<Head, Refusal> {
    if !matches!(parts.version, Version::HTTP_10 | Version::HTTP_11) {
        return Err(Refusal::Version);
    }
    if !matches!(parts.method, Method::GET | Method::POST | Method::PUT | Method::DELETE) {
        return Err(Refusal::Method);
    }
    check_target(&parts.uri)?;
    if parts.headers.len() > limits::HEADERS {
        return Err(Refusal::TooManyHeaders);
    }
    let host = check_host(&parts.headers, names)?;
    let body_bytes = check_body_length(&parts.method, &parts.headers)?;
    Ok(Head { host, body_bytes })
}

/// Checks the head of a request as it came: the same rules on raw bytes, for fuzzing and tests. `None`: more bytes are needed.
///
/// # Errors
/// The first reason to refuse it.
pub fn check_bytes(bytes: &[u8], names: &Names) -> Result<Option<Head>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; limits::HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    let complete = request.parse(bytes).map_err(|error| match error {
        httparse::Error::TooManyHeaders => Refusal::TooManyHeaders,
        httparse::Error::Version => Refusal::Version,
        _ => Refusal::Malformed,
    })?;
    let httparse::Status::Complete(head_bytes) = complete else {
        return if bytes.len() > limits::HEAD_BYTES { Err(Refusal::HeadTooLarge) } else { Ok(None) };
    };
    if head_bytes > limits::HEAD_BYTES {
        return Err(Refusal::HeadTooLarge);
    }
    let version = if request.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut built = hyper::Request::builder()
        .method(request.method.unwrap_or_default())
        .uri(request.path.unwrap_or_default())
        .version(version);
    for field in request.headers.iter() {
        built = built.header(field.name, field.value);
    }
    let (parts, ()) = built.body(()).map_err(|_| Refusal::Malformed)?.into_parts();
    check(&parts, names).map(Some)
}

/// Origin-form only, and only paths that look like ours: nothing to decode, nothing to normalise.
fn check_target(uri: &Uri) -> Result<(), Refusal> {
    if uri.scheme().is_some() || uri.authority().is_some() || !uri.path().starts_with('/') {
        return Err(Refusal::TargetForm);
    }
    let path = uri.path();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    let odd_segment = |segment: &str| matches!(segment, "" | "." | "..");
    let segments = path.get(1..).unwrap_or_default();
    if path.len() > limits::PATH_BYTES || !path.bytes().all(plain) {
        return Err(Refusal::OddPath);
    }
    if !segments.is_empty() && segments.split('/').any(odd_segment) {
        return Err(Refusal::OddPath);
    }
    let query = uri.query().unwrap_or_default();
    if query.len() > limits::QUERY_BYTES || !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::OddQuery);
    }
    Ok(())
}

/// RFC 9112 section 3.2: exactly one Host. That it is ours stops DNS rebinding.
fn check_host(headers: &HeaderMap, names: &Names) -> Result<String, Refusal> {
    let host = only(headers, &header::HOST).map_err(|()| Refusal::HostMissing)?.ok_or(Refusal::HostMissing)?;
    if names.answer_to(host) { Ok(host.to_owned()) } else { Err(Refusal::HostForeign) }
}

/// How long the body is: by one Content-Length or not at all.
fn check_body_length(method: &Method, headers: &HeaderMap) -> Result<usize, Refusal> {
    if headers.contains_key(header::TRANSFER_ENCODING) || headers.contains_key(header::TE) {
        return Err(Refusal::TransferEncoding);
    }
    if headers.contains_key(header::EXPECT) {
        return Err(Refusal::Expectation);
    }
    let carries_body = matches!(*method, Method::POST | Method::PUT);
    let length = match only(headers, &header::CONTENT_LENGTH).map_err(|()| Refusal::ContentLength)? {
        None if carries_body => return Err(Refusal::LengthRequired),
        None => 0,
        Some(digits) if digits.len() <= 12 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| Refusal::ContentLength)?
        }
        Some(_) => return Err(Refusal::ContentLength),
    };
    match length {
        0 => Ok(0),
        _ if !carries_body => Err(Refusal::BodyUnexpected),
        length if length > limits::BODY_BYTES => Err(Refusal::BodyTooLarge),
        length => Ok(length),
    }
}

/// The value of a field that may be there once. `Err` if there are several, or it is not printable ASCII.
fn only<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(());
    }
    first.map(|value| value.to_str().map_err(|_| ())).transpose()
}

/// Whether a browser says that another site's page made it ask.
///
/// A request that changes state and comes with a form must name us as its origin; a program's need not name any.
/// # Errors
/// [`Refusal::OriginForeign`].
pub fn check_origin(headers: &HeaderMap, host: &str, must_name_origin: bool) -> Result<(), Refusal> {
    let origin = only(headers, &header::ORIGIN).map_err(|()| Refusal::OriginForeign)?;
    let fetch_site =
        only(headers, &header::HeaderName::from_static("sec-fetch-site")).map_err(|()| Refusal::OriginForeign)?;
    let origin_is_ours = match origin {
        Some(origin) => origin.strip_prefix("https://").is_some_and(|origin| origin.eq_ignore_ascii_case(host)),
        None => !must_name_origin,
    };
    let site_is_ours = fetch_site.is_none_or(|site| site == "same-origin");
    if origin_is_ours && site_is_ours { Ok(()) } else { Err(Refusal::OriginForeign) }
}

#[cfg(test)]
mod tests;
