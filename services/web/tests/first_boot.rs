//! First boot through the page, over TLS, with the real `config`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use patronus_web::limits;
use support::{FORM, PASSWORD, Stand, browser::Browser, filled};

#[test]
fn a_person_claims_the_box_and_lands_on_the_status_page() {
    let stand = Stand::start();
    let mut browser = Browser::default();
    let first = browser.get("/");
    assert_eq!((first.status, first.field("location")), (303, Some("/setup/code")));
    assert!(browser.get("/setup/code").body.contains("Claim code"));
    let code = stand.claim_code().unwrap();
    let typed = format!(" {} ", code.to_lowercase().replace('-', " "));
    let accepted = browser.post("/setup/code", &[("code", &typed)]);
    assert_eq!((accepted.status, accepted.field("location")), (303, Some("/setup")));
    let cookie = accepted.field("set-cookie").unwrap();
    for attribute in ["__Host-patronus=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let form = browser.get("/setup");
    assert!(form.body.contains("eth2") && form.body.contains("Join with a token"));
    let done = browser.post("/setup", &filled(&form.csrf()));
    assert_eq!((done.status, done.field("location")), (303, Some("/sites")), "{}", done.body);
    let status = browser.get("/");
    assert_eq!(status.status, 200);
    for text in ["hq-chicago", "203.0.113.10/24", "BOUND", "Synchronised", "0.1.0"] {
        assert!(status.body.contains(text), "{text}");
    }
    assert_eq!(stand.claim_code(), None, "the console no longer shows the code");
}

#[test]
fn after_the_claim_every_set_up_route_answers_404_even_with_the_old_session() {
    let stand = Stand::start();
    let mut claimant = Browser::default();
    stand.enter_code(&mut claimant);
    let csrf = claimant.get("/setup").csrf();
    let administrator = stand.claim();
    for mut browser in [claimant, administrator, Browser::default()] {
        for path in ["/setup", "/setup/code", "/setup/finish", "/setup/strength"] {
            assert_eq!(browser.get(path).status, 404, "GET {path}");
            assert_eq!(browser.clone().post(path, &filled(&csrf)).status, 404, "POST {path}");
        }
        browser.cookie.clear();
    }
}

#[test]
fn all_errors_are_shown_at_once_beside_their_fields_and_only_passwords_are_lost() {
    let stand = Stand::start();
    let mut browser = Browser::default();
    stand.enter_code(&mut browser);
    let csrf = browser.get("/setup").csrf();
    let fields = [
        ("csrf", csrf.as_str()),
        ("site", "Head <Office>"),
        ("timezone", "Mars/Olympus"),
        ("password", "password123"),
        ("lan-address", "8.8.8.8/24"),
        ("role-eth0", "wan"),
        ("role-eth1", "lan"),
        ("network", "create"),
    ];
    let answer = browser.post("/setup", &fields);
    assert_eq!(answer.status, 422);
    for id in ["site-error", "timezone-error", "password-error", "lan-address-error", "summary"] {
        assert!(answer.body.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert!(answer.body.contains("value=\"Head &lt;Office&gt;\"") && answer.body.contains("Mars/Olympus"));
    assert!(!answer.body.contains("password123"));
    assert_eq!(browser.get("/api/status").status, 403, "still unclaimed");
}

#[test]
fn the_page_tells_its_new_address_before_it_moves() {
    let stand = Stand::start();
    let mut browser = Browser::default();
    stand.enter_code(&mut browser);
    let csrf = browser.get("/setup").csrf();
    let mut fields = filled(&csrf);
    fields.retain(|(name, _)| *name != "lan-address");
    fields.push(("lan-address", "10.20.30.1/24"));
    let told = browser.post("/setup", &fields);
    assert!(told.status == 200 && told.body.contains("https://10.20.30.1/") && told.body.contains("10.20.30.0/24"));
    assert_eq!(browser.get("/api/status").status, 403, "nothing was saved yet");
    let mut stranger = Browser::default();
    stand.enter_code(&mut stranger);
    let other = stranger.get("/setup").csrf();
    assert_eq!(
        stranger.post("/setup/finish", &[("csrf", &other)]).field("location"),
        Some("/setup"),
        "another session finishes nothing"
    );
    let done = browser.post("/setup/finish", &[("csrf", &csrf)]);
    assert!(done.status == 200 && done.body.contains("https://10.20.30.1/"), "{}", done.body);
    assert!(browser.get("/api/config").body.contains("10.20.30.1/24"));
}

#[test]
fn ten_wrong_codes_lock_and_the_lock_survives_kill_and_restart() {
    let mut stand = Stand::start();
    let mut browser = Browser::default();
    let mut wrong = 0;
    while wrong < 10 {
        let answer = browser.post("/setup/code", &[("code", "00000-00000")]);
        match answer.status {
            429 => std::thread::sleep(Duration::from_millis(100)),
            403 => wrong += 1,
            other => panic!("{other}: {}", answer.body),
        }
    }
    let code = stand.claim_code().unwrap();
    std::thread::sleep(Duration::from_millis(1_100));
    let locked = browser.post("/setup/code", &[("code", &code)]);
    assert!(locked.status == 429 && locked.body.contains("15 min"), "{}", locked.body);
    let fingerprint = stand.fingerprint();
    stand.kill_web();
    stand.start_web();
    assert_eq!(stand.claim_code().as_ref(), Some(&code), "the code stays the same");
    assert_eq!(stand.fingerprint(), fingerprint, "the certificate stays the same");
    assert_eq!(browser.post("/setup/code", &[("code", &code)]).status, 429, "the right code too");
}

#[test]
fn a_claim_code_that_was_used_never_opens_the_box_again() {
    let mut stand = Stand::start();
    let mut used = vec![stand.claim_code().unwrap()];
    stand.claim();
    // What the disk still knows of it.
    stand.kill_web();
    stand.lose_configuration();
    stand.start_web();
    let new = wait_for(|| stand.claim_code());
    assert!(!used.contains(&new), "{new}");
    used.push(new);
    // What the running service still knows of it.
    let administrator = stand.claim();
    wait_for(|| stand.claim_code().is_none().then_some(()));
    stand.lose_configuration();
    let new = wait_for(|| stand.claim_code());
    assert!(!used.contains(&new), "{new}");
    assert_eq!(administrator.get("/").field("location"), Some("/setup/code"));
    for used in &used {
        assert_eq!(Browser::default().post("/setup/code", &[("code", used)]).status, 403);
        std::thread::sleep(limits::CLAIM_PAUSE);
    }
    assert_eq!(Browser::default().post("/setup/code", &[("code", &new)]).status, 303);
}

/// Waits for what a service says by itself, 10 s at most.
fn wait_for<T>(ask: impl Fn() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        match ask() {
            Some(answer) => return answer,
            None if start.elapsed() > Duration::from_secs(10) => panic!("it never came"),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[test]
fn a_store_that_a_power_cut_left_half_made_never_keeps_the_page_away() {
    let mut stand = Stand::start();
    let mut fingerprints = std::collections::BTreeSet::from([stand.fingerprint()]);
    stand.kill_web();
    let path = stand.state_dir().join("web.redb");
    let whole = std::fs::read(&path).unwrap();
    let images = [vec![], vec![0; whole.len()], b"garbage".repeat(1000), whole[..whole.len() / 2].to_vec()];
    for (number, image) in images.iter().enumerate() {
        std::fs::write(&path, image).unwrap();
        stand.start_web();
        assert_eq!(Browser::default().get("/setup/code").status, 200, "image {number}");
        assert!(stand.claim_code().is_some());
        assert!(fingerprints.insert(stand.fingerprint()), "image {number}: a new certificate");
        stand.kill_web();
    }
    let aside: Vec<bool> = (1..=4).map(|n| stand.state_dir().join(format!("web.redb.damaged-{n}")).exists()).collect();
    assert_eq!(aside, [false, true, true, true], "the last three are kept");
}

#[test]
fn killing_the_service_at_any_moment_of_its_first_start_never_keeps_the_page_away() {
    let mut stand = Stand::start();
    stand.kill_web();
    let (mut unmade, mut made) = (0, 0);
    for kill in 0..60 {
        std::fs::remove_dir_all(stand.state_dir()).unwrap();
        std::fs::create_dir(stand.state_dir()).unwrap();
        stand.start_and_kill_web(Duration::from_millis(kill));
        if stand.state_dir().join("web.redb").exists() {
            made += 1
        } else {
            unmade += 1
        }
        stand.start_web();
        assert_eq!(Browser::default().get("/setup/code").status, 200, "killed after {kill} ms");
        assert!(!stand.state_dir().join("web.redb.damaged-1").exists(), "killed after {kill} ms");
        stand.kill_web();
    }
    assert!(unmade > 0 && made > 0, "killed before the store was made: {unmade}, after: {made}");
}

#[test]
fn ten_thousand_racing_claims_make_one_owner() {
    const CLAIMS: usize = 10_000;
    const AT_A_TIME: usize = 16;
    let stand = Stand::start();
    let mut browser = Browser::default();
    stand.enter_code(&mut browser);
    let csrf = browser.get("/setup").csrf();
    let owners: Vec<String> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..AT_A_TIME)
            .map(|racer| {
                let (browser, csrf) = (browser.clone(), csrf.clone());
                scope.spawn(move || {
                    (0..CLAIMS / AT_A_TIME).filter_map(|_| race(&mut browser.clone(), &csrf, racer)).collect::<Vec<_>>()
                })
            })
            .collect();
        racers.into_iter().flat_map(|racer| racer.join().unwrap()).collect()
    });
    // On a busy machine the winner's connection may have been closed before it was told: then the console says who it is.
    assert!(owners.len() <= 1, "{owners:?}");
    let owner = owners.first().cloned().unwrap_or_else(|| stand.site().replace("racer-", ""));
    let config = stand.sign_in_with(&format!("{PASSWORD} {owner}")).get("/api/config");
    assert!(config.body.contains(&format!("racer-{owner}")), "{}", config.body);
}

/// One claim with a site name and password of its own; the racer's number if it won and was told.
fn race(browser: &mut Browser, csrf: &str, racer: usize) -> Option<String> {
    let (site, password) = (format!("racer-{racer}"), format!("{PASSWORD} {racer}"));
    let mut fields: Vec<(&str, &str)> =
        FORM.iter().copied().filter(|(name, _)| !["site", "password", "password-again"].contains(name)).collect();
    fields.extend([("csrf", csrf), ("site", &site), ("password", &password), ("password-again", &password)]);
    let answer = browser.post("/setup", &fields);
    match answer.status {
        303 if answer.field("location") == Some("/sites") => Some(racer.to_string()),
        // Too late; or not answered within the deadlines of the door.
        404 | 0 => None,
        other => panic!("{other}: {}", answer.body),
    }
}
