//! What the administrator does after first boot, through pages and API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{PASSWORD, Stand, browser::Browser};

const TOML: &str = "application/toml";
const JSON: &str = "application/json";

#[test]
fn a_configuration_is_checked_applied_on_trial_and_confirmed_through_the_api() {
    let stand = Stand::start();
    stand.claim();
    let api = stand.sign_in();
    let toml = api.get("/api/config").body;
    let changed = toml.replace("America/Chicago", "Europe/Zurich");
    assert_eq!(api.api("POST", "/api/config/check", TOML, &changed).status, 200);
    let generation = api.get("/api/status").json()["generation"].as_u64().unwrap();
    let applied = api.api("PUT", &format!("/api/config?base={generation}&confirm_within_s=60"), TOML, &changed);
    assert_eq!(applied.status, 200, "{}", applied.body);
    let on_trial = applied.json()["generation"].as_u64().unwrap();
    let stale = api.api("PUT", &format!("/api/config?base={generation}"), TOML, &toml);
    assert_eq!(stale.status, 422, "nobody overwrites what he has not seen: {}", stale.body);
    let confirmed = api.api("POST", "/api/config/confirm", JSON, &format!("{{\"generation\":{on_trial}}}"));
    assert_eq!(confirmed.status, 200, "{}", confirmed.body);
    assert!(api.get("/api/config").body.contains("Europe/Zurich"));
    assert_eq!(api.api("POST", "/api/config/rollback", JSON, "{}").status, 200);
    assert!(api.get("/api/config").body.contains("America/Chicago"));
    assert!(api.get("/api/config/history").json()["revisions"].as_array().unwrap().len() >= 3);
}

#[test]
fn a_port_forward_is_added_on_trial_by_the_page_and_removed_through_the_api() {
    let stand = Stand::start();
    let mut browser = stand.claim();
    let api = stand.sign_in();
    let csrf = browser.get("/forwards").csrf();
    let fields = |inside| {
        [("csrf", csrf.as_str()), ("name", "web"), ("protocol", "tcp"), ("outside", "8000-8010"), ("inside", inside)]
    };
    let wrong = browser.post("/forwards", &fields("10.9.9.9:80"));
    assert!(wrong.status == 422 && wrong.body.contains("no computer on the LAN"), "{}", wrong.body);
    assert!(wrong.body.contains("8000-8010"), "what was typed is kept");
    let unreadable = browser.post("/forwards", &fields("a server"));
    assert!(unreadable.status == 422 && unreadable.body.contains("cannot be read"), "{}", unreadable.body);

    let right =
        [&fields("192.168.42.9:80")[..], &[("sources", "198.51.100.0/24"), ("confirm_within_s", "60")]].concat();
    assert_eq!(browser.post("/forwards", &right).status, 303);
    let page = browser.get("/forwards").body;
    assert!(
        page.contains("on trial") && page.contains("192.168.42.9:80") && page.contains("198.51.100.0/24"),
        "{page}"
    );
    let forwards = api.get("/api/forwards").json();
    assert_eq!(forwards["forwards"][0]["outside"], "8000-8010", "{forwards}");
    assert!(api.get("/api/config").body.contains("[[forward]]"));
    let busy = api.api("POST", "/api/forwards/remove", JSON, "{\"name\":\"web\"}");
    assert_eq!((busy.status, &busy.json()["error"]["code"]), (422, &"trial-running".into()));
    assert_eq!(api.api("POST", "/api/config/confirm", JSON, "{\"generation\":2}").status, 200);
    let removed = api.api("POST", "/api/forwards/remove", JSON, "{\"name\":\"web\"}");
    assert_eq!(removed.status, 200, "{}", removed.body);
    let again = api.api("POST", "/api/forwards/remove", JSON, "{\"name\":\"web\"}");
    assert_eq!((again.status, &again.json()["error"]["code"]), (422, &"forward-unknown".into()));
    assert!(browser.get("/forwards").body.contains("None: nothing outside can begin"));
}

#[test]
fn a_wrong_configuration_is_refused_with_reasons_and_kept_in_the_text_field() {
    let stand = Stand::start();
    let mut browser = stand.claim();
    let page = browser.get("/configuration");
    let csrf = page.csrf();
    let answer = browser
        .post("/configuration", &[("csrf", &csrf), ("action", "apply"), ("toml", "version = 1\nnonsense = true\n")]);
    assert!(
        answer.status == 422 && answer.body.contains("Nothing was changed") && answer.body.contains("nonsense"),
        "{}",
        answer.body
    );
    let error = stand.sign_in().api("POST", "/api/config/check", TOML, "nonsense").json();
    assert!(error["error"]["code"].is_string() && error["error"]["message"].is_string(), "{error}");
}

#[test]
fn a_trial_or_a_base_that_cannot_be_read_is_refused_and_never_left_out() {
    let stand = Stand::start();
    let mut browser = stand.claim();
    let api = stand.sign_in();
    let (toml, csrf) = (api.get("/api/config").body, browser.get("/configuration").csrf());
    let changed = toml.replace("America/Chicago", "Europe/Zurich");
    let unreadable = ["soon", "-1", "60s", "1.5", "0x3c", "99999999999999999999"]
        .map(|text| [("confirm_within_s", text), ("base", text)]);
    let too_long = [("confirm_within_s", "3601"), ("confirm_within_s", "4294967296")];
    for (name, text) in unreadable.into_iter().flatten().chain(too_long) {
        let fields = [("csrf", csrf.as_str()), ("action", "apply"), ("toml", &changed), (name, text)];
        let page = browser.post("/configuration", &fields);
        assert!(page.status == 422 && page.body.contains("Nothing was changed"), "{name}={text}: {}", page.body);
        assert!(page.body.contains("Europe/Zurich"), "the text is kept");
        let answer = api.api("PUT", &format!("/api/config?{name}={text}"), TOML, &changed);
        assert_eq!(answer.status, 422, "{name}={text}: {}", answer.body);
    }
    let misspelt = api.api("PUT", "/api/config?confirm_within=60", TOML, &changed);
    assert_eq!((misspelt.status, &misspelt.json()["error"]["code"]), (422, &"unknown-parameter".into()));
    assert_eq!(browser.post("/configuration/rollback", &[("csrf", &csrf), ("generation", "x")]).status, 422);
    assert_eq!(api.get("/api/config?generation=x").status, 422);
    assert_eq!(api.get("/api/config").body, toml, "nothing was changed");
}

#[test]
fn no_trial_is_asked_for_by_an_empty_field_or_by_zero() {
    let stand = Stand::start();
    let mut browser = stand.claim();
    let api = stand.sign_in();
    let (toml, csrf) = (api.get("/api/config").body, browser.get("/configuration").csrf());
    for (number, none) in ["", "0"].into_iter().enumerate() {
        let changed = toml.replace("hq-chicago", &format!("hq-{number}"));
        let fields = [("csrf", csrf.as_str()), ("action", "apply"), ("toml", &changed), ("confirm_within_s", none)];
        assert_eq!(browser.post("/configuration", &fields).status, 303);
        let changed = toml.replace("hq-chicago", &format!("hq-api-{number}"));
        let answer = api.api("PUT", &format!("/api/config?base=&confirm_within_s={none}"), TOML, &changed);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(api.get("/api/status").json()["trial"].is_null());
    }
}

#[test]
fn a_form_without_the_sessions_token_changes_nothing() {
    let stand = Stand::start();
    let mut browser = stand.claim();
    for token in ["", "0", &"0".repeat(32)] {
        for path in ["/system/reboot", "/system/power-off", "/logout", "/configuration/rollback", "/system/password"] {
            assert_eq!(browser.post(path, &[("csrf", token), ("sure", "yes")]).status, 403, "{path}");
        }
    }
    assert!(!stand.asked.lock().unwrap().iter().any(|request| matches!(request, patronus_ipc::init::Request::Reboot)));
}

#[test]
fn a_cookie_alone_changes_nothing_through_the_api() {
    let stand = Stand::start();
    let browser = stand.claim();
    assert_eq!(browser.get("/api/status").status, 200);
    assert_eq!(browser.api("POST", "/api/system/reboot", JSON, "{}").status, 401);
    assert_eq!(browser.api("PUT", "/api/config", TOML, "").status, 401);
}

#[test]
fn the_router_restarts_only_after_the_box_is_ticked() {
    let stand = Stand::start();
    let mut browser = stand.claim();
    let csrf = browser.get("/system").csrf();
    assert_eq!(browser.post("/system/reboot", &[("csrf", &csrf)]).status, 422);
    let asked_to_reboot =
        || stand.asked.lock().unwrap().iter().any(|request| matches!(request, patronus_ipc::init::Request::Reboot));
    assert!(!asked_to_reboot());
    assert_eq!(browser.post("/system/reboot", &[("csrf", &csrf), ("sure", "yes")]).status, 200);
    assert!(asked_to_reboot());
}

#[test]
fn guessing_passwords_becomes_slow_and_others_can_still_sign_in() {
    let stand = Stand::start();
    stand.claim();
    let wrong = "{\"password\":\"wrong wrong wrong\"}";
    let statuses: Vec<u16> =
        (0..7).map(|_| Browser::default().api("POST", "/api/session", JSON, wrong).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
}

#[test]
fn a_new_password_signs_everybody_out() {
    let stand = Stand::start();
    let mut browser = stand.claim();
    let other = stand.sign_in();
    let csrf = browser.get("/system").csrf();
    let new = "violin copper meadow tunnel";
    let fields = [("csrf", csrf.as_str()), ("current", PASSWORD), ("new", new), ("new-again", new)];
    assert_eq!(browser.post("/system/password", &fields).status, 303);
    assert_eq!(browser.get("/system").status, 200, "who changed it stays");
    assert_eq!(other.get("/api/status").status, 401);
    assert_eq!(stand.sign_in_with(new).get("/api/status").status, 200);
}

#[test]
fn logs_are_shown_by_source_and_never_as_markup() {
    let stand = Stand::start();
    let browser = stand.claim();
    let page = browser.get("/logs?source=link");
    assert!(page.body.contains("&lt;b&gt;not markup") && !page.body.contains("<b>not"));
    let lines = stand.sign_in().get("/api/logs?source=link&after=0").json();
    assert_eq!(lines["lines"].as_array().unwrap().len(), 1);
}

#[test]
fn sessions_end_when_signed_out() {
    let stand = Stand::start();
    let mut browser = stand.claim();
    let before = browser.clone();
    let csrf = browser.get("/").csrf();
    assert_eq!(browser.post("/logout", &[("csrf", &csrf)]).field("location"), Some("/login"));
    assert_eq!(before.get("/api/status").status, 401);
    let api = stand.sign_in();
    assert_eq!(api.ask("DELETE", "/api/session", "", "").status, 200);
    assert_eq!(api.get("/api/status").status, 401);
}

#[test]
fn rules_are_shown_with_their_hits_and_explained_by_page_and_api() {
    let stand = Stand::start();
    let browser = stand.claim();
    let api = stand.sign_in();
    let page = browser.get("/firewall").body;
    assert!(page.contains("no-telnet") && page.contains(">7<"), "{page}");
    for guarded in ["In the driver", "Kept out with IPv4", ">bad<", ">31<"] {
        assert!(page.contains(guarded), "{guarded} in {page}");
    }
    let asked = "?source=192.168.42.9&destination=198.51.100.7&protocol=tcp&port=23";
    let page = browser.get(&format!("/firewall{asked}")).body;
    assert!(page.contains("It is dropped") && page.contains("To port 23 of protocol 6."), "{page}");
    let said = api.get(&format!("/api/firewall/explain{asked}")).json();
    assert_eq!((&said["outcome"], &said["rule"][1]), (&"dropped".into(), &"no-telnet".into()), "{said}");
    let firewall = api.get("/api/firewall").json();
    assert_eq!((&firewall["rules"][0]["hits"], &firewall["guard"]["lists"][0]["hits"]), (&7.into(), &31.into()));
    let text = api.get("/metrics").body;
    for sample in [
        "patronus_rule_hits_total{rule=\"no-telnet\",action=\"drop\"} 7\n",
        "patronus_guard_packets_total{list=\"bad\"} 31\n",
    ] {
        assert!(text.contains(sample), "{text}");
    }
    for (wrong, code) in [
        ("?source=nobody&destination=198.51.100.7&protocol=tcp&port=23", "address-unreadable"),
        ("?source=192.168.42.9&destination=198.51.100.7&protocol=tcp", "port-unreadable"),
        ("?source=192.168.42.9&destination=198.51.100.7&protocol=x", "protocol-unreadable"),
        ("?sauce=1", "unknown-parameter"),
    ] {
        let refused = api.get(&format!("/api/firewall/explain{wrong}"));
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (422, &code.into()), "{}", refused.body);
        assert_eq!(browser.get(&format!("/firewall{wrong}")).status, 422);
    }
}
