//! A box and its neighbours in network namespaces of their own.
//!
//! *Does*: namespaces with names unique to this process, cables between them, the real service started as `init` would.
//! *Never does*: leave anything behind: namespaces and processes go by their own names and ids when the lab is dropped.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod scan;
pub mod server;

use std::{
    fs::File,
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixListener,
    },
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use patronus_ipc::{
    Answer, Handler,
    config::{self, Claimed, Config, Reply},
    link::{Link, Request, State},
};
use patronus_types::{Document, Generation, SiteId};
use rustix::{
    io::{FdFlags, fcntl_setfd},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use tokio::sync::watch;

/// The service's own user, as in the manifest.
const UID: u32 = 10002;
/// And all that it may do beyond an ordinary user.
const CAPABILITIES: &str = "-all,+net_admin,+net_raw";
/// How long anything may take that must happen.
pub const PATIENCE: Duration = Duration::from_secs(40);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A network namespace.
pub struct Namespace(pub String);

impl Namespace {
    pub fn new(role: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("link-{}-{number}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self(name);
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `ip` inside.
    pub fn ip(&self, arguments: &[&str]) -> String {
        ip(&[&["-n", self.0.as_str()], arguments].concat())
    }

    /// Runs code in a thread that lives inside.
    pub fn run<T: Send + 'static>(&self, code: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
        let file = File::open(format!("/run/netns/{}", self.0)).unwrap();
        std::thread::spawn(move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            code()
        })
    }

    /// A cable from here to there.
    pub fn cable(&self, here: &str, other: &Self, there: &str) {
        self.ip(&["link", "add", here, "type", "veth", "peer", "name", there, "netns", &other.0]);
        other.ip(&["link", "set", there, "up"]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A box with a WAN and a LAN cable, its neighbours, and the service.
pub struct Lab {
    pub wan: Namespace,
    pub lan: Namespace,
    pub inside: Namespace,
    config: watch::Sender<Reply>,
    state: watch::Receiver<Option<State>>,
    service: Option<Child>,
    // Kept open across restarts of the service, as `init` does.
    listener: UnixListener,
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

struct Desk(watch::Receiver<Reply>);

impl Handler<Config> for Desk {
    async fn handle(&self, _: u32, _: config::Request) -> Answer<Config> {
        Answer::Follow(self.0.clone())
    }
}

impl Lab {
    /// An unclaimed box: `eth0` is WAN, `eth1` is LAN. The service does not run yet.
    pub fn new() -> Self {
        let (wan, lan, inside) = (Namespace::new("wan"), Namespace::new("lan"), Namespace::new("box"));
        inside.cable("eth0", &wan, "w0");
        inside.cable("eth1", &lan, "l0");
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (config, values) = watch::channel(Reply::State(Box::default()));
        let desk = UnixListener::bind(dir.path().join("config.sock")).unwrap();
        let access = "10002=watch".parse().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(UID), Some(UID)).unwrap();
        std::os::unix::fs::chown(dir.path().join("config.sock"), Some(UID), Some(UID)).unwrap();
        runtime
            .spawn(async move { patronus_ipc::serve::<Config>(desk, access, std::sync::Arc::new(Desk(values))).await });
        let listener = UnixListener::bind(dir.path().join("link.sock")).unwrap();
        let state = runtime.block_on(async { patronus_ipc::follow::<Link>(dir.path(), || Request::Watch) });
        Self { wan, lan, inside, config, state, service: None, listener, dir, runtime }
    }

    /// Starts the service and waits until it says that it is ready.
    pub fn start(&mut self) {
        let ready = self.spawn();
        assert_eq!(rustix::io::read(&ready, &mut [0; 1]).unwrap(), 1, "ended before it was ready: {}", self.log());
    }

    /// Starts the service; a byte comes out of the pipe when it is ready, or its end if it ends before.
    fn spawn(&mut self) -> std::os::fd::OwnedFd {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let listener = self.listener.try_clone().unwrap();
        // These two are inherited by the service, and by nothing else that this test starts meanwhile: `ip` ignores them.
        fcntl_setfd(&listener, FdFlags::empty()).unwrap();
        fcntl_setfd(&writer, FdFlags::empty()).unwrap();
        let service = Command::new("ip")
            .args(["netns", "exec", &self.inside.0, "setpriv", "--reuid=10002", "--regid=10002", "--clear-groups"])
            .args(["--inh-caps", CAPABILITIES, "--ambient-caps", CAPABILITIES, "--bounding-set", CAPABILITIES])
            .arg(env!("CARGO_BIN_EXE_patronus-link"))
            .env("PATRONUS_SERVICE", "link")
            .env("PATRONUS_IPC_DIR", self.dir.path())
            .env("PATRONUS_STATE_DIR", self.dir.path())
            .env("PATRONUS_CALLERS", "0=watch")
            .env("PATRONUS_LISTEN_FD", listener.as_raw_fd().to_string())
            .env("PATRONUS_READY_FD", writer.as_raw_fd().to_string())
            .stdout(Stdio::from(File::create(self.dir.path().join("log")).unwrap()))
            .spawn()
            .unwrap();
        self.service = Some(service);
        reader
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut service = self.service.take().expect("it runs");
        service.kill().unwrap();
        service.wait().unwrap();
    }

    /// Hands the service a socket on which nobody can call, and says whether it ended as failed.
    pub fn start_unreachable(&mut self) -> bool {
        let (end, _) = std::os::unix::net::UnixStream::pair().unwrap();
        self.listener = std::os::fd::OwnedFd::from(end).into();
        let _ready = self.spawn();
        !self.service.take().expect("it was started").wait().unwrap().success()
    }

    /// SIGTERM, and whether it ended well.
    pub fn terminate(&mut self) -> bool {
        let mut service = self.service.take().expect("it runs");
        let pid = rustix::process::Pid::from_child(&service);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        service.wait().unwrap().success()
    }

    /// The box is claimed with this document, or gets a new one.
    pub fn configure(&self, document: Document) {
        let claimed = Claimed { site_id: SiteId([0; 32]), document, trial: None };
        self.config.send_modify(|reply| {
            let generation = match reply {
                Reply::State(state) => state.generation.next(),
                _ => Generation(1),
            };
            *reply = Reply::State(Box::new(config::State { generation, claimed: Some(claimed) }));
        });
    }

    /// Waits until the published state is as wanted.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
        let mut state = self.state.clone();
        let found = self.runtime.block_on(async {
            let seen = state.wait_for(|state| state.as_ref().is_some_and(&wanted));
            tokio::time::timeout(PATIENCE, seen).await.map(|state| state.unwrap().clone())
        });
        match found {
            Ok(state) => state.unwrap(),
            Err(_) => panic!("never: {what}\n{:#?}\n{}", self.state.borrow(), self.log()),
        }
    }

    /// Waits until something outside is as wanted.
    pub fn eventually(&self, what: &str, wanted: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted() {
            assert!(Instant::now() < end, "never: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn state_dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}
