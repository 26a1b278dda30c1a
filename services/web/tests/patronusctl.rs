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
