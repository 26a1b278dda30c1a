use std::collections::BTreeSet;

use super::*;

const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
const IDENTITIES: [Identity; 3] = [Identity::Anyone, Identity::Claimant, Identity::Administrator];

/// The naive answer: is this exact line of the table open to this identity now?
fn open_by_the_table(method: &Method, path: &str, claimed: bool, identity: Identity) -> bool {
    ROUTES.iter().any(|route| {
        route.method == method.as_str()
            && route.path == path
            && (route.phase == Phase::Both || (route.phase == Phase::Claimed) == claimed)
            && (route.who == Identity::Anyone || route.who == identity)
    })
}

/// Other ways to write a path that a lax server would take for the same.
fn spellings(path: &str) -> Vec<String> {
    let tail = path.trim_start_matches('/');
    let mut spellings: Vec<String> = [
        "/", "//", "/.", "/..", "/./", "/../", "%2f", "%00", "%20", "?", "#", ";", ";x=y", ".json", ".html", "~", "*",
        "\\", "/index", "%", "%2e", "+", "&", "$", "@", ":", "|", "!", ",", "=",
    ]
    .iter()
    .map(|suffix| format!("{path}{suffix}"))
    .collect();
    spellings.extend(
        ["//", "/./", "/../", "/%2f", "/api/../", "/setup/../", "/.//", "/assets/../", "", "\\"]
            .iter()
            .map(|prefix| format!("{prefix}{tail}")),
    );
    spellings.retain(|spelling| spelling != path && !ROUTES.iter().any(|route| route.path == spelling));
    spellings
}

#[test]
fn every_route_method_and_identity_is_decided_by_the_table() {
    for path in ROUTES.iter().map(|route| route.path).collect::<BTreeSet<_>>() {
        for method in &METHODS {
            for identity in IDENTITIES {
                for claimed in [false, true] {
                    let goes = matches!(decide(method, path, claimed, identity), Decision::Go(_));
                    assert_eq!(
                        goes,
                        open_by_the_table(method, path, claimed, identity),
                        "{method} {path} {identity:?} claimed={claimed}"
                    );
                }
            }
        }
    }
}

#[test]
fn forty_other_spellings_of_each_path_reach_nothing() {
    for route in ROUTES {
        let spellings = spellings(route.path);
        assert!(spellings.len() >= 38, "{}: {}", route.path, spellings.len());
        for spelling in spellings {
            for method in &METHODS {
                for claimed in [false, true] {
                    let decision = decide(method, &spelling, claimed, Identity::Administrator);
                    assert!(!matches!(decision, Decision::Go(_)), "{method} {spelling:?}");
                }
            }
        }
    }
}

#[test]
fn after_the_claim_every_set_up_route_answers_not_found() {
    for route in ROUTES.iter().filter(|route| route.phase == Phase::SetUp) {
        for method in &METHODS {
            for identity in IDENTITIES {
                let decision = decide(method, route.path, true, identity);
                assert!(
                    matches!(decision, Decision::Refuse(refusal) if refusal.status() == 404),
                    "{method} {}",
                    route.path
                );
            }
        }
    }
}

#[test]
fn before_the_claim_pages_lead_to_the_claim_code_and_the_api_is_closed() {
    for route in ROUTES.iter().filter(|route| route.phase == Phase::Claimed) {
        let method = Method::from_bytes(route.method.as_bytes()).unwrap();
        match decide(&method, route.path, false, Identity::Administrator) {
            Decision::Redirect(to) => assert_eq!(to, "/setup/code"),
            Decision::Refuse(refusal) => assert_eq!(refusal.status(), 403),
            Decision::Go(_) => panic!("{} {}", route.method, route.path),
        }
    }
}

#[test]
fn what_changes_state_asks_for_intent() {
    for route in ROUTES {
        assert_eq!(route.method == "GET", route.intent == Intent::Read, "{} {}", route.method, route.path);
        let form_with_session = route.body == BodyKind::Form && route.who != Identity::Anyone;
        assert_eq!(form_with_session, route.intent == Intent::Token, "{} {}", route.method, route.path);
        assert_eq!(route.path.starts_with("/api/") && route.method != "GET", route.intent == Intent::Bearer);
    }
}

#[test]
fn a_method_and_path_stand_in_the_table_once() {
    let lines: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(lines.len(), ROUTES.len());
}

#[test]
fn strangers_and_claimants_have_little_room_and_only_configurations_have_much() {
    for route in ROUTES {
        let most = match (route.who, route.handler) {
            (Identity::Administrator, Handler::ConfigSubmit | Handler::ApiConfigApply | Handler::ApiConfigCheck) => {
                2400 * 1024
            }
            (Identity::Claimant, _) => 16 * 1024,
            _ => 4 * 1024,
        };
        let bytes = route.room.bytes();
        assert!(bytes <= most, "{} {}: {bytes}", route.method, route.path);
        assert_eq!(bytes == 0, route.body == BodyKind::Nothing, "{} {}", route.method, route.path);
    }
}
