//! `init`'s part: a listening socket, the environment, a directory for state.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use patronus_ipc::{
    CallError, Outcome, call,
    config::{Claim, Config, Network, Reply, Request, State},
    context, follow,
    frame::{Decoder, encode},
};
use patronus_types::Document;
use rustix::io::{FdFlags, fcntl_setfd};
use tokio::{sync::watch, task::JoinHandle};

const OPERATIONS: &str = "watch,check,apply,confirm,rollback,history,export,claim,credential,set-credential,identity";

/// A box with this one service.
pub(crate) struct Appliance {
    dir: tempfile::TempDir,
    listener: UnixListener,
    child: Child,
}

impl Appliance {
    /// Starts the service on an empty state directory.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        let listener = UnixListener::bind(dir.path().join("config.sock")).unwrap();
        let child = spawn(&mut service(), dir.path(), &listener);
        Self { dir, listener, child }
    }

    /// Starts the service again.
    pub(crate) async fn restart(&mut self) {
        self.restart_as(&mut service()).await;
    }

    /// Starts the service again, with no file of its own longer than this: to it, the disk is full then.
    pub(crate) async fn restart_on_full_disk(&mut self, file_kib: u32) {
        let mut shell = Command::new("sh");
        // In blocks of 512 bytes (POSIX). Ignored, the signal becomes an error, and stays ignored in the service.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\"", file_kib * 2);
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_patronus-config")]);
        self.restart_as(&mut shell).await;
    }

    /// On a new socket of the same name: what nobody had accepted on the old one is gone.
    async fn restart_as(&mut self, command: &mut Command) {
        self.child.wait().unwrap();
        fs::remove_file(self.dir.path().join("config.sock")).unwrap();
        self.listener = UnixListener::bind(self.dir.path().join("config.sock")).unwrap();
        self.child = spawn(command, self.dir.path(), &self.listener);
    }

    pub(crate) async fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.restart().await;
    }

    /// SIGKILL after a while, from a thread of its own. What it gives ends when the process has ended.
    pub(crate) fn kill_after(&mut self, pause: Duration) -> JoinHandle<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        tokio::task::spawn_blocking(move || {
            std::thread::sleep(pause);
            rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL).unwrap();
        })
    }

    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    pub(crate) async fn call(&self, request: &Request) -> Reply {
        self.try_call(request).await.unwrap()
    }

    pub(crate) async fn try_call(&self, request: &Request) -> Result<Reply, CallError> {
        call::<Config>(self.dir.path(), request).await
    }

    /// A connection of its own, for many requests.
    pub(crate) fn connect(&self) -> Caller {
        let stream = UnixStream::connect(self.dir.path().join("config.sock")).unwrap();
        Caller { stream, decoder: Decoder::default() }
    }

    /// The name of the one reason why the request changes nothing.
    pub(crate) async fn rejection(&self, request: &Request) -> String {
        let Reply::Rejected(problems) = self.call(request).await else { panic!("accepted") };
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        problem.code.clone()
    }

    pub(crate) async fn state(&self) -> State {
        let Reply::State(state) = self.call(&Request::Watch).await else { panic!("no state") };
        *state
    }

    pub(crate) fn follow(&self) -> watch::Receiver<Option<Reply>> {
        follow::<Config>(self.dir.path(), || Request::Watch)
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

/// One connection, without a runtime: what it asks is sent at once.
pub(crate) struct Caller {
    stream: UnixStream,
    decoder: Decoder,
}

impl Caller {
    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        self.stream.write_all(&encode(request).unwrap()).unwrap();
        loop {
            if let Some(outcome) = self.decoder.poll_message::<Outcome<Config>>().unwrap() {
                return outcome.unwrap();
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the service closed the connection");
            self.decoder.handle_bytes(&buffer[..count]);
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn service() -> Command {
    Command::new(env!("CARGO_BIN_EXE_patronus-config"))
}

/// Starts the service and waits until it says that it is ready.
fn spawn(command: &mut Command, dir: &Path, listener: &UnixListener) -> Child {
    let (ready, says_ready) = rustix::pipe::pipe().unwrap();
    let listen_fd = inheritable(listener);
    let ready_fd = inheritable(&says_ready);
    let uid = rustix::process::getuid().as_raw();
    let log = File::options().create(true).append(true).open(dir.join("log")).unwrap();
    let child = command
        .env(context::SERVICE, "config")
        .env(context::IPC_DIR, dir)
        .env(context::STATE_DIR, dir.join("state"))
        .env(context::CALLERS, format!("{uid}={OPERATIONS}"))
        .env(context::LISTEN_FD, listen_fd.to_string())
        .env(context::READY_FD, ready_fd.to_string())
        .stdout(log)
        .spawn()
        .unwrap();
    drop(says_ready);
    let mut said = [0; 1];
    let count = rustix::io::read(&ready, &mut said).unwrap();
    assert_eq!((count, &said), (1, b"1"), "{}", fs::read_to_string(dir.join("log")).unwrap());
    child
}

fn inheritable(fd: &impl AsFd) -> i32 {
    use std::os::fd::AsRawFd;
    fcntl_setfd(fd, FdFlags::empty()).unwrap();
    fd.as_fd().as_raw_fd()
}

/// A document that says its number, of about 2 KiB.
pub(crate) fn document(number: u64) -> Document {
    let servers: Vec<String> = (0..8).map(|server| format!("\"{}.{server}.test\"", ["long"; 48].join("."))).collect();
    let toml = format!(
        "version = 1\n[site]\nname = \"site-{number}\"\ntimezone = \"UTC\"\n[clock]\nservers = [{}]\n\
         [lan]\nports = [\"eth1\"]\naddress = \"10.0.0.1/24\"\n",
        servers.join(", ")
    );
    patronus_config::accept(&toml).unwrap()
}

pub(crate) fn claim(number: u64) -> Request {
    let password_phc = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG".to_owned();
    Request::Claim(Box::new(Claim { document: document(number), password_phc, network: Network::Create }))
}

/// A claim that nobody else makes.
pub(crate) fn own_claim(number: u64) -> Request {
    let Request::Claim(mut claim) = claim(0) else { unreachable!() };
    claim.document.site.name = format!("racer-{number}").parse().unwrap();
    claim.password_phc = claim.password_phc.replace("c29tZXNhbHQ", &format!("{number:012}"));
    Request::Claim(claim)
}

pub(crate) fn apply(number: u64, confirm_within_s: Option<u32>) -> Request {
    let toml = patronus_config::emit(&document(number)).unwrap();
    Request::Apply { toml, base: None, confirm_within_s, author: "ada".into() }
}
