//! What uplinks do not let in, in the driver and behind it.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use patronus_ebpf_abi::guard::{BURST_NS, Opening};
use patronus_ipc::datapath::{Outcome, Question, Reply, Request};
use patronus_lab::Namespace;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::lab::{COMPUTER, COMPUTER_SIX, FAR, FAR_SIX, Lab, OUTSIDE, PROVIDER};

/// A packet that passes is there by then.
const SILENCE: Duration = Duration::from_millis(700);
const GAME: &str = r#"{"name":"game","protocol":"udp","outside":"7000","inside":"192.168.42.2:7000"}"#;
const WEB: &str = r#"{"name":"web","protocol":"tcp","outside":"8000","inside":"192.168.42.2:80"}"#;
const HOOKS: [(&str, bool); 2] = [("tc", false), ("xdp", true)];

fn socket(namespace: &Namespace, address: &'static str, port: u16) -> UdpSocket {
    let socket = namespace.inside(move || UdpSocket::bind((address, port)).unwrap());
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket
}

fn hears(socket: &UdpSocket) -> bool {
    socket.recv_from(&mut [0; 64]).is_ok()
}

fn count(lab: &Lab, reason: &str) -> u64 {
    let Reply::Firewall(firewall) = lab.ask(&Request::Firewall) else { panic!("no counts") };
    firewall.not_carried.get(reason).copied().unwrap_or_default()
}

/// Waits until the guard has lists with these names, and looks there.
fn is_in_force(lab: &Lab, in_driver: bool, lists: &[&str]) {
    patronus_lab::eventually(
        "the guard",
        || {
            let guard = lab.guard();
            let names = guard.lists.iter().map(|list| list.name.as_str());
            names.eq(lists.iter().copied()) && guard.uplinks.iter().all(|uplink| uplink.in_driver == in_driver)
        },
        || format!("{:?}", lab.guard()),
    );
}

#[test]
fn who_is_on_a_list_is_kept_out_with_all_that_he_answers_until_the_list_goes() {
    let mut lab = Lab::new();
    let (computer, far) = (socket(&lab.computer, COMPUTER, 7000), socket(&lab.far, FAR, 7));
    let (six, far_six) = (socket(&lab.computer, COMPUTER_SIX, 7000), socket(&lab.far, FAR_SIX, 7));
    for (hook, in_driver) in HOOKS {
        lab.set_guard(&format!(r#""hook":"{hook}""#), GAME);
        is_in_force(&lab, in_driver, &[]);
        patronus_lab::eventually(
            "the forward",
            || far.send_to(b"hello", (OUTSIDE, 7000)).is_ok() && hears(&computer),
            String::new,
        );
        let (blocked, before) = (format!(r#""hook":"{hook}","block":[{LISTS}]"#), count(&lab, "blocked"));
        lab.set_guard(&blocked, GAME);
        is_in_force(&lab, in_driver, &["wide", "narrow"]);
        while hears(&computer) {}
        far.send_to(b"by a forward", (OUTSIDE, 7000)).unwrap();
        assert!(!hears(&computer), "{hook}");
        computer.send_to(b"hello", (FAR, 7)).unwrap();
        assert!(hears(&far));
        far.send_to(b"an answer", (OUTSIDE, 7000)).unwrap();
        assert!(!hears(&computer), "{hook}");
        six.send_to(b"hello", (FAR_SIX, 7)).unwrap();
        assert!(hears(&far_six));
        far_six.send_to(b"an answer", (COMPUTER_SIX, 7000)).unwrap();
        assert!(!hears(&six), "{hook}");
        assert_eq!(count(&lab, "blocked") - before, 3);
        let hits: Vec<u64> = lab.guard().lists.iter().map(|list| list.hits).collect();
        assert_eq!(hits, [1, 2]);

        // A new life of the service takes nothing away, and finds what was counted.
        lab.forwarding.restart();
        is_in_force(&lab, in_driver, &["wide", "narrow"]);
        assert_eq!(lab.guard().lists[1].hits, 2);
        far.send_to(b"still", (OUTSIDE, 7000)).unwrap();
        assert!(!hears(&computer), "{hook}");

        lab.set_guard(&format!(r#"{blocked},"allow":["{FAR}/32"]"#), GAME);
        patronus_lab::eventually(
            "he is let in",
            || far.send_to(b"hello", (OUTSIDE, 7000)).is_ok() && hears(&computer),
            || format!("{:?}", lab.guard()),
        );
    }
}

/// The second has the far end, the first its neighbours, and all of IPv6 there.
const LISTS: &str = r#"{"name":"wide","prefixes":["198.51.0.0/16","2001:db8:2::/48"]},{"name":"narrow","prefixes":["198.51.100.0/24"]}"#;

#[test]
fn explain_says_that_the_guard_keeps_somebody_out_and_by_which_list() {
    let lab = Lab::new();
    lab.set_guard(&format!(r#""block":[{LISTS}]"#), "");
    is_in_force(&lab, false, &["wide", "narrow"]);
    let explain = |source: &str, destination: &str| {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        match lab.ask(&Request::Explain(Question { source, destination, protocol: 6, port: 80 })) {
            Reply::Explanation(explanation) => *explanation,
            other => panic!("{other:?}"),
        }
    };
    let said = explain(FAR, OUTSIDE);
    assert_eq!((said.outcome, said.reason.as_deref()), (Outcome::Dropped, Some("blocked")));
    let step = format!("The guard of the uplinks keeps out this: {FAR} is blocked, on the list narrow.");
    assert!(said.steps.contains(&step), "{:?}", said.steps);
    let said = explain(COMPUTER, "198.51.7.7");
    assert_eq!(said.outcome, Outcome::Passes);
    assert!(said.steps.iter().any(|step| step.contains("keeps out the answers")), "{:?}", said.steps);
    assert_eq!(explain(PROVIDER, OUTSIDE).outcome, Outcome::NotJudged);
}

/// Nobody on the Internet has 10.9.9.9, but where the uplink's own address is a private one, neighbours may have such.
#[test]
fn sources_that_nobody_has_are_kept_out_on_an_uplink_with_a_public_address() {
    let lab = Lab::new();
    lab.provider.ip(&["addr", "add", "9.8.7.254/24", "dev", "box"]);
    for address in ["10.9.9.9/32", "9.9.9.9/32", "192.168.42.77/32"] {
        lab.provider.ip(&["addr", "add", address, "dev", "box"]);
    }
    let [private, public, ours] = ["10.9.9.9", "9.9.9.9", "192.168.42.77"].map(|from| socket(&lab.provider, from, 53));
    let say_all = |to: &'static str| [&private, &public, &ours].map(|from| from.send_to(b"hello", (to, 9)).unwrap());
    let counts = || ["bogon", "martian"].map(|reason| count(&lab, reason));
    say_all(OUTSIDE);
    patronus_lab::eventually("the LAN's own", || counts() == [0, 1], || format!("{:?}", counts()));

    lab.move_uplink("9.8.7.6/24", "9.8.7.254");
    patronus_lab::eventually(
        "the new address",
        || lab.guard().uplinks.iter().all(|uplink| uplink.bogons && !uplink.bogons_v6),
        || format!("{:?}", lab.guard()),
    );
    say_all("9.8.7.6");
    patronus_lab::eventually("both", || counts() == [1, 2], || format!("{:?}", counts()));
}

#[test]
fn one_source_opens_as_many_connections_as_it_may_and_takes_nothing_from_others() {
    let lab = Lab::new();
    lab.far.ip(&["addr", "add", "198.51.100.8/24", "dev", "eth0"]);
    let listener = lab.computer.inside(|| TcpListener::bind((COMPUTER, 80)).unwrap());
    for (hook, in_driver) in HOOKS {
        lab.set_guard(&format!(r#""hook":"{hook}","syn_per_second":1"#), WEB);
        is_in_force(&lab, in_driver, &[]);
        let (to, before) = (SocketAddr::new(OUTSIDE.parse().unwrap(), 8000), count(&lab, "syn-rate"));
        let call = |from: &'static str| {
            lab.far.inside(move || {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                socket.bind(&SockAddr::from(SocketAddrV4::new(from.parse().unwrap(), 0))).unwrap();
                socket.connect_timeout(&to.into(), Duration::from_millis(100)).map(|()| TcpStream::from(socket))
            })
        };
        let first = (0..600).find_map(|_| call(FAR).ok()).expect("it may open one in a second");
        let refused = (0..5).filter(|_| call(FAR).is_err_and(|error| error.kind() == ErrorKind::TimedOut)).count();
        assert!(refused > 0, "{hook}: five more within half a second");
        assert!(count(&lab, "syn-rate") - before >= refused as u64, "{hook}");
        let other = call("198.51.100.8");
        assert!(other.is_ok(), "{hook}: {other:?}");
        // What is open stays open.
        let (mut accepted, _) = listener.accept().unwrap();
        drop((first, other));
        assert_eq!(std::io::Read::read(&mut accepted, &mut [0; 8]).unwrap(), 0, "{hook}");
        while listener.set_nonblocking(true).is_ok() && listener.accept().is_ok() {}
        listener.set_nonblocking(false).unwrap();
    }
}

/// Sources that nobody can count, as fast as they can be said, and more of them than are remembered.
#[test]
fn a_flood_of_connections_opens_no_more_than_all_may_and_a_flow_goes_on_without_a_loss() {
    const SENT: u32 = 60_000;
    let lab = Lab::new();
    for (hook, in_driver) in HOOKS {
        lab.set_guard(&format!(r#""hook":"{hook}""#), WEB);
        is_in_force(&lab, in_driver, &[]);
        let (computer, far) = (socket(&lab.computer, COMPUTER, 5000), socket(&lab.far, FAR, 7));
        far.set_read_timeout(Some(patronus_lab::PATIENCE)).unwrap();
        computer.connect((FAR, 7)).unwrap();
        let (before, begun) = (count(&lab, "syn-rate"), Instant::now());
        let flood = lab.provider.run(flood(SENT));
        let mut said = 0_u64;
        while !flood.is_finished() || said < 100 {
            computer.send(&said.to_be_bytes()).unwrap();
            let mut heard = [0; 8];
            far.recv(&mut heard).unwrap_or_else(|error| panic!("{hook}: packet {said}: {error}"));
            assert_eq!(u64::from_be_bytes(heard), said, "{hook}");
            said += 1;
        }
        flood.join().unwrap();
        let took_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap();
        let kept_out = count(&lab, "syn-rate") - before;
        let most = (BURST_NS + took_ns) / Opening::Syn.spacing_of_all_ns() + 1;
        println!("{hook}: {said} packets of the flow, {kept_out} of {SENT} kept out in {took_ns} ns");
        assert!(u64::from(SENT) - kept_out <= most, "{hook}: {kept_out} kept out, {most} may pass");
    }
}

/// Each from another address.
fn flood(count: u32) -> impl FnOnce() + Send + 'static {
    move || {
        let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
        let to: SockAddr = SocketAddrV4::new(OUTSIDE.parse().unwrap(), 0).into();
        for number in 0..count {
            let from = Ipv4Addr::from(0x0909_0000 + number);
            let mut packet = Vec::new();
            etherparse::PacketBuilder::ipv4(from.octets(), OUTSIDE.parse::<Ipv4Addr>().unwrap().octets(), 64)
                .tcp(4000, 8000, number, 65_000)
                .syn()
                .write(&mut packet, &[])
                .unwrap();
            // A queue that is full is a packet less.
            let _ = raw.send_to(&packet, &to);
        }
    }
}
