use proptest::prelude::*;

use super::*;

fn names() -> Names {
    Names::new(["192.168.42.1".parse().unwrap(), "fd00::1".parse().unwrap()], Some("hq"))
}

fn verdict(head: &str) -> Result<Option<Head>, Refusal> {
    check_bytes(head.as_bytes(), &names())
}

fn get(target: &str, fields: &str) -> Result<Option<Head>, Refusal> {
    verdict(&format!("GET {target} HTTP/1.1\r\nHost: patronus.lan\r\n{fields}\r\n"))
}

fn post(fields: &str) -> Result<Option<Head>, Refusal> {
    verdict(&format!("POST /login HTTP/1.1\r\nHost: patronus.lan\r\n{fields}\r\n"))
}

#[test]
fn whole_plain_requests_come_in() {
    assert!(get("/", "").unwrap().is_some());
    assert!(get("/api/logs?source=kernel&after=7", "").unwrap().is_some());
    assert!(verdict("GET / HTTP/1.0\r\nHost: patronus\r\n\r\n").unwrap().is_some());
    assert_eq!(post("Content-Length: 12\r\n").unwrap().unwrap().body_bytes, 12);
    assert_eq!(verdict("GET / HTTP/1.1\r\nHost: patr"), Ok(None));
}

#[test]
fn other_forms_of_the_target_are_refused() {
    for target in ["http://patronus.lan/", "https://patronus.lan/x", "*"] {
        assert_eq!(get(target, ""), Err(Refusal::TargetForm), "{target}");
    }
    let connect = verdict("CONNECT patronus.lan:443 HTTP/1.1\r\nHost: patronus.lan\r\n\r\n");
    assert_eq!(connect, Err(Refusal::Method));
}

#[test]
fn odd_paths_are_refused() {
    for path in ["//", "/../", "/a/../b", "/./", "/a//b", "/%2e%2e", "/a%2fb", "/a;b", "/a/", "/~", "/a|b", "/a:b"] {
        assert!(get(path, "").is_err(), "{path}");
    }
    let longest = format!("/{}", "x".repeat(limits::PATH_BYTES - 1));
    assert!(get(&longest, "").is_ok());
    assert_eq!(get(&format!("{longest}x"), ""), Err(Refusal::OddPath));
    let query = "q".repeat(limits::QUERY_BYTES);
    assert!(get(&format!("/?{query}"), "").is_ok());
    assert_eq!(get(&format!("/?{query}q"), ""), Err(Refusal::OddQuery));
}

#[test]
fn only_our_own_names_are_answered() {
    for host in ["192.168.42.1", "[fd00::1]:443", "PATRONUS.lan", "patronus:443", "hq", "hq.lan"] {
        assert!(verdict(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).is_ok(), "{host}");
    }
    for host in [
        "evil.example",
        "192.168.42.2",
        "patronus.lan.evil.example",
        "patronus.lan:80",
        "192.168.42.1:8443",
        "hq.",
        "fd00::1",
        "",
    ] {
        let refused = verdict(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(refused, Err(Refusal::HostForeign), "{host}");
    }
    assert_eq!(verdict("GET / HTTP/1.1\r\n\r\n"), Err(Refusal::HostMissing));
    assert_eq!(get("/", "Host: patronus.lan\r\n"), Err(Refusal::HostMissing));
}

#[test]
fn there_is_one_way_only_to_say_how_long_a_body_is() {
    for encoding in ["chunked", "identity", "Chunked", "gzip, chunked", "x"] {
        assert_eq!(post(&format!("Transfer-Encoding: {encoding}\r\n")), Err(Refusal::TransferEncoding));
        let both = post(&format!("Content-Length: 3\r\nTransfer-Encoding: {encoding}\r\n"));
        assert_eq!(both, Err(Refusal::TransferEncoding));
    }
    for length in ["+3", "-1", "0x3", "3, 3", "3 3", "", "9999999999999", "３"] {
        assert_eq!(post(&format!("Content-Length: {length}\r\n")), Err(Refusal::ContentLength), "{length}");
    }
    assert_eq!(post("Content-Length: 3\r\nContent-Length: 3\r\n"), Err(Refusal::ContentLength));
    assert_eq!(post(""), Err(Refusal::LengthRequired));
    assert_eq!(get("/", "Content-Length: 1\r\n"), Err(Refusal::BodyUnexpected));
    assert_eq!(post("Content-Length: 3\r\nExpect: 100-continue\r\n"), Err(Refusal::Expectation));
}

#[test]
fn limits_hold_at_the_limit_and_one_above() {
    assert!(post(&format!("Content-Length: {}\r\n", limits::BODY_BYTES)).is_ok());
    assert_eq!(post(&format!("Content-Length: {}\r\n", limits::BODY_BYTES + 1)), Err(Refusal::BodyTooLarge));
    let fields = |count: usize| (0..count).map(|i| format!("x{i}: y\r\n")).collect::<String>();
    assert!(get("/", &fields(limits::HEADERS - 1)).is_ok());
    assert_eq!(get("/", &fields(limits::HEADERS)), Err(Refusal::TooManyHeaders));
    let bare = "GET / HTTP/1.1\r\nHost: patronus.lan\r\nx: \r\n\r\n".len();
    assert!(get("/", &format!("x: {}\r\n", "y".repeat(limits::HEAD_BYTES - bare))).is_ok());
    assert_eq!(get("/", &format!("x: {}\r\n", "y".repeat(limits::HEAD_BYTES - bare + 1))), Err(Refusal::HeadTooLarge));
}

#[test]
fn versions_and_methods_that_we_do_not_speak_are_refused() {
    assert_eq!(verdict("GET / HTTP/2.0\r\nHost: patronus\r\n\r\n"), Err(Refusal::Version));
    for method in ["HEAD", "OPTIONS", "TRACE", "PATCH", "get", "PROPFIND"] {
        assert_eq!(verdict(&format!("{method} / HTTP/1.1\r\nHost: patronus\r\n\r\n")), Err(Refusal::Method));
    }
}

#[test]
fn a_forwarded_port_on_the_visitors_own_computer_is_answered() {
    for host in ["127.0.0.1:8443", "[::1]:8443"] {
        assert!(verdict(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).is_ok(), "{host}");
    }
    for host in ["127.0.0.1", "localhost:8443", "127.0.0.1.evil.example:8443", "10.0.2.2:8443", "127.0.0.1:99999"] {
        let refused = verdict(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(refused, Err(Refusal::HostForeign), "{host}");
    }
}

#[test]
fn thirty_hostile_hosts_and_origins_are_refused() {
    let origins = [
        "null",
        "https://evil.example",
        "http://patronus.lan",
        "https://patronus.lan.evil.example",
        "https://patronus.lan:8443",
        "https://patronus.lan/",
        "https://patronus.lan@evil.example",
        "patronus.lan",
        "",
        "https://",
        "file://",
        "https://192.168.42.2",
        "https://evil.example/patronus.lan",
        "ftp://patronus.lan",
        "https://patronus",
    ];
    for origin in origins {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        for must_name_origin in [true, false] {
            assert_eq!(
                check_origin(&headers, "patronus.lan", must_name_origin),
                Err(Refusal::OriginForeign),
                "{origin}"
            );
        }
    }
}

#[test]
fn a_form_names_its_origin_and_a_program_need_not() {
    let none = HeaderMap::new();
    assert_eq!(check_origin(&none, "patronus.lan", true), Err(Refusal::OriginForeign));
    assert_eq!(check_origin(&none, "patronus.lan", false), Ok(()));
    let mut ours = HeaderMap::new();
    ours.insert(header::ORIGIN, "https://patronus.lan".parse().unwrap());
    assert_eq!(check_origin(&ours, "patronus.lan", true), Ok(()));
    for site in ["cross-site", "same-site", "none", "x"] {
        let mut headers = ours.clone();
        headers.insert("sec-fetch-site", site.parse().unwrap());
        assert_eq!(check_origin(&headers, "patronus.lan", true), Err(Refusal::OriginForeign), "{site}");
    }
}

proptest! {
    #[test]
    fn noise_never_panics_and_what_comes_in_names_us(noise: Vec<u8>, tail in "[ -~\r\n]{0,200}") {
        let _ = check_bytes(&noise, &names());
        let head = format!("GET /{tail}");
        if let Ok(Some(accepted)) = verdict(&head) {
            prop_assert!(names().answer_to(&accepted.host));
        }
    }

    #[test]
    fn no_body_length_but_plain_digits_passes(value in "[ -~]{0,14}") {
        if let Ok(Some(head)) = post(&format!("Content-Length: {value}\r\n")) {
            prop_assert_eq!(value.trim_matches([' ', '\t']).parse::<usize>().ok(), Some(head.body_bytes));
        }
    }
}
