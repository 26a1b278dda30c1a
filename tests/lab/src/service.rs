//! A real service in a namespace, started as `init` would.
//!
//! *Does*: hand it its environment and descriptors, wait until it is ready, end it in each of the ways that services end.
//! *Never does*: restart it by itself, lose its socket over a restart.
//! *Spec*: `docs/ipc.md`, section "Environment of a service".

use std::{
    fs::{self, File, Permissions},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use patronus_ipc::{Protocol, context};
use rustix::{
    io::{FdFlags, fcntl_setfd},
    pipe::{PipeFlags, pipe_with},
    process::{Pid, Signal, kill_process},
};

use crate::{Namespace, Sockets};

/// A test runs as root and stands in for all of a service's callers.
const CALLERS: &str = "0=watch,apply,rotate,create-network,appoint,make-token,join,revoke,rename,renew,claim,identity,flows,\
                       firewall,explain,roles,history,look,drain,test";

const TUN: &str = "/dev/net/tun";

/// As whom a service runs, and with which capabilities: arguments of `setpriv`.
#[derive(Clone, Debug)]
pub struct Rights(Vec<String>);

impl Rights {
    /// The service's own user as in the manifest, with these capabilities (`-all,+net_admin`) and no more.
    #[must_use]
    pub fn user(uid: u32, capabilities: &str) -> Self {
        open_tun_to_all();
        Self(vec![
            format!("--reuid={uid}"),
            format!("--regid={uid}"),
            "--clear-groups".to_owned(),
            format!("--inh-caps={capabilities}"),
            format!("--ambient-caps={capabilities}"),
            format!("--bounding-set={capabilities}"),
        ])
    }

    /// Root without one capability (`sys_time`), for what a test must not do to its machine.
    #[must_use]
    pub fn root_without(capability: &str) -> Self {
        Self(vec![format!("--bounding-set=-{capability}"), "--inh-caps=-all".to_owned()])
    }
}

/// Where `udev` runs, everybody may open it; a machine without is made so. If it cannot be, the service says it.
fn open_tun_to_all() {
    const EVERYBODY: u32 = 0o666;
    let is_open = fs::metadata(TUN).is_ok_and(|found| found.permissions().mode() & EVERYBODY == EVERYBODY);
    if !is_open {
        let _ = fs::set_permissions(TUN, Permissions::from_mode(EVERYBODY));
    }
}

/// A service that is started, ended and started again.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    program: PathBuf,
    namespace: String,
    rights: Rights,
    dir: PathBuf,
    // Kept open across restarts of the service, as `init` does.
    listener: UnixListener,
    process: Option<Child>,
}

impl Service {
    /// The service of `P`, whose program a test knows as `env!("CARGO_BIN_EXE_patronus-NAME")`. It does not run yet.
    #[must_use]
    pub fn new<P: Protocol>(
        program: impl Into<PathBuf>,
        sockets: &Sockets,
        namespace: &Namespace,
        rights: Rights,
    ) -> Self {
        Self {
            name: P::SERVICE,
            program: program.into(),
            namespace: namespace.name().to_owned(),
            rights,
            dir: sockets.dir().to_owned(),
            listener: sockets.bind(P::SERVICE),
            process: None,
        }
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Panics
    /// If it ends before.
    pub fn start(&mut self) {
        let ready = self.spawn();
        assert_eq!(rustix::io::read(&ready, &mut [0; 1]).unwrap(), 1, "ended before it was ready: {}", self.log());
    }

    /// Starts it; a byte comes out of the pipe when it is ready, or its end if it ends before.
    fn spawn(&mut self) -> OwnedFd {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let listener = self.listener.try_clone().unwrap();
        // These two are inherited by the service, and by nothing else that this test starts meanwhile: `ip` ignores them.
        fcntl_setfd(&listener, FdFlags::empty()).unwrap();
        fcntl_setfd(&writer, FdFlags::empty()).unwrap();
        let service = Command::new("ip")
            .args(["netns", "exec", &self.namespace, "setpriv"])
            .args(&self.rights.0)
            .arg(&self.program)
            .env(context::SERVICE, self.name)
            .env(context::IPC_DIR, &self.dir)
            .env(context::STATE_DIR, &self.dir)
            .env(context::CALLERS, CALLERS)
            .env(context::LISTEN_FD, listener.as_raw_fd().to_string())
            .env(context::READY_FD, writer.as_raw_fd().to_string())
            .stdout(Stdio::from(File::create(self.log_path()).unwrap()))
            .spawn()
            .unwrap();
        self.process = Some(service);
        reader
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill(&mut self) {
        let mut service = self.running();
        service.kill().unwrap();
        service.wait().unwrap();
    }

    /// It does nothing any more until it goes on.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.process.as_ref().expect("it runs")), signal).unwrap();
    }

    /// SIGTERM, and whether it ended well.
    ///
    /// # Panics
    /// If it does not run.
    pub fn terminate(&mut self) -> bool {
        let mut service = self.running();
        kill_process(Pid::from_child(&service), Signal::TERM).unwrap();
        service.wait().unwrap().success()
    }

    /// Starts it with a socket on which nobody can call, and says whether it ended as failed.
    pub fn start_unreachable(&mut self) -> bool {
        let (end, _) = UnixStream::pair().unwrap();
        self.listener = OwnedFd::from(end).into();
        let _ready = self.spawn();
        !self.running().wait().unwrap().success()
    }

    /// What it said since it was started last.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Which it is.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    fn running(&mut self) -> Child {
        self.process.take().expect("it runs")
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.name))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut service) = self.process.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}
