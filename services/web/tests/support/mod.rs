//! A stand to run `web` on: a network namespace with the LAN's address, the real `config`, and someone who plays the parts of
//! `init`, `link` and `clock`, which need a machine.
// Each test file uses a part of this; a helper that fails shall end its test.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod boxes;
pub mod browser;
#[path = "../../../../xtask/src/cargo.rs"]
mod cargo;
pub mod doubles;
pub mod socket;

use std::{
    io::Read,
    os::{fd::AsRawFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Arc, Mutex},
};

use patronus_ipc::{context, init};

/// The router's address on the stand's LAN.
pub const ADDRESS: &str = "192.168.42.1";

/// A running `web` with its neighbours. Must be used on the thread that made it: that thread is in the stand's network.
pub struct Stand {
    dir: tempfile::TempDir,
    pub console: Arc<Mutex<init::ConsoleFacts>>,
    pub asked: Arc<Mutex<Vec<init::Request>>>,
    config: Service,
    web: Option<Service>,
    mesh: Option<Service>,
    tunnel: Option<Service>,
    prober: Option<Service>,
    router: Option<Service>,
}

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stand {
    /// Moves this thread into a network of its own and starts everything.
    pub fn start() -> Self {
        Self::start_as(1, || {})
    }

    /// The same as box `number` of several; its LAN also has the address that [`lan_of`] gives. Its ports are plugged before the services start.
    pub fn start_as(number: u8, plug: impl FnOnce()) -> Self {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
            .expect("the tests need root, as the router's init does");
        run("ip", &["link", "set", "lo", "up"]);
        run("ip", &["address", "add", &format!("{ADDRESS}/24"), "dev", "lo"]);
        if number > 1 {
            run("ip", &["address", "add", &lan_of(number), "dev", "lo"]);
        }
        plug();
        build();
        let dir = tempfile::tempdir().unwrap();
        for place in ["ipc", "config", "web", "mesh", "tunnel", "prober", "router"] {
            std::fs::create_dir(dir.path().join(place)).unwrap();
        }
        let (console, asked) = doubles::start(&dir.path().join("ipc"), number);
        let config = start_service(dir.path(), "config", &beside("patronus-config"));
        let mut stand =
            Self { dir, console, asked, config, web: None, mesh: None, tunnel: None, prober: None, router: None };
        stand.start_network();
        stand.start_web();
        stand
    }

    /// Starts `mesh`, `tunnel`, `prober` and `router`, also when they were killed.
    pub fn start_network(&mut self) {
        self.tunnel = Some(start_service(self.dir.path(), "tunnel", &beside("patronus-tunnel")));
        self.mesh = Some(start_service(self.dir.path(), "mesh", &beside("patronus-mesh")));
        self.prober = Some(start_service(self.dir.path(), "prober", &beside("patronus-prober")));
        self.router = Some(start_service(self.dir.path(), "router", &beside("patronus-router")));
    }

    /// Nobody answers for membership and tunnels any more, though their sockets are there.
    pub fn kill_network(&mut self) {
        self.mesh = None;
        self.tunnel = None;
        self.prober = None;
        self.router = None;
    }

    pub fn start_web(&mut self) {
        *self.console.lock().unwrap() = init::ConsoleFacts::default();
        self.web = Some(start_service(self.dir.path(), "web", Path::new(env!("CARGO_BIN_EXE_patronus-web"))));
        self.wait_for_console();
    }

    /// Kills `web` as a power cut would.
    pub fn kill_web(&mut self) {
        self.web = None;
    }

    /// Starts `web` and kills it after a while, ready or not.
    pub fn start_and_kill_web(&self, pause: std::time::Duration) {
        let (_service, _ready) = spawn_service(self.dir.path(), "web", Path::new(env!("CARGO_BIN_EXE_patronus-web")));
        std::thread::sleep(pause);
    }

    /// `config` loses everything, as if its file had been damaged, and is started again.
    pub fn lose_configuration(&mut self) {
        let _ = self.config.0.kill();
        let _ = self.config.0.wait();
        std::fs::write(self.dir.path().join("config/config.redb"), b"damage").unwrap();
        self.config = start_service(self.dir.path(), "config", &beside("patronus-config"));
    }

    /// Asks `web` to end and gives how it did.
    pub fn terminate_web(&mut self) -> std::process::ExitStatus {
        let mut web = self.web.take().unwrap();
        let pid = nix::unistd::Pid::from_raw(web.0.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        web.0.wait().unwrap()
    }

    pub fn claim_code(&self) -> Option<String> {
        self.console.lock().unwrap().claim_code.clone()
    }

    /// The site's name on the console; empty without one.
    pub fn site(&self) -> String {
        self.console.lock().unwrap().site.clone().unwrap_or_default()
    }

    pub fn fingerprint(&self) -> String {
        self.console.lock().unwrap().fingerprint.clone()
    }

    /// No service has these bytes in any of its files.
    pub fn assert_nowhere_on_disk(&self, bytes: &[u8]) {
        for place in ["config", "web", "mesh", "tunnel", "prober", "router"] {
            for file in std::fs::read_dir(self.dir.path().join(place)).unwrap() {
                let path = file.unwrap().path();
                let content = std::fs::read(&path).unwrap();
                assert!(!content.windows(bytes.len()).any(|window| window == bytes), "{}", path.display());
            }
        }
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("web")
    }

    /// The console is told once the certificate is there; right after it the door opens. Bounded by the connection attempts.
    fn wait_for_console(&self) {
        for _ in 0..500 {
            if !self.fingerprint().is_empty() && std::net::TcpStream::connect((ADDRESS, 443)).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("web did not open its door within 10 s");
    }
}

pub fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

fn cargo(arguments: &[&str]) {
    let status = cargo::cargo().args(arguments).status().unwrap();
    assert!(status.success(), "cargo {arguments:?}: {status}");
}

/// Whether `./scripts/test` has built the programs of other crates; without it they are built here.
fn is_built() -> bool {
    std::env::var_os("PATRONUS_PROGRAMS").is_some()
}

/// The real services, beside this crate's own binary.
fn build() {
    static BUILD: std::sync::Once = std::sync::Once::new();
    let packages = ["config", "mesh", "tunnel", "prober", "router"].map(|name| format!("--package=patronus-{name}"));
    let arguments: Vec<&str> = ["build", "--quiet"].into_iter().chain(packages.iter().map(String::as_str)).collect();
    if !is_built() {
        BUILD.call_once(|| cargo(&arguments));
    }
}

/// The LAN of box `number`, as it is typed at set-up.
pub fn lan_of(number: u8) -> String {
    format!("192.168.{}.1/24", 41 + number)
}

/// `patronusctl`, likewise.
pub fn patronusctl() -> PathBuf {
    if !is_built() {
        cargo(&["build", "--quiet", "--package", "patronus-cli"]);
    }
    beside("patronusctl")
}

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_patronus-web")).with_file_name(name)
}

/// Starts a service as `init` does: environment, listening socket, and a pipe on which it says that it is ready.
fn start_service(dir: &Path, name: &str, binary: &Path) -> Service {
    let (service, mut ready) = spawn_service(dir, name, binary);
    let said = ready.read(&mut [0]).unwrap();
    assert_eq!(said, 1, "{name} ended before it was ready");
    service
}

fn spawn_service(dir: &Path, name: &str, binary: &Path) -> (Service, std::fs::File) {
    let socket = dir.join("ipc").join(format!("{name}.sock"));
    let _ = std::fs::remove_file(&socket);
    let listener = nix::unistd::dup(UnixListener::bind(socket).unwrap()).unwrap();
    let (ready, tell) = nix::unistd::pipe().unwrap();
    let uid = nix::unistd::getuid();
    let operations = "watch,check,apply,confirm,rollback,history,export,claim,credential,set-credential,identity,\
                      create-network,appoint,make-token,join,revoke,rename,renew,rotate,look,roles,explain,drain,test";
    let child = Command::new(binary)
        .env_clear()
        .env(context::SERVICE, name)
        .env(context::IPC_DIR, dir.join("ipc"))
        .env(context::STATE_DIR, dir.join(name))
        .env(context::CALLERS, format!("{uid}={operations}"))
        .env(context::LISTEN_FD, listener.as_raw_fd().to_string())
        .env(context::READY_FD, tell.as_raw_fd().to_string())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    drop(tell);
    (Service(child), ready.into())
}

/// A password that zxcvbn likes.
pub const PASSWORD: &str = "quilt anchor lemon voyage";

/// The set-up form as a person fills it in.
pub const FORM: &[(&str, &str)] = &[
    ("site", "hq-chicago"),
    ("timezone", "America/Chicago"),
    ("password", PASSWORD),
    ("password-again", PASSWORD),
    ("role-eth0", "wan"),
    ("ipv4-eth0", "dhcp"),
    ("role-eth1", "lan"),
    ("role-eth2", "lan"),
    ("lan-address", "192.168.42.1/24"),
    ("network", "create"),
];

impl Stand {
    /// Gives the claim code; the browser then has a set-up session.
    pub fn enter_code(&self, browser: &mut browser::Browser) -> browser::Answer {
        browser.post("/setup/code", &[("code", &self.claim_code().unwrap())])
    }

    /// The whole first boot; the browser then is the administrator's.
    pub fn claim(&self) -> browser::Browser {
        let mut browser = browser::Browser::default();
        assert_eq!(self.enter_code(&mut browser).status, 303);
        let answer = browser.post("/setup", &filled(&browser.get("/setup").csrf()));
        assert_eq!((answer.status, answer.field("location")), (303, Some("/sites")), "{}", answer.body);
        browser
    }

    /// A program that has signed in with the usual password.
    pub fn sign_in(&self) -> browser::Browser {
        self.sign_in_with(PASSWORD)
    }

    pub fn sign_in_with(&self, password: &str) -> browser::Browser {
        let body = serde_json::json!({ "password": password }).to_string();
        let answer = browser::Browser::default().api("POST", "/api/session", "application/json", &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let bearer = answer.json()["token"].as_str().map(str::to_owned);
        browser::Browser { bearer, ..Default::default() }
    }
}

pub fn filled(csrf: &str) -> Vec<(&str, &str)> {
    FORM.iter().copied().chain([("csrf", csrf)]).collect()
}
