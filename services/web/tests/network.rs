//! Into a network and out of it, as a person does it: two boxes with the real services, one cable between their uplinks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::socket::{Socket, follow, next};
use support::{
    FORM, Stand,
    boxes::with_two_boxes,
    browser::{Answer, Browser},
    lan_of,
};

const JSON: &str = "application/json";
/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(120);

fn post(browser: &Browser, path: &str, body: &Value) -> Answer {
    browser.api("POST", path, JSON, &body.to_string())
}

fn wait_for(what: &str, browser: &Browser, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = browser.get(path).json();
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "never: {what}: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The value of a hidden field.
fn hidden(page: &Answer, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.body.split_once(&mark).unwrap_or_else(|| panic!("no {name} in {}", page.body));
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn the_recovery_key_is_saved_before_there_is_a_network_and_is_nowhere_on_the_box() {
    let stand = Stand::start();
    let mut browser = stand.claim();
    let page = browser.get("/sites");
    assert!(page.body.contains("Create a network") && page.body.contains("in no network yet"), "{}", page.body);
    let csrf = page.csrf();
    let lost = browser.post("/network/key", &[("csrf", &csrf)]);
    let page = browser.post("/network/key", &[("csrf", &csrf)]);
    let root = hidden(&page, "root");
    assert_ne!(root, hidden(&lost, "root"), "a page that was lost has lost nothing");
    let unsaved = browser.post("/network/create", &[("csrf", &csrf), ("root", &root)]);
    assert!(unsaved.status == 422 && hidden(&unsaved, "root") == root, "{}", unsaved.body);

    let file = browser.post("/network/file", &[("csrf", &csrf), ("root", &root)]);
    assert_eq!(file.field("content-disposition"), Some("attachment; filename=\"patronus-recovery.txt\""));
    assert!(file.body.contains(&root), "{}", file.body);
    for _ in 0..2 {
        // The second press, or the same after an answer that was lost, finds the same network.
        let created = browser.post("/network/create", &[("csrf", &csrf), ("root", &root), ("saved", "yes")]);
        assert_eq!((created.status, created.field("location")), (303, Some("/sites")), "{}", created.body);
    }
    let api = stand.sign_in();
    let sites = wait_for("a network", &api, "/api/sdwan/sites", |sites| sites["network"].is_object());
    let network = sites["network"]["id"].as_str().unwrap();
    assert!(file.body.contains(network), "the file names its network");
    assert!(browser.get("/sites").body.contains(&network[..8]));
    // With the file as it was saved, too: this box is a signer already.
    let again = browser.post("/network/signer", &[("csrf", &csrf), ("root", &file.body)]);
    assert_eq!((again.status, again.field("location")), (303, Some("/sites")), "{}", again.body);
    let wrong = browser.post("/network/signer", &[("csrf", &csrf), ("root", "hello")]);
    assert!(wrong.status == 422 && wrong.body.contains("This is no recovery key"), "{}", wrong.body);
    let wrong = post(&api, "/api/sdwan/signers", &json!({ "root_secret": "7".repeat(64) }));
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (422, &json!("root-key-wrong")));
    let own = sites["network"]["signers"][0]["key"].clone();
    let own = post(&api, "/api/sdwan/signers/withdraw", &json!({ "root_secret": root, "signer": own }));
    assert_eq!((own.status, &own.json()["error"]["code"]), (422, &json!("own-signer")));
    let other = post(&api, "/api/sdwan/network", &json!({ "root_secret": "7".repeat(64) }));
    assert_eq!((other.status, &other.json()["error"]["code"]), (422, &json!("in-a-network")));
    stand.assert_nowhere_on_disk(&hex::decode(&root).unwrap());
    stand.assert_nowhere_on_disk(root.as_bytes());
}

#[test]
fn a_program_creates_a_network_and_lists_what_it_has() {
    let stand = Stand::start();
    stand.claim();
    let api = stand.sign_in();
    assert_eq!(
        post(&api, "/api/sdwan/tokens", &json!({ "prefixes": ["10.2.0.0/24"] })).json()["error"]["code"],
        "no-network"
    );
    let created = post(&api, "/api/sdwan/network", &json!({})).json();
    assert_eq!(created["root_secret"].as_str().unwrap().len(), 64);
    let sites = wait_for("a network", &api, "/api/sdwan/sites", |sites| {
        sites["network"]["id"] == created["network"] && sites["network"]["is_signer"] == true
    });
    let signers = &sites["network"]["signers"];
    assert!(signers.as_array().unwrap().len() == 1 && signers[0]["is_here"] == true && signers[0]["sites"] == 1);
    assert_eq!(sites["sites"][0]["prefixes"], json!(["192.168.42.0/24"]));
    assert_eq!(sites["sites"][0]["is_own"], true);
    assert_eq!(api.get("/api/sdwan/tokens").json()["next_free_prefix"], "192.168.43.0/24");
    let token = post(
        &api,
        "/api/sdwan/tokens",
        &json!({ "valid_s": 60, "roles": ["site", "relay"], "prefixes": ["192.168.43.7/24"] }),
    );
    assert!(token.json()["token"].as_str().unwrap().starts_with("patronus1"), "{}", token.body);
    let tokens =
        wait_for("the token", &api, "/api/sdwan/tokens", |tokens| tokens["tokens"].as_array().unwrap().len() == 1);
    assert_eq!(tokens["tokens"][0]["state"], "good");
    assert_eq!(tokens["tokens"][0]["roles"], json!(["site", "relay"]));
    assert_eq!(tokens["tokens"][0]["prefixes"], json!(["192.168.43.0/24"]));
    assert_eq!(tokens["next_free_prefix"], "192.168.44.0/24", "what a good token grants is taken");
    let too_long = post(&api, "/api/sdwan/tokens", &json!({ "valid_s": 99_999_999, "prefixes": ["10.2.0.0/24"] }));
    assert_eq!(too_long.json()["error"]["code"], "validity-too-long");
}

#[test]
fn pages_say_so_when_membership_and_tunnels_do_not_answer() {
    let mut stand = Stand::start();
    stand.kill_network();
    stand.kill_web();
    stand.start_web();
    let browser = stand.claim();
    for (path, words) in [
        ("/sites", "membership service does not answer"),
        ("/paths", "tunnel service does not answer"),
        ("/sites/tokens", "does not answer"),
    ] {
        let page = browser.get(path);
        assert!(page.status == 503 && page.body.contains(words), "{path}: {}", page.body);
    }
    assert_eq!(browser.get("/").status, 200);
    let api = stand.sign_in();
    assert_eq!(api.get("/api/sdwan/sites").json()["error"]["code"], "unavailable");
    stand.start_network();
    wait_for("membership", &api, "/api/sdwan/sites", |sites| sites["sites"].is_array());
}

#[test]
fn what_was_drained_is_still_drained_when_the_services_were_killed() {
    let mut stand = Stand::start();
    stand.claim();
    let api = stand.sign_in();
    let is_drained = |policies: &Value| policies["drains"].as_array().is_some_and(|drains| drains.len() == 1);
    // `router` hears of the uplink by itself.
    wait_for("the drain", &api, "/api/sdwan/policies", |policies| {
        is_drained(policies) || {
            post(&api, "/api/sdwan/drain", &json!({ "local": 0, "within_s": 3_600 }));
            false
        }
    });
    stand.kill_network();
    stand.start_network();
    wait_for("the drain of the last run", &api, "/api/sdwan/policies", is_drained);
    assert!(post(&api, "/api/sdwan/undrain", &json!({ "local": 0 })).status < 300);
    stand.kill_network();
    stand.start_network();
    wait_for("none", &api, "/api/sdwan/policies", |policies| policies["drains"] == json!([]));
}

#[test]
fn a_rule_for_a_class_of_traffic_is_shown_before_the_built_in_ones() {
    let stand = Stand::start();
    let browser = stand.claim();
    let api = stand.sign_in();
    let rule = "\n[[policy.rule]]\nclass = \"backup\"\nprefixes = [\"10.2.7.0/24\"]\n";
    let applied = api.api("PUT", "/api/config", "application/toml", &(api.get("/api/config").body + rule));
    assert_eq!(applied.status, 200, "{}", applied.body);
    wait_for("the rule is in force", &api, "/api/sdwan/policies", |policies| {
        let (first, next) = (&policies["rules"][0], &policies["rules"][1]);
        first["is_built_in"] == false && first["prefixes"] == json!(["10.2.7.0/24"]) && next["is_built_in"] == true
    });
    let page = browser.get("/policy").body;
    assert!(page.contains("<td>10.2.7.0/24</td>") && page.contains("built-in rules"), "{page}");
}

/// Sets the box up as a person does who has a token.
fn set_up(stand: &Stand, browser: &mut Browser, name: &str, lan: &str, token: &str) -> Answer {
    stand.enter_code(browser);
    let csrf = browser.get("/setup").csrf();
    let changed = ["site", "lan-address", "network"];
    let mut fields: Vec<(&str, &str)> = FORM.iter().copied().filter(|(name, _)| !changed.contains(name)).collect();
    fields.extend([
        ("csrf", csrf.as_str()),
        ("site", name),
        ("lan-address", lan),
        ("network", "join"),
        ("token", token),
    ]);
    browser.post("/setup", &fields)
}

fn both_active(sites: &Value) -> bool {
    sites["sites"]
        .as_array()
        .is_some_and(|sites| sites.len() == 2 && sites.iter().all(|site| site["is_active"] == true))
}

#[test]
fn one_box_creates_a_network_and_another_joins_it_at_its_set_up() {
    with_two_boxes(
        |stand, tokens| {
            let token = tokens.recv().unwrap();
            let mut browser = Browser::default();
            let wrong = set_up(stand, &mut browser, "branch-lyon", "192.168.42.1/24", &token);
            assert!(wrong.status == 422 && wrong.body.contains("such as 192.168.43.1/24"), "{}", wrong.body);
            let done = set_up(stand, &mut browser, "branch-lyon", &lan_of(2), &token);
            assert_eq!((done.status, done.field("location")), (303, Some("/sites")), "{}", done.body);
            let api = stand.sign_in();
            wait_for("both active", &api, "/api/sdwan/sites", both_active);
            wait_for("the path", &api, "/api/sdwan/paths", |paths| paths["paths"][0]["status"] == "up");
            let page = browser.get("/sites").body;
            assert!(
                page.contains("hq-chicago") && page.contains("branch-lyon") && page.contains("2 of 2 active"),
                "{page}"
            );
            let refused =
                browser.post("/sites/tokens", &[("csrf", &browser.get("/sites").csrf()), ("prefixes", "10.9.0.0/24")]);
            assert!(
                refused.status == 422 && refused.body.contains("make this one a signer with the recovery key"),
                "{}",
                refused.body
            );
            // The other side revokes it in the end.
            let done = tokens.recv();
            assert!(done.is_err(), "the first box is done");
        },
        |stand, token| {
            let mut browser = stand.claim();
            let api = stand.sign_in();
            post(&api, "/api/sdwan/network", &json!({}));
            let mut follower = follow(&api, "", &[]).unwrap();
            let made = post(&api, "/api/sdwan/tokens", &json!({ "prefixes": ["192.168.43.0/24"] }));
            token.send(made.json()["token"].as_str().unwrap().to_owned()).unwrap();
            let sites = wait_for("both active", &api, "/api/sdwan/sites", both_active);
            let other = sites["sites"].as_array().unwrap().iter().find(|site| site["is_own"] == false).unwrap().clone();
            assert_eq!((&other["name"], &other["prefixes"]), (&json!("branch-lyon"), &json!(["192.168.43.0/24"])));
            let used = api.get("/api/sdwan/tokens").json();
            assert_eq!(
                (&used["tokens"][0]["state"], &used["tokens"][0]["used_by_name"]),
                (&json!("used"), &json!("branch-lyon"))
            );
            assert_eq!(other["token"], used["tokens"][0]["id"]);
            let paths = wait_for("the path", &api, "/api/sdwan/paths", |paths| paths["paths"][0]["status"] == "up");
            assert_eq!(paths["paths"][0]["peer_name"], "branch-lyon");
            look_at_measurements(&mut browser, &api, other["id"].as_str().unwrap());
            change(&mut browser, &api, &other);
            read_events(&api, &mut follower, other["id"].as_str().unwrap());
        },
    );
}

/// The path is measured, and page, API and Prometheus say the same.
fn look_at_measurements(browser: &mut Browser, api: &Browser, peer: &str) {
    let is_measured = |paths: &Value| {
        let quality = &paths["paths"][0]["quality"];
        quality["liveness"] == "up" && quality["rtt_us"].is_u64() && quality["loss_out_ppm"].is_u64()
    };
    wait_for("a measured path", api, "/api/sdwan/paths", is_measured);
    let metrics = api.get("/api/sdwan/metrics").json();
    assert_eq!(
        (&metrics["paths"][0]["liveness"], &metrics["paths"][0]["peer_name"]),
        (&json!("up"), &json!("branch-lyon"))
    );
    let path = format!("?peer={peer}&local=0&remote=0&span=day");
    let history = api.get(&format!("/api/sdwan/metrics{path}")).json();
    assert_eq!((&history["span"], history["points"].is_array()), (&json!("day"), true), "{history}");
    assert_eq!(api.get(&format!("/api/sdwan/metrics{path}s")).json()["error"]["code"], "unknown-span");
    let toml = api.get("/api/config").body + "\n[[policy.rule]]\nclass = \"voip\"\nports = [\"9000\"]\n";
    let changes = api.api("POST", "/api/config/check", "application/toml", &toml).json()["changes"].clone();
    assert_eq!((&changes["paths"], &changes["flows_compared"]), (&json!([]), &json!(1)), "{changes}");
    assert_eq!(
        (&changes["flows"][0]["from"], &changes["flows"][0]["to"]),
        (&json!("video-conference"), &json!("voip"))
    );
    let text = api.get("/metrics").body;
    assert!(text.contains("# TYPE patronus_path_up gauge\npatronus_path_up{site=\"branch-lyon\","), "{text}");
    assert!(text.contains(",local=\"0\",remote=\"0\",direction=\"out\"} "), "{text}");
    assert_eq!(Browser::default().get("/metrics").status, 401);
    let page = browser.get("/paths").body;
    assert!(page.contains("Round trip") && page.contains(&format!("/paths/path?peer={peer}&amp;local=0")), "{page}");
    let page = browser.get(&format!("/paths/path{path}")).body;
    assert!(page.contains("Path to branch-lyon, slots 0 to 0") && page.contains("Last hour"), "{page}");
    assert_eq!(browser.get("/paths/path?peer=nobody").status, 422);
    test_the_path(browser, api, peer);
}

/// By program and by page: how it is, and how much it carries, as the other box has confirmed.
fn test_the_path(browser: &mut Browser, api: &Browser, peer: &str) {
    // On a machine that is busy a path may be down for a while; that is answered, too.
    let end = Instant::now() + PATIENCE;
    let tested = loop {
        let tested = post(api, "/api/sdwan/paths/test", &json!({ "peer": peer, "local": 0, "remote": 0 })).json();
        if tested["error"]["code"] != "path-down" || Instant::now() > end {
            break tested;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(tested["capacity_kbit"].as_u64() > Some(0) && tested["no_capacity"].is_null(), "{tested}");
    assert!(tested["rtt_median_us"].is_u64() && tested["load_received_bytes"].as_u64() > Some(0), "{tested}");
    let unknown = post(api, "/api/sdwan/paths/test", &json!({ "peer": peer, "local": 0, "remote": 7 })).json();
    assert_eq!(unknown["error"]["code"], "path-unknown");
    let csrf = browser.get("/paths").csrf();
    let fields = |remote| [("csrf", csrf.as_str()), ("peer", peer), ("local", "0"), ("remote", remote)];
    let answer = browser.post("/paths/test", &fields("0"));
    let said: &[&str] = match answer.status {
        200 => &["Carries to there", "about ", " probes and ", "Test again"],
        _ => &["Not tested", "does not answer by this path", "Test again"],
    };
    assert!(said.iter().all(|said| answer.body.contains(said)), "{}", answer.body);
    assert_eq!(browser.post("/paths/test", &fields("7")).status, 422);
}

/// Everything that can be done to a member, by page and by API.
fn change(browser: &mut Browser, api: &Browser, other: &Value) {
    let id = other["id"].as_str().unwrap();
    let csrf = browser.get("/sites").csrf();
    let before = api.get("/api/sdwan/paths").json()["slots"][0]["public_key"].clone();
    assert_eq!(browser.post("/paths/rotate", &[("csrf", &csrf), ("slot", "0")]).status, 303);
    wait_for("the new key", api, "/api/sdwan/paths", |paths| paths["slots"][0]["public_key"] != before);
    wait_for("the path again", api, "/api/sdwan/paths", |paths| paths["paths"][0]["status"] == "up");
    assert_eq!(post(api, "/api/sdwan/slots/rotate", &json!({ "slot": 0 })).status, 200);

    assert_eq!(browser.post("/sites/rename", &[("csrf", &csrf), ("site", id), ("name", "branch-paris")]).status, 303);
    wait_for("the name", api, "/api/sdwan/sites", |sites| sites.to_string().contains("branch-paris"));
    let taken = post(api, "/api/sdwan/sites/rename", &json!({ "site": id, "name": "hq-chicago" }));
    assert_eq!((taken.status, &taken.json()["error"]["code"]), (422, &json!("name-taken")));
    assert_eq!(post(api, "/api/sdwan/sites/renew", &json!({ "site": id })).status, 200);
    assert_eq!(browser.post("/sites/renew", &[("csrf", &csrf), ("site", id)]).status, 303);

    let question = browser.get(&format!("/sites/revoke?id={id}"));
    assert!(question.body.contains("Revoke branch-paris?") && question.body.contains("for ever"), "{}", question.body);
    assert_eq!(browser.post("/sites/revoke", &[("csrf", &csrf), ("site", id)]).status, 303);
    wait_for("the revocation", api, "/api/sdwan/sites", |sites| sites.to_string().contains("\"standing\":\"revoked\""));
    wait_for("no path", api, "/api/sdwan/paths", |paths| paths["paths"].as_array().unwrap().is_empty());
    assert!(browser.get(&format!("/sites/site?id={id}")).body.contains("Revoked"));
}

/// All that happened, as a follower saw it, and as one sees it who goes on from a cursor.
fn read_events(api: &Browser, follower: &mut Socket, site: &str) {
    let mut seen: Vec<Value> = Vec::new();
    let count = |seen: &[Value], kind| seen.iter().filter(|event| is(kind)(event)).count();
    // Whether the path fails before or after the revocation is told is a race of two services.
    while count(&seen, "SiteRevoked") == 0 || count(&seen, "PathEstablished") != count(&seen, "PathFailed") {
        seen.push(next(follower).unwrap());
    }
    assert!(seen.iter().all(|event| event["site"] == site || is("TopologyChanged")(event)), "{seen:?}");
    assert!(count(&seen, "TopologyChanged") >= 2, "it came and went: {seen:?}");
    let first = seen.iter().find(|event| !is("TopologyChanged")(event)).unwrap();
    assert_eq!((&first["event"], &first["name"]), (&json!("SiteJoined"), &json!("branch-lyon")));
    let established = seen.iter().find(|event| is("PathEstablished")(event)).unwrap();
    assert_eq!((&established["local"], &established["remote"]), (&json!(0), &json!(0)));
    let from = seen[0]["cursor"].as_str().unwrap();
    let listed = api.get(&format!("/api/events?cursor={from}")).json();
    assert!(listed["events"].as_array().unwrap().starts_with(&seen[1..]), "{listed}");
    let mut second = follow(api, &format!("?cursor={from}"), &[]).unwrap();
    for event in &seen[1..] {
        assert_eq!(&next(&mut second).unwrap(), event);
    }
}

fn is(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["event"] == kind
}

/// The set-up form of box 2 with these differences.
fn claimed_as_second(stand: &Stand, changes: &[(&str, &str)]) -> Browser {
    let mut browser = Browser::default();
    stand.enter_code(&mut browser);
    let csrf = browser.get("/setup").csrf();
    let lan = lan_of(2);
    let all = [&[("site", "branch-lyon"), ("lan-address", lan.as_str())], changes].concat();
    let mut fields: Vec<(&str, &str)> = FORM.to_vec();
    fields.retain(|(name, _)| !all.iter().any(|(changed, _)| changed == name));
    fields.extend(all);
    fields.push(("csrf", &csrf));
    let done = browser.post("/setup", &fields);
    assert_eq!((done.status, done.field("location")), (303, Some("/sites")), "{}", done.body);
    browser
}

#[test]
fn a_join_that_is_refused_says_which_step_failed_and_the_next_token_works() {
    with_two_boxes(
        |stand, tokens| {
            let mut browser = claimed_as_second(stand, &[]);
            let api = stand.sign_in();
            let csrf = browser.get("/sites").csrf();
            let mistyped = browser.post("/network/join", &[("csrf", &csrf), ("token", "patronus1abc")]);
            assert!(mistyped.status == 422 && mistyped.body.contains("as a whole"), "{}", mistyped.body);
            assert!(mistyped.body.contains("patronus1abc"), "what was typed is kept");
            let expired = tokens.recv().unwrap();
            assert_eq!(browser.post("/network/join", &[("csrf", &csrf), ("token", &expired)]).status, 303);
            let refused = |sites: &Value| sites["joining"]["problem"]["code"] == "token-expired";
            wait_for("the reason", &api, "/api/sdwan/sites", refused);
            let page = browser.get("/sites").body;
            assert!(page.contains("the token was refused") && page.contains("make a new one"), "{page}");
            assert_eq!(api.get("/api/status").json()["network"]["state"], "joining");
            assert!(browser.get("/").body.contains("make a new one"));
            assert_eq!(post(&api, "/api/sdwan/join", &json!({ "token": tokens.recv().unwrap() })).status, 202);
            wait_for("both active", &api, "/api/sdwan/sites", both_active);
            assert!(tokens.recv().is_err(), "the first box is done");
        },
        |stand, token| {
            stand.claim();
            let api = stand.sign_in();
            post(&api, "/api/sdwan/network", &json!({}));
            let make = |valid_s: u64| {
                let wanted = json!({ "valid_s": valid_s, "prefixes": ["192.168.43.0/24"] });
                post(&api, "/api/sdwan/tokens", &wanted).json()["token"].as_str().unwrap().to_owned()
            };
            let expired = make(1);
            let is_over = |tokens: &Value| tokens["tokens"][0]["state"] == "expired";
            wait_for("the end of its time", &api, "/api/sdwan/tokens", is_over);
            token.send(expired).unwrap();
            token.send(make(600)).unwrap();
            wait_for("both active", &api, "/api/sdwan/sites", both_active);
        },
    );
}

#[test]
fn a_claim_whose_join_does_not_come_about_stays_a_claim_and_says_where_one_is() {
    let stand = Stand::start();
    stand.claim();
    let api = stand.sign_in();
    post(&api, "/api/sdwan/network", &json!({}));
    let made = post(&api, "/api/sdwan/tokens", &json!({ "prefixes": ["192.168.43.0/24"] })).json();
    let token = made["token"].as_str().unwrap().to_owned();
    std::thread::spawn(move || claims_without_membership(&token)).join().unwrap();
}

fn claims_without_membership(token: &str) {
    let mut stand = Stand::start_as(2, || {});
    stand.kill_network();
    let mut browser = claimed_as_second(&stand, &[("network", "join"), ("token", token)]);
    assert_eq!(browser.get("/").status, 200, "it is claimed");
    assert_eq!(browser.get("/setup").status, 404);
    stand.start_network();
    let api = stand.sign_in();
    wait_for("membership", &api, "/api/sdwan/sites", |sites| sites["network"].is_null());
    let page = browser.get("/sites");
    assert!(page.body.contains("This site is not in a network"), "{}", page.body);
    assert!(page.body.contains("does not answer") && page.body.contains("Join with a token"));
    let again = browser.post("/network/join", &[("csrf", &page.csrf()), ("token", token)]);
    assert_eq!((again.status, again.field("location")), (303, Some("/sites")), "{}", again.body);
    wait_for("joining", &api, "/api/sdwan/sites", |sites| sites["joining"].is_object());
    assert!(browser.get("/sites").body.contains("Nobody has answered yet"));
}
