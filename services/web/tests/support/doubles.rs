//! Plays the parts of `init`, `link`, `clock` and `datapath` over their real protocol.

use std::{
    os::unix::net::UnixListener,
    path::Path,
    sync::{Arc, Mutex},
};

use patronus_ipc::{Access, Answer, Handler, Protocol, clock, datapath, init, link};
use patronus_types::{Generation, MacAddr};
use tokio::sync::watch;

type Console = Arc<Mutex<init::ConsoleFacts>>;
type Asked = Arc<Mutex<Vec<init::Request>>>;

/// Starts all of them on a thread of their own.
pub fn start(ipc_dir: &Path, number: u8) -> (Console, Asked) {
    let listen = |name: &str| UnixListener::bind(ipc_dir.join(format!("{name}.sock"))).unwrap();
    let (init_socket, link_socket, clock_socket) = (listen("init"), listen("link"), listen("clock"));
    let datapath_socket = listen("datapath");
    let (console, asked) = (Console::default(), Asked::default());
    let init_part = InitPart { console: Arc::clone(&console), asked: Arc::clone(&asked) };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let _ = tokio::join!(
                patronus_ipc::serve::<init::Init>(
                    init_socket,
                    access(&["status", "logs", "show-console", "reboot", "power-off"]),
                    Arc::new(init_part)
                ),
                patronus_ipc::serve::<link::Link>(
                    link_socket,
                    access(&["watch"]),
                    Arc::new(Constant(watch::Sender::new(links(number))))
                ),
                patronus_ipc::serve::<clock::Clock>(
                    clock_socket,
                    access(&["watch"]),
                    Arc::new(Constant(watch::Sender::new(time())))
                ),
                patronus_ipc::serve::<datapath::Datapath>(
                    datapath_socket,
                    access(&["watch", "flows", "firewall", "explain"]),
                    Arc::new(DatapathPart)
                ),
            );
        });
    });
    (console, asked)
}

fn access(operations: &[&str]) -> Access {
    let mut access = Access::default();
    for operation in operations {
        access.grant(nix::unistd::getuid().as_raw(), operation);
    }
    access
}

/// To a stranger, and to another site.
fn flows() -> Vec<datapath::Flow> {
    let to_a_stranger = datapath::Flow {
        protocol: 6,
        inside: "192.168.42.77:50000".parse().unwrap(),
        remote: "198.51.100.7:443".parse().unwrap(),
        outside: "203.0.113.7:2000".parse().unwrap(),
        uplink: Some("wan".parse().unwrap()),
        forwarded: false,
        rule: "lan-to-wan".to_owned(),
        answered: true,
        sent: datapath::Traffic { packets: 10, bytes: 1500 },
        received: datapath::Traffic { packets: 20, bytes: 30_000 },
        age_s: 65,
        ends_in_s: 7000,
    };
    let to_a_site = datapath::Flow {
        protocol: 17,
        inside: "192.168.42.77:40000".parse().unwrap(),
        remote: "192.168.43.9:9000".parse().unwrap(),
        outside: "192.168.42.77:40000".parse().unwrap(),
        uplink: None,
        rule: "lan-to-mesh".to_owned(),
        ..to_a_stranger.clone()
    };
    vec![to_a_stranger, to_a_site]
}

/// Two flows, and a few packets that were not carried.
struct DatapathPart;

impl Handler<datapath::Datapath> for DatapathPart {
    async fn handle(&self, _uid: u32, request: datapath::Request) -> Answer<datapath::Datapath> {
        Answer::Once(match request {
            datapath::Request::Watch => datapath::Reply::State(Box::new(datapath::State {
                generation: Generation(1),
                lan: Some("192.168.42.0/24".parse().unwrap()),
                uplinks: vec![datapath::Uplink {
                    name: "wan".parse().unwrap(),
                    port: "eth0".parse().unwrap(),
                    address: [203, 0, 113, 7].into(),
                    mtu: 1500,
                }],
                tunnels: 1,
                configuration: Generation(1),
                flows: 1,
                flows_max: 8192,
                not_carried: [("unsolicited".to_owned(), 3)].into(),
                ipfix: Some(datapath::Ipfix {
                    collectors: vec!["192.168.42.20:4739".parse().unwrap()],
                    messages: 11,
                    records: 120,
                    send_errors: 2,
                    not_told: 1,
                }),
            })),
            datapath::Request::Flows => datapath::Reply::Flows(flows()),
            datapath::Request::Firewall => datapath::Reply::Firewall(Box::new(datapath::Firewall {
                generation: Generation(1),
                rules: vec![datapath::Rule {
                    name: "no-telnet".to_owned(),
                    built_in: false,
                    allows: false,
                    from: "lan".to_owned(),
                    to: "wan".to_owned(),
                    asks: "tcp, to ports 23".to_owned(),
                    log: true,
                    hits: Some(7),
                    problem: None,
                }],
                not_carried: [("rule".to_owned(), 7)].into(),
                problem: None,
                guard: datapath::Guard {
                    uplinks: vec![datapath::Guarded {
                        name: "fibre".parse().unwrap(),
                        in_driver: true,
                        bogons: true,
                        bogons_v6: false,
                        problem: None,
                    }],
                    lists: vec![datapath::Listed { name: "bad".parse().unwrap(), prefixes: 2, hits: 31 }],
                },
            })),
            datapath::Request::Explain(question) => datapath::Reply::Explanation(Box::new(datapath::Explanation {
                from: "lan".to_owned(),
                to: "wan".to_owned(),
                outcome: datapath::Outcome::Dropped,
                rule: Some((1, "no-telnet".to_owned())),
                reason: Some("rule".to_owned()),
                leaves_as: None,
                flows: 0,
                steps: vec![format!("To port {} of protocol {}.", question.port, question.protocol)],
            })),
        })
    }
}

/// A service whose state does not change.
struct Constant<P: Protocol>(watch::Sender<P::Reply>);

impl<P: Protocol> Handler<P> for Constant<P> {
    async fn handle(&self, _uid: u32, _request: P::Request) -> Answer<P> {
        Answer::Follow(self.0.subscribe())
    }
}

struct InitPart {
    console: Console,
    asked: Asked,
}

impl Handler<init::Init> for InitPart {
    async fn handle(&self, _uid: u32, request: init::Request) -> Answer<init::Init> {
        let reply = match &request {
            init::Request::Status => init::Reply::Status(Box::new(status())),
            init::Request::Logs { source, .. } => init::Reply::Logs(logs(source.as_deref())),
            init::Request::ShowConsole(facts) => {
                *self.console.lock().unwrap() = facts.clone();
                init::Reply::Accepted
            }
            init::Request::Reboot | init::Request::PowerOff => init::Reply::Accepted,
        };
        self.asked.lock().unwrap().push(request);
        Answer::Once(reply)
    }
}

fn port(number: u8, role: link::Role, carrier: bool) -> link::Port {
    link::Port {
        name: format!("eth{number}").parse().unwrap(),
        mac: MacAddr([0x52, 0x54, 0, 0x12, 0x34, number]),
        driver: "igc".to_owned(),
        role,
        carrier,
        speed_mbps: carrier.then_some(2500),
    }
}

fn links(number: u8) -> link::State {
    let usual = format!("{}/24", super::ADDRESS).parse().unwrap();
    let uplink = link::Uplink {
        name: "wan".parse().unwrap(),
        port: "eth0".parse().unwrap(),
        carrier: true,
        addresses: vec![
            format!("203.0.113.{}0/24", number).parse().unwrap(),
            format!("2001:db8:1::5054:ff:fe12:34{:02x}/64", number - 1).parse().unwrap(),
        ],
        gateways: vec!["203.0.113.1".parse().unwrap()],
        dns: vec!["203.0.113.1".parse().unwrap()],
        ntp: vec![],
        lease: Some(link::Lease {
            state: "BOUND".to_owned(),
            server: "203.0.113.1".parse().ok(),
            expires_uptime_ms: Some(u64::from(u32::MAX)),
        }),
        problem: None,
    };
    link::State {
        generation: Generation(1),
        ports: vec![port(0, link::Role::Wan, true), port(1, link::Role::Lan, true), port(2, link::Role::Lan, false)],
        uplinks: vec![uplink],
        lan: link::Lan {
            device: "lo".parse().ok(),
            addresses: if number == 1 { vec![usual] } else { vec![usual, super::lan_of(number).parse().unwrap()] },
        },
        ..link::State::default()
    }
}

fn time() -> clock::State {
    clock::State {
        generation: Generation(1),
        synchronised: true,
        server: Some("0.pool.ntp.org".to_owned()),
        offset_us: Some(-1_240),
        stratum: Some(2),
        floor_unix_s: 1_700_000_000,
    }
}

fn status() -> init::Status {
    let service = |name: &str, uid, memory_bytes| init::Service {
        name: name.to_owned(),
        state: init::ServiceState::Ready,
        pid: Some(uid - 9_900),
        uid,
        restarts: 0,
        memory_bytes,
        last_exit: None,
    };
    init::Status {
        version: "0.1.0".to_owned(),
        kernel: "6.12.117-patronus".to_owned(),
        boot: init::Boot {
            boot_id: "8f2b1c1e-0d9a-4f0b-9d2e-6f1f3c9d7a11".to_owned(),
            slot: init::Slot::A,
            root_hash: "5d1f0a7c".repeat(8),
            recovery: false,
            last_failure: None,
        },
        uptime_ms: 7_384_000,
        services: vec![
            service("config", 10_001, 2_400_000),
            service("link", 10_002, 1_900_000),
            service("clock", 10_003, 1_200_000),
            service("web", 10_004, 6_800_000),
        ],
        data: init::Data { state: init::DataState::Clean, size_bytes: 2_000_000_000, free_bytes: 1_950_000_000 },
        memory: init::Memory { total_bytes: 226_000_000, used_bytes: 38_000_000 },
        processes: vec![],
        watchdog: Some("iTCO_wdt".to_owned()),
    }
}

fn logs(source: Option<&str>) -> init::LogPage {
    let line = |sequence, uptime_ms, source: &str, text: &str| init::LogLine {
        sequence,
        uptime_ms,
        source: source.to_owned(),
        text: text.to_owned(),
    };
    let mut lines = vec![
        line(1, 0, "kernel", "Linux version 6.12.117-patronus"),
        line(2, 412, "init", "data partition clean"),
        line(3, 633, "config", "generation 1"),
        line(4, 871, "link", "eth0: up, 2500 Mb/s <b>not markup</b>"),
        line(5, 1204, "web", "listening device=lan address=192.168.42.1"),
    ];
    lines.retain(|line| source.is_none_or(|source| line.source == source));
    init::LogPage { lines, next_after: 5 }
}
