//! The router from a terminal: the real `patronusctl` against the real API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use support::{ADDRESS, PASSWORD, Stand};

/// A workstation with a home directory of its own.
struct Workstation {
    home: tempfile::TempDir,
    program: PathBuf,
}

impl Workstation {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), program: support::patronusctl() }
    }

    fn run(&self, arguments: &[&str], typed: &str) -> Output {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("XDG_CONFIG_HOME", self.home.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that never reads its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed and gives what it printed.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn exit_code(&self, arguments: &[&str]) -> i32 {
        self.run(arguments, "").status.code().unwrap()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path: &Path = &self.home.path().join(name);
        std::fs::write(path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn an_administrator_signs_in_changes_the_configuration_and_signs_out() {
    let stand = Stand::start();
    stand.claim();
    let station = Workstation::new();
    let login = station.run(&["login", ADDRESS, "--fingerprint", &stand.fingerprint()], &format!("{PASSWORD}\n"));
    assert!(login.status.success(), "{}", String::from_utf8_lossy(&login.stderr));
    assert!(station.says(&["status"]).contains("hq-chicago"));
    assert!(station.says(&["services"]).contains("config"));
    assert!(station.says(&["logs", "link"]).contains("2500 Mb/s"));
    let toml = station.says(&["config", "show"]);
    let file = station.file("new.toml", &toml.replace("America/Chicago", "Europe/Zurich"));
    assert!(station.says(&["config", "check", &file]).contains("valid"));
    assert!(station.says(&["config", "apply", &file, "--confirm-within", "120"]).contains("on trial"));
    assert!(station.says(&["config", "confirm"]).contains("stays"));
    assert!(station.says(&["config", "show"]).contains("Europe/Zurich"));
    station.says(&["config", "rollback"]);
    assert!(station.says(&["config", "show"]).contains("America/Chicago"));
    assert!(station.says(&["config", "history"]).contains("(running)"));
    assert!(
        station
            .says(&["firewall"])
            .contains("no-telnet                drop   lan   wan            7  tcp, to ports 23")
    );
    assert!(station.says(&["explain", "192.168.42.9", "198.51.100.7", "tcp", "23"]).contains("It is dropped."));
    let web = ["forwards", "add", "web", "tcp", "80", "192.168.42.9:8080", "--source", "198.51.100.0/24"];
    assert!(station.says(&web).contains("runs"));
    assert_eq!(station.exit_code(&["forwards", "add", "web", "udp", "51830", "192.168.42.9:1"]), 1);
    assert!(station.says(&["forwards"]).contains("web                  tcp 80            192.168.42.9:8080"));
    assert!(station.says(&["forwards", "remove", "web", "--confirm-within", "60"]).contains("on trial"));
    assert!(!station.says(&["forwards"]).contains("8080"));
    let json: serde_json::Value = serde_json::from_str(&station.says(&["status", "--json"])).unwrap();
    assert_eq!(json["site"], "hq-chicago");
    station.says(&["reboot"]);
    assert!(stand.asked.lock().unwrap().contains(&patronus_ipc::init::Request::Reboot));
    station.says(&["logout"]);
    assert_eq!(station.exit_code(&["status"]), 4);
}

#[test]
fn what_goes_wrong_has_its_own_exit_code() {
    let stand = Stand::start();
    stand.claim();
    let station = Workstation::new();
    assert_eq!(station.exit_code(&["status"]), 2, "no router known");
    assert_eq!(station.exit_code(&["--host", ADDRESS, "status"]), 4, "not signed in");
    assert_eq!(station.exit_code(&["login", ADDRESS]), 5, "nobody there to confirm the fingerprint");
    assert_eq!(station.exit_code(&["login", ADDRESS, "--fingerprint", &"AB".repeat(32)]), 5, "another certificate");
    assert_eq!(
        station.exit_code(&["login", "127.0.0.1", "--fingerprint", &"AB".repeat(32)]),
        3,
        "nobody listens there"
    );
    assert_eq!(station.exit_code(&["login", ADDRESS, "--fingerprint", &stand.fingerprint()]), 1, "empty password");
    let login = station.run(&["login", ADDRESS, "--fingerprint", &stand.fingerprint()], &format!("{PASSWORD}\n"));
    assert!(login.status.success());
    let file = station.file("bad.toml", "version = 1\n");
    let refused = station.run(&["config", "apply", &file], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(!refused.stderr.is_empty());
}

/// The words of a program that has signed in.
fn signed_in(stand: &Stand) -> Workstation {
    let station = Workstation::new();
    let login = station.run(&["login", ADDRESS, "--fingerprint", &stand.fingerprint()], &format!("{PASSWORD}\n"));
    assert!(login.status.success(), "{}", String::from_utf8_lossy(&login.stderr));
    station
}

#[test]
fn one_terminal_creates_a_network_and_another_joins_it() {
    support::boxes::with_two_boxes(
        |stand, tokens| {
            stand.claim();
            let station = signed_in(stand);
            assert!(station.says(&["sites"]).contains("in no network"));
            let wrong = station.run(&["join", "-"], "hello\n");
            assert!(String::from_utf8_lossy(&wrong.stderr).contains("patronus1"), "{wrong:?}");
            let token = tokens.recv().unwrap();
            let other_lan = station.run(&["join", &token], "");
            assert!(String::from_utf8_lossy(&other_lan.stderr).contains("192.168.43.1/24"), "{other_lan:?}");
            // By page or by configuration; the box's LAN has both addresses.
            let toml = station.says(&["config", "show"]).replace("192.168.42.1/24", "192.168.43.1/24");
            let toml = toml.replace("hq-chicago", "branch-lyon");
            station.says(&["config", "apply", &station.file("lan.toml", &toml)]);
            let joined = station.run(&["join", "-"], &format!("{token}\n"));
            assert!(joined.status.success(), "{joined:?}");
            assert!(String::from_utf8_lossy(&joined.stdout).contains("Joined."));
            let done = tokens.recv();
            assert!(done.is_err(), "the first box is done");
        },
        |stand, token| {
            stand.claim();
            let station = signed_in(stand);
            let file = station.home.path().join("recovery.txt").to_str().unwrap().to_owned();
            let created = station.says(&["network", "create", "--recovery-file", &file]);
            let network = created.split_whitespace().nth(2).unwrap().to_owned();
            assert!(std::fs::read_to_string(&file).unwrap().contains(&network), "{created}");
            assert!(station.says(&["network", "make-signer", &file]).contains("is a signer now"));
            assert!(station.says(&["network", "signers"]).contains("this router"));
            assert_eq!(station.exit_code(&["network", "withdraw-signer", "zz", &file]), 1, "no such signer");
            let other = station.file("other.txt", "");
            assert_eq!(station.exit_code(&["network", "create", "--recovery-file", &other]), 1, "never over a file");
            let second = station.home.path().join("second.txt");
            let refused =
                station.run(&["--json", "network", "create", "--recovery-file", second.to_str().unwrap()], "");
            assert!(
                String::from_utf8_lossy(&refused.stderr).contains("in-a-network") && !second.exists(),
                "{refused:?}"
            );
            let made: serde_json::Value = serde_json::from_str(&station.says(&["token", "make", "--json"])).unwrap();
            token.send(made["token"].as_str().unwrap().to_owned()).unwrap();
            wait_until(|| station.says(&["sites"]).contains("branch-lyon"));
            wait_until(|| station.says(&["paths"]).contains("up"));
            wait_until(|| {
                station.says(&["path", "test", "branch-lyon", "0", "0"]).contains("carries to there   about ")
            });
            assert_eq!(station.exit_code(&["path", "test", "branch-lyon", "0", "7"]), 1, "no such path");
            assert!(station.says(&["token", "list"]).contains("branch-lyon"));
            assert!(station.says(&["sites", "show", "branch-lyon"]).contains("192.168.43.0/24"));
            station.says(&["sites", "renew", "branch-lyon"]);
            station.says(&["sites", "rename", "branch-lyon", "branch-paris"]);
            wait_until(|| station.says(&["sites"]).contains("branch-paris"));
            assert_eq!(station.exit_code(&["sites", "revoke", "branch-paris"]), 1, "nobody said yes");
            assert_eq!(station.exit_code(&["sites", "revoke", "nowhere", "--yes"]), 1);
            station.says(&["sites", "revoke", "branch-paris", "--yes"]);
            wait_until(|| station.says(&["sites"]).contains("revoked"));
            for event in ["SiteJoined", "PathEstablished", "SiteRevoked", "PathFailed"] {
                wait_until(|| station.says(&["events"]).contains(event));
            }
            follow(&station, &station.says(&["events"]));
        },
    );
}

/// All events again, followed from before the first.
fn follow(station: &Workstation, events: &str) {
    let json = station.says(&["events", "--json"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    let mut command = Command::new(&station.program);
    command.args(["events", "--follow", "--cursor", first["cursor"].as_str().unwrap()]);
    command.env_clear().env("XDG_CONFIG_HOME", station.home.path());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let expected: Vec<&str> = events.lines().skip(1).collect();
    let followed: Vec<String> = lines.take(expected.len()).map_while(Result::ok).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(followed, expected);
}

/// Waits for what comes by itself, 30 s at most.
fn wait_until(wanted: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !wanted() {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "it never came");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
