//! The front door against those who should not come in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use patronus_web::{
    limits,
    routes::{BodyKind, Phase, ROUTES},
};
use support::{
    ADDRESS, Stand,
    browser::{Browser, raw, read_answer, tcp_from, tls},
    filled,
};

fn status_of(request: &str) -> Option<u16> {
    raw(request.as_bytes()).map(|answer| answer.status)
}

#[test]
fn malformed_requests_get_an_error_or_nothing_and_the_door_stays_open() {
    let stand = Stand::start();
    let host = format!("Host: {ADDRESS}\r\n");
    let refused = [
        format!("GET /login HTTP/1.1\r\n{host}{host}\r\n"),
        "GET /login HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET http://{ADDRESS}/login HTTP/1.1\r\n{host}\r\n"),
        format!("GET /../login HTTP/1.1\r\n{host}\r\n"),
        format!("GET /%6cogin HTTP/1.1\r\n{host}\r\n"),
        format!("GET //login HTTP/1.1\r\n{host}\r\n"),
        format!("OPTIONS * HTTP/1.1\r\n{host}\r\n"),
        format!("CONNECT {ADDRESS}:443 HTTP/1.1\r\n{host}\r\n"),
        format!("TRACE / HTTP/1.1\r\n{host}\r\n"),
        format!("HEAD / HTTP/1.1\r\n{host}\r\n"),
        format!("POST /login HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("POST /login HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("POST /login HTTP/1.1\r\n{host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"),
        format!("POST /login HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n"),
        format!("POST /login HTTP/1.1\r\n{host}Content-Length: 99999999999\r\n\r\n"),
        format!("POST /login HTTP/1.1\r\n{host}\r\n"),
        format!("GET / HTTP/1.1\r\n{host}Content-Length: 3\r\n\r\nabc"),
        format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "y".repeat(9000)),
        format!("GET / HTTP/1.1\r\n{host}{}\r\n", "x: y\r\n".repeat(60)),
        format!("GET / HTTP/9.9\r\n{host}\r\n"),
        format!("GET / HTTP/1.1\r\n{host}Bad Name: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host} folded: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}X: a\0b\r\n\r\n"),
        "\0\0\0\0\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for request in &refused {
        let status = status_of(request);
        assert!(status.is_none_or(|status| status >= 400), "{status:?} for {request:?}");
        assert_eq!(Browser::default().get("/setup/code").status, 200, "after {request:?}");
    }
    let administrator = stand.claim();
    let refusals = administrator.get("/api/status").json()["front_door"]["refusals"].clone();
    for name in [
        "host-missing",
        "target-form",
        "odd-path",
        "method",
        "transfer-encoding",
        "length-required",
        "body-too-large",
        "head-too-large",
        "malformed",
    ] {
        assert!(refusals[name].as_u64() > Some(0), "{name} is not counted: {refusals}");
    }
}

#[test]
fn a_second_request_hidden_in_the_first_is_never_answered() {
    let _stand = Stand::start();
    let inner = format!("GET /setup/code HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n");
    let outer = format!(
        "POST /setup/code HTTP/1.1\r\nHost: {ADDRESS}\r\nTransfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n0\r\n\r\n{inner}",
        inner.len() + 5
    );
    let mut stream = tls(tcp_from([192, 168, 42, 1])).unwrap();
    stream.write_all(outer.as_bytes()).unwrap();
    assert!(read_answer(&mut stream).is_none_or(|answer| answer.status >= 400));
    assert!(read_answer(&mut stream).is_none());
}

#[test]
fn thirty_hostile_host_and_origin_pairs_change_nothing() {
    let stand = Stand::start();
    let hosts = ["evil.example", "192.168.42.2", "patronus.lan.evil.example", "localhost", "127.0.0.1"];
    let origins =
        ["null", "https://evil.example", "http://192.168.42.1", "https://192.168.42.1:8443", "https://patronus.lan"];
    let pairs = hosts
        .iter()
        .map(|host| (*host, "https://192.168.42.1"))
        .chain(hosts.iter().flat_map(|host| origins.iter().map(|origin| (*host, *origin))));
    let own_host = origins.iter().map(|origin| (ADDRESS, *origin));
    let body = format!("code={}", stand.claim_code().unwrap());
    let mut tried = 0;
    for (host, origin) in pairs.chain(own_host) {
        let request = format!(
            "POST /setup/code HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let status = status_of(&request);
        assert!(matches!(status, Some(403 | 421)), "{status:?} for {host} {origin}");
        tried += 1;
    }
    assert!(tried >= 30, "{tried}");
}

#[test]
fn every_route_takes_a_body_at_its_limit_and_refuses_one_above_before_it_is_sent() {
    let stand = Stand::start();
    let mut claimant = Browser::default();
    stand.enter_code(&mut claimant);
    check_rooms(Phase::SetUp, &claimant, &claimant);
    // By the session that is there: a second code would have to wait after the wrong one.
    let csrf = claimant.get("/setup").csrf();
    assert_eq!(claimant.post("/setup", &filled(&csrf)).status, 303);
    check_rooms(Phase::Claimed, &claimant, &stand.sign_in());
}

/// All routes with a body, asked by somebody who may. Forms come without their token, so that nothing changes.
fn check_rooms(phase: Phase, on_pages: &Browser, in_api: &Browser) {
    for route in ROUTES.iter().filter(|route| route.phase == phase && route.room.bytes() > 0) {
        let browser = if route.path.starts_with("/api/") { in_api } else { on_pages };
        let content_type = match route.body {
            BodyKind::Json => "application/json",
            BodyKind::Toml => "application/toml",
            BodyKind::Form | BodyKind::Nothing => "application/x-www-form-urlencoded",
        };
        let (at_limit, above) = ("x".repeat(route.room.bytes()), route.room.bytes() + 1);
        let fields = format!("Origin: https://{ADDRESS}\r\nContent-Type: {content_type}\r\n");
        let taken = browser.ask(route.method, route.path, &fields, &at_limit);
        assert!(!matches!(taken.status, 0 | 413), "{} {}: {}", route.method, route.path, taken.status);
        // Announced and never sent: an answer shows that nobody waits for it.
        let announced = browser.announce(route.method, route.path, &fields, above);
        assert_eq!(announced.status, 413, "{} {}", route.method, route.path);
    }
}

#[test]
fn five_hundred_slow_clients_do_not_keep_the_page_from_answering() {
    let stand = Stand::start();
    let start = Instant::now();
    // From 25 addresses, half of them silent before the handshake, half of them dripping a head.
    let mut slow = Vec::new();
    let mut dripping = Vec::new();
    for number in 0..500_u16 {
        let tcp = tcp_from([192, 168, 42, 100 + (number % 25) as u8]);
        if number % 2 == 0 {
            slow.push(tcp);
        } else if let Ok(mut stream) = tls(tcp) {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: 192.168.42.1\r\nX-Slow: ");
            dripping.push(stream);
        }
    }
    let opened = start.elapsed();
    for round in 0..10 {
        for stream in &mut dripping {
            let _ = stream.write_all(b"a");
        }
        let asked = Instant::now();
        assert_eq!(Browser::default().get("/setup/code").status, 200, "round {round}");
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "round {round}: {:?} (500 were open after {opened:?})",
            asked.elapsed()
        );
    }
    drop((slow, dripping));
    let refusals = stand.claim().get("/api/status").json()["front_door"]["refusals"].clone();
    assert!(refusals["evicted"].as_u64() > Some(300), "{refusals}");
}

#[test]
fn many_slow_clients_of_the_same_address_do_not_lock_that_address_out() {
    let _stand = Stand::start();
    let held: Vec<_> = (0..2 * limits::CONNECTIONS_PER_SOURCE).map(|_| tcp_from([192, 168, 42, 1])).collect();
    assert_eq!(Browser::default().get("/setup/code").status, 200);
    drop(held);
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let _stand = Stand::start();
    let mut stream = tls(tcp_from([192, 168, 42, 9])).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let start = Instant::now();
    let answer = read_answer(&mut stream);
    assert!(answer.is_none_or(|answer| answer.status == 408));
    assert!(start.elapsed() < limits::HEAD_DEADLINE + Duration::from_secs(5));
}

#[test]
fn every_answer_carries_the_protecting_fields() {
    let _stand = Stand::start();
    for path in ["/setup/code", "/", "/assets/style.css", "/api/status", "/nothing"] {
        let answer = Browser::default().get(path);
        assert!(answer.field("content-security-policy").unwrap().starts_with("default-src 'none'"), "{path}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field("strict-transport-security"), None);
    }
}

#[test]
fn nothing_but_tls_is_answered_and_sigterm_ends_the_service_cleanly() {
    let mut stand = Stand::start();
    let mut plain = tcp_from([192, 168, 42, 1]);
    plain.write_all(format!("GET / HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n").as_bytes()).unwrap();
    assert!(read_answer(&mut plain).is_none());
    assert!(stand.terminate_web().success());
}
