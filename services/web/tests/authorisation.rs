//! Who may do what: every path, method and identity, each request with valid intent, against a table of its own.
//!
//! The table is written out rather than taken from the routes: a route that loses its check, or is new, disagrees with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use patronus_web::{routes::ROUTES, session::Identity};
use support::{ADDRESS, PASSWORD, Stand, browser::Browser};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const TOML: &str = "application/toml";

use Identity::{Administrator, Anyone, Claimant};
use When::{Always, Claimed, Unclaimed};

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Unclaimed,
    Claimed,
}

/// Method, path, when it is there, for whom, content type, body, and the status for those who may. `CODE`, `PASSWORD` and `ROOT` in a body stand for
/// right ones. Bodies are chosen to be understood and to change nothing that the rest of the test needs.
type Line = (&'static str, &'static str, When, Identity, &'static str, &'static str, u16);

#[rustfmt::skip]
const TABLE: &[Line] = &[
    ("GET",    "/assets/style.css",       Always,    Anyone,        "",   "",                                200),
    ("GET",    "/assets/patronus.js",     Always,    Anyone,        "",   "",                                200),
    ("GET",    "/assets/icon.svg",        Always,    Anyone,        "",   "",                                200),
    ("GET",    "/setup/code",             Unclaimed, Anyone,        "",   "",                                200),
    ("POST",   "/setup/code",             Unclaimed, Anyone,        FORM, "code=CODE",                       303),
    ("GET",    "/setup",                  Unclaimed, Claimant,      "",   "",                                200),
    ("POST",   "/setup",                  Unclaimed, Claimant,      FORM, "site=",                           422),
    ("POST",   "/setup/finish",           Unclaimed, Claimant,      FORM, "",                                303),
    ("POST",   "/setup/strength",         Unclaimed, Claimant,      FORM, "password=x",                      200),
    ("GET",    "/",                       Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/configuration",          Claimed,   Administrator, "",   "",                                200),
    ("POST",   "/configuration",          Claimed,   Administrator, FORM, "toml=x",                          422),
    ("POST",   "/configuration/confirm",  Claimed,   Administrator, FORM, "generation=999",                  422),
    ("POST",   "/configuration/rollback", Claimed,   Administrator, FORM, "generation=999",                  422),
    ("GET",    "/configuration/export",   Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/sites",                  Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/sites/site",             Claimed,   Administrator, "",   "",                                404),
    ("GET",    "/sites/revoke",           Claimed,   Administrator, "",   "",                                404),
    ("POST",   "/sites/revoke",           Claimed,   Administrator, FORM, "site=x",                          404),
    ("POST",   "/sites/rename",           Claimed,   Administrator, FORM, "site=x&name=y",                   404),
    ("POST",   "/sites/renew",            Claimed,   Administrator, FORM, "site=x",                          404),
    ("GET",    "/sites/tokens",           Claimed,   Administrator, "",   "",                                200),
    ("POST",   "/sites/tokens",           Claimed,   Administrator, FORM, "prefixes=x",                      422),
    ("POST",   "/network/key",            Claimed,   Administrator, FORM, "",                                200),
    ("POST",   "/network/file",           Claimed,   Administrator, FORM, "root=ROOT",                       200),
    ("POST",   "/network/create",         Claimed,   Administrator, FORM, "root=ROOT",                       422),
    ("POST",   "/network/signer",         Claimed,   Administrator, FORM, "root=x",                          422),
    ("POST",   "/network/withdraw",       Claimed,   Administrator, FORM, "root=x",                          422),
    ("POST",   "/network/join",           Claimed,   Administrator, FORM, "token=x",                         422),
    ("GET",    "/paths",                  Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/paths/path",             Claimed,   Administrator, "",   "",                                422),
    ("GET",    "/api/sdwan/metrics",      Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/metrics",                Claimed,   Administrator, "",   "",                                200),
    ("POST",   "/paths/test",             Claimed,   Administrator, FORM, "peer=x",                          422),
    ("POST",   "/api/sdwan/paths/test",   Claimed,   Administrator, JSON, "{\"peer\":\"x\",\"local\":0,\"remote\":0}", 422),
    ("POST",   "/paths/rotate",           Claimed,   Administrator, FORM, "slot=15",                         422),
    ("GET",    "/topology",               Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/policy",                 Claimed,   Administrator, "",   "",                                200),
    ("POST",   "/policy/drain",           Claimed,   Administrator, FORM, "local=15",                        422),
    ("POST",   "/policy/undrain",         Claimed,   Administrator, FORM, "local=15",                        422),
    ("GET",    "/api/sdwan/policies",     Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/sdwan/topology",     Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/sdwan/explain",      Claimed,   Administrator, "",   "",                                422),
    ("POST",   "/api/sdwan/drain",        Claimed,   Administrator, JSON, "{\"local\":15}",                  422),
    ("POST",   "/api/sdwan/undrain",      Claimed,   Administrator, JSON, "{\"local\":15}",                  422),
    ("GET",    "/events",                 Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/flows",                  Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/flows",              Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/sdwan/sites",        Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/sdwan/paths",        Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/sdwan/tokens",       Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/events",             Claimed,   Administrator, "",   "",                                200),
    ("POST",   "/api/sdwan/tokens",       Claimed,   Administrator, JSON, "{\"prefixes\":[\"x\"]}",            422),
    ("POST",   "/api/sdwan/network",      Claimed,   Administrator, JSON, "{\"root_secret\":\"x\"}",          422),
    ("POST",   "/api/sdwan/signers",      Claimed,   Administrator, JSON, "{\"root_secret\":\"x\"}",          422),
    ("POST",   "/api/sdwan/signers/withdraw", Claimed, Administrator, JSON, "{\"root_secret\":\"x\"}",        422),
    ("POST",   "/api/sdwan/join",         Claimed,   Administrator, JSON, "{\"token\":\"x\"}",                422),
    ("POST",   "/api/sdwan/sites/revoke", Claimed,   Administrator, JSON, "{\"site\":\"x\"}",                 422),
    ("POST",   "/api/sdwan/sites/rename", Claimed,   Administrator, JSON, "{\"site\":\"x\",\"name\":\"y\"}",    422),
    ("POST",   "/api/sdwan/sites/renew",  Claimed,   Administrator, JSON, "{\"site\":\"x\"}",                 422),
    ("POST",   "/api/sdwan/slots/rotate", Claimed,   Administrator, JSON, "{\"slot\":15}",                   422),
    ("GET",    "/logs",                   Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/system",                 Claimed,   Administrator, "",   "",                                200),
    ("POST",   "/system/reboot",          Claimed,   Administrator, FORM, "sure=yes",                        200),
    ("POST",   "/system/power-off",       Claimed,   Administrator, FORM, "sure=yes",                        200),
    ("POST",   "/system/password",        Claimed,   Administrator, FORM, "current=PASSWORD&new=x&new-again=x", 422),
    ("GET",    "/login",                  Claimed,   Anyone,        "",   "",                                200),
    ("POST",   "/login",                  Claimed,   Anyone,        FORM, "password=PASSWORD",               303),
    ("POST",   "/logout",                 Claimed,   Administrator, FORM, "",                                303),
    ("GET",    "/api/openapi.json",       Always,    Anyone,        "",   "",                                200),
    ("POST",   "/api/session",            Claimed,   Anyone,        JSON, "{\"password\":\"PASSWORD\"}",     200),
    ("DELETE", "/api/session",            Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/status",             Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/services",           Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/logs",               Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/config",             Claimed,   Administrator, "",   "",                                200),
    ("PUT",    "/api/config",             Claimed,   Administrator, TOML, "x",                               422),
    ("POST",   "/api/config/check",       Claimed,   Administrator, TOML, "x",                               422),
    ("GET",    "/firewall",               Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/firewall",           Claimed,   Administrator, "",   "",                                200),
    ("GET",    "/api/firewall/explain",   Claimed,   Administrator, "",   "",                                422),
    ("GET",    "/forwards",               Claimed,   Administrator, "",   "",                                200),
    ("POST",   "/forwards",               Claimed,   Administrator, FORM, "name=x",                          422),
    ("POST",   "/forwards/remove",        Claimed,   Administrator, FORM, "name=x",                          422),
    ("GET",    "/api/forwards",           Claimed,   Administrator, "",   "",                                200),
    ("POST",   "/api/forwards",           Claimed,   Administrator, JSON, "{\"name\":\"x\",\"protocol\":\"\",\"outside\":\"\",\"inside\":\"\"}", 422),
    ("POST",   "/api/forwards/remove",    Claimed,   Administrator, JSON, "{\"name\":\"x\"}",                422),
    ("POST",   "/api/config/confirm",     Claimed,   Administrator, JSON, "{\"generation\":999}",            422),
    ("POST",   "/api/config/rollback",    Claimed,   Administrator, JSON, "{\"generation\":999}",            422),
    ("GET",    "/api/config/history",     Claimed,   Administrator, "",   "",                                200),
    ("POST",   "/api/system/reboot",      Claimed,   Administrator, JSON, "{}",                              202),
    ("POST",   "/api/system/power-off",   Claimed,   Administrator, JSON, "{}",                              202),
    ("POST",   "/api/password",           Claimed,   Administrator, JSON, "{\"current\":\"PASSWORD\",\"new\":\"x\"}", 422),
];

/// Whether programs ask there, and not people.
fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path == "/metrics"
}

/// Somebody who asks, on a box in one state.
struct Caller {
    name: &'static str,
    claimed: bool,
    /// What this caller is on pages, when reading the API, and when changing something through it.
    page: Identity,
    api_read: Identity,
    api_change: Identity,
    browser: Browser,
    csrf: String,
}

impl Caller {
    fn identity(&self, method: &str, path: &str) -> Identity {
        match (is_for_programs(path), method) {
            (false, _) => self.page,
            (true, "GET") => self.api_read,
            (true, _) => self.api_change,
        }
    }

    /// What the answer must be, by the table alone.
    fn expected(&self, method: &str, path: &str) -> u16 {
        let is_page = method == "GET" && !is_for_programs(path);
        let there = |line: &&Line| line.1 == path && (line.2 == Always || (line.2 == Claimed) == self.claimed);
        if !TABLE.iter().any(|line| there(&line)) {
            return if self.claimed {
                404
            } else if is_page {
                303
            } else {
                403
            };
        }
        let Some(line) = TABLE.iter().filter(there).find(|line| line.0 == method) else { return 405 };
        let identity = self.identity(method, path);
        match line.3 {
            // Who has a session is led on from the pages that give one.
            Anyone if is_page && path == "/setup/code" && identity == Claimant => 303,
            Anyone if is_page && path == "/login" && identity == Administrator => 303,
            Anyone => line.6,
            who if who == identity => line.6,
            _ if is_page => 303,
            Claimant => 403,
            Administrator => 401,
        }
    }

    fn ask(&self, method: &str, path: &str, code: &str) -> u16 {
        let line = TABLE.iter().find(|line| (line.0, line.1) == (method, path));
        let (content_type, body) = line.map_or((JSON, "{}"), |line| (line.4, line.5));
        let mut body = body.replace("CODE", code).replace("PASSWORD", PASSWORD).replace("ROOT", &"a5".repeat(32));
        if content_type == FORM {
            body = format!("csrf={}&{}", self.csrf, body.replace(' ', "+"));
        }
        if matches!(method, "GET" | "DELETE") {
            body.clear();
        }
        let intent =
            format!("Origin: https://{ADDRESS}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: {content_type}\r\n");
        self.browser.ask(method, path, &intent, &body).status
    }
}

fn check_all(caller: &mut dyn FnMut() -> Caller, code: &str) {
    let paths: BTreeSet<_> = ROUTES.iter().map(|route| route.path).chain(TABLE.iter().map(|line| line.1)).collect();
    let mut now = caller();
    for path in paths {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let status = now.ask(method, path, code);
            let expected = now.expected(method, path);
            assert_eq!(status, expected, "{method} {path} as {}, claimed={}", now.name, now.claimed);
            // These end the session that the rest needs.
            if matches!((method, path), ("POST", "/logout") | ("DELETE", "/api/session")) {
                now = caller();
            }
        }
    }
}

#[test]
fn every_route_with_every_method_and_identity_answers_as_the_table_says() {
    let stand = Stand::start();
    let code = stand.claim_code().unwrap();
    let stranger = |claimed| Caller {
        name: "stranger",
        claimed,
        page: Anyone,
        api_read: Anyone,
        api_change: Anyone,
        browser: Browser::default(),
        csrf: "0".repeat(32),
    };
    let mut claimant = Browser::default();
    stand.enter_code(&mut claimant);
    let claimant_csrf = claimant.get("/setup").csrf();
    let holder = |claimed, page| Caller {
        name: "claimant",
        page,
        browser: claimant.clone(),
        csrf: claimant_csrf.clone(),
        ..stranger(claimed)
    };
    check_all(&mut || stranger(false), &code);
    check_all(&mut || Caller { api_read: Claimant, ..holder(false, Claimant) }, &code);

    stand.claim();
    check_all(&mut || stranger(true), &code);
    check_all(&mut || holder(true, Anyone), &code);
    check_all(&mut || administrator_by_cookie(&stranger), &code);
    check_all(
        &mut || Caller {
            name: "administrator by bearer token",
            api_read: Administrator,
            api_change: Administrator,
            browser: stand.sign_in(),
            ..stranger(true)
        },
        &code,
    );
}

/// On pages the administrator; through the API a cookie reads and changes nothing.
fn administrator_by_cookie(stranger: &dyn Fn(bool) -> Caller) -> Caller {
    let mut browser = Browser::default();
    assert_eq!(browser.post("/login", &[("password", PASSWORD)]).status, 303);
    let csrf = browser.get("/system").csrf();
    Caller {
        name: "administrator by cookie",
        page: Administrator,
        api_read: Administrator,
        browser,
        csrf,
        ..stranger(true)
    }
}

#[test]
fn the_table_of_this_test_names_every_route_once() {
    let named: BTreeSet<_> = TABLE.iter().map(|line| (line.0, line.1)).collect();
    let routed: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(named, routed);
    assert_eq!(named.len(), TABLE.len());
}
