//! A namespace with servers on its loopback, and the service started as `init` would.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixListener,
    },
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use hickory_proto::{
    op::{Message, OpCode},
    rr::{RData, Record, RecordType, rdata::A},
};
use patronus_ipc::{
    Answer, Handler,
    clock::{Clock, Request, State},
    config::{self, Claimed, Config, Reply},
    link::{self, Link},
};
use patronus_types::{Document, Generation, Lan, Site, SiteId};
use rustix::{
    io::{FdFlags, fcntl_setfd},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(40);

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Lab {
    namespace: String,
    state: watch::Receiver<Option<State>>,
    service: Option<Child>,
    listener: UnixListener,
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    _values: (watch::Sender<Reply>, watch::Sender<link::State>),
}

struct Desk<T>(watch::Receiver<T>);

impl Handler<Config> for Desk<Reply> {
    async fn handle(&self, _: u32, _: config::Request) -> Answer<Config> {
        Answer::Follow(self.0.clone())
    }
}

impl Handler<Link> for Desk<link::State> {
    async fn handle(&self, _: u32, _: link::Request) -> Answer<Link> {
        Answer::Follow(self.0.clone())
    }
}

impl Lab {
    /// A box that is configured to ask these servers; its resolver is 127.0.0.1.
    pub(crate) fn new(servers: &[&str]) -> Self {
        Self::with_dhcp(servers, &[])
    }

    /// The same, and DHCP names these.
    pub(crate) fn with_dhcp(servers: &[&str], by_dhcp: &[&str]) -> Self {
        let namespace = format!("clock-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &namespace]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = watch::channel(Reply::State(Box::new(configured(servers))));
        let uplinks = watch::channel(link::State { uplinks: vec![uplink(by_dhcp)], ..Default::default() });
        let (config_socket, link_socket) =
            (UnixListener::bind(dir.path().join("config.sock")), UnixListener::bind(dir.path().join("link.sock")));
        let desk = Arc::new(Desk(config.1));
        runtime.spawn(patronus_ipc::serve::<Config>(config_socket.unwrap(), "0=watch".parse().unwrap(), desk));
        let desk = Arc::new(Desk(uplinks.1));
        runtime.spawn(patronus_ipc::serve::<Link>(link_socket.unwrap(), "0=watch".parse().unwrap(), desk));
        let listener = UnixListener::bind(dir.path().join("clock.sock")).unwrap();
        let state = runtime.block_on(async { patronus_ipc::follow::<Clock>(dir.path(), || Request::Watch) });
        Self { namespace, state, service: None, listener, dir, runtime, _values: (config.0, uplinks.0) }
    }

    /// A time server whose clock is wrong by this much.
    pub(crate) fn serve_time(&self, address: &str, wrong_us: i64) {
        self.serve(address, 123, move |question| Some(time_answer(question, wrong_us)));
    }

    /// A time server that asks for fewer questions (RFC 4330 section 8).
    pub(crate) fn serve_rate(&self, address: &str) {
        self.serve(address, 123, |question| {
            let mut answer = time_answer(question, 0);
            answer[1] = 0;
            answer[12..16].copy_from_slice(b"RATE");
            Some(answer)
        });
    }

    /// A resolver that knows one address for every name.
    pub(crate) fn serve_names(&self, address: Ipv4Addr) {
        self.serve("127.0.0.1", 53, move |question| {
            let question = Message::from_vec(question).ok()?;
            let mut answer = Message::response(question.metadata.id, OpCode::Query);
            answer.queries = question.queries.clone();
            let query = question.queries.first()?;
            if query.query_type() == RecordType::A {
                answer.answers.push(Record::from_rdata(query.name().clone(), 60, RData::A(A(address))));
            }
            answer.to_vec().ok()
        });
    }

    fn serve(&self, address: &str, port: u16, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) {
        let namespace = File::open(format!("/run/netns/{}", self.namespace)).unwrap();
        let address: IpAddr = address.parse().unwrap();
        let (bound, is_bound) = std::sync::mpsc::channel();
        // The thread ends with the test process; its socket keeps no name alive.
        std::thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let socket = UdpSocket::bind((address, port)).unwrap();
            bound.send(()).unwrap();
            let mut buffer = [0; 1500];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer(&buffer[..count]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        is_bound.recv().unwrap();
    }

    pub(crate) fn start(&mut self) {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let listener = self.listener.try_clone().unwrap();
        fcntl_setfd(&listener, FdFlags::empty()).unwrap();
        fcntl_setfd(&writer, FdFlags::empty()).unwrap();
        let service = Command::new("ip")
            .args(["netns", "exec", &self.namespace, "setpriv", "--bounding-set=-sys_time", "--inh-caps=-all"])
            .arg(env!("CARGO_BIN_EXE_patronus-clock"))
            .env("PATRONUS_SERVICE", "clock")
            .env("PATRONUS_IPC_DIR", self.dir.path())
            .env("PATRONUS_STATE_DIR", self.dir.path())
            .env("PATRONUS_CALLERS", "0=watch")
            .env("PATRONUS_LISTEN_FD", listener.as_raw_fd().to_string())
            .env("PATRONUS_READY_FD", writer.as_raw_fd().to_string())
            .stdout(Stdio::from(File::create(self.dir.path().join("log")).unwrap()))
            .spawn()
            .unwrap();
        self.service = Some(service);
        drop((listener, writer));
        assert_eq!(rustix::io::read(&reader, &mut [0; 1]).unwrap(), 1, "not ready: {}", self.log());
    }

    /// Hands the service a socket on which nobody can call, and says whether it ended as failed.
    pub(crate) fn start_unreachable(&mut self) -> bool {
        let (end, _) = std::os::unix::net::UnixStream::pair().unwrap();
        self.listener = std::os::fd::OwnedFd::from(end).into();
        self.start();
        !self.service.take().expect("it was started").wait().unwrap().success()
    }

    pub(crate) fn terminate(&mut self) -> bool {
        let mut service = self.service.take().expect("it runs");
        let pid = rustix::process::Pid::from_child(&service);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        service.wait().unwrap().success()
    }

    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
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

    pub(crate) fn wait_for_log(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < end, "never said: {text}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments:?}");
}

fn configured(servers: &[&str]) -> config::State {
    let document = Document {
        version: 1,
        site: Site { name: "lab".parse().unwrap(), timezone: "UTC".parse().unwrap() },
        clock: patronus_types::Clock { servers: servers.iter().map(|server| server.parse().unwrap()).collect() },
        lan: Lan { ports: Vec::new(), address: "192.168.42.1/24".parse().unwrap(), address_v6: None },
        uplinks: Vec::new(),
    };
    let claimed = Some(Claimed { site_id: SiteId([0; 32]), document, trial: None });
    config::State { generation: Generation(1), claimed }
}

fn uplink(ntp: &[&str]) -> link::Uplink {
    link::Uplink {
        name: "wan".parse().unwrap(),
        port: "lo".parse().unwrap(),
        carrier: true,
        addresses: Vec::new(),
        gateways: Vec::new(),
        dns: vec![Ipv4Addr::LOCALHOST.into()],
        ntp: ntp.iter().map(|server| server.parse().unwrap()).collect(),
        lease: None,
        problem: None,
    }
}

/// Version 4, mode 4, stratum 2; the question's time of sending comes back as origin.
fn time_answer(question: &[u8], wrong_us: i64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as i64 + wrong_us;
    let seconds = (now.div_euclid(1_000_000) + 2_208_988_800) as u64;
    let fraction = ((now.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
    let timestamp = (seconds << 32 | fraction).to_be_bytes();
    let mut answer = vec![0; 48];
    (answer[0], answer[1]) = (4 << 3 | 4, 2);
    answer[24..32].copy_from_slice(&question[40..48]);
    answer[32..40].copy_from_slice(&timestamp);
    answer[40..48].copy_from_slice(&timestamp);
    answer
}
