//! The same traffic through this datapath and through nftables, which do the same job: what each end sees is the same.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use patronus_lab::{
    Namespace,
    carry::{MEGABYTE, tcp, udp},
};

use crate::{
    lab::{COMPUTER, FAR, Lab, NEIGHBOUR, OUTSIDE, Wires},
    ping::ping,
};

/// An answer is there by then, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A packet that passes is there by then.
const SILENCE: Duration = Duration::from_millis(700);
/// Of a line behind the provider.
const NARROW: &str = "1400";

const FORWARD: &str = r#"{"name":"game","protocol":"udp","outside":"8000","inside":"192.168.42.2:7000"}"#;

/// What a person would write: out with the port's address, in what belongs to it and one forward, also from the LAN.
const RULES: &str = r#"table ip nat {
    chain going {
        type nat hook postrouting priority srcnat
        oifname "eth0" masquerade
        ip saddr 192.168.42.0/24 ip daddr 192.168.42.0/24 masquerade
    }
    chain coming {
        type nat hook prerouting priority dstnat
        ip daddr 203.0.113.2 udp dport 8000 dnat to 192.168.42.2:7000
    }
    chain forwarding {
        type filter hook forward priority filter; policy drop
        ct state established,related accept
        ct status dnat accept
        iifname "lan" accept
    }
    chain entering {
        type filter hook input priority filter; policy accept
        iifname "eth0" ct state new drop
    }
}"#;

#[test]
fn what_both_ends_see_is_what_they_see_through_nftables() {
    let lab = Lab::new();
    lab.forward(FORWARD);
    let ours =
        seen(&Ends { computer: &lab.computer, neighbour: &lab.neighbour, provider: &lab.provider, far: &lab.far });
    let Wires { computer, neighbour, provider, far, inside: _nftables } = through_nftables();
    let theirs = seen(&Ends { computer: &computer, neighbour: &neighbour, provider: &provider, far: &far });
    println!("{ours:#?}");
    assert_eq!(ours, theirs);
}

/// All but the box between them.
struct Ends<'a> {
    computer: &'a Namespace,
    neighbour: &'a Namespace,
    provider: &'a Namespace,
    far: &'a Namespace,
}

/// The box is a kernel with nftables.
fn through_nftables() -> Wires {
    let wires = Wires::new();
    let inside = &wires.inside;
    inside.ip(&["link", "add", "lan", "type", "bridge"]);
    for port in ["eth1", "eth2"] {
        inside.ip(&["link", "set", port, "master", "lan", "up"]);
    }
    for (device, address) in [("lan", "192.168.42.1/24"), ("eth0", "203.0.113.2/24")] {
        inside.ip(&["addr", "add", address, "dev", device]);
        inside.ip(&["link", "set", device, "up"]);
    }
    inside.ip(&["route", "add", "default", "via", "203.0.113.254"]);
    inside.inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    assert!(inside.command("nft").arg(RULES).status().unwrap().success());
    wires
}

/// What each end sees, line by line.
fn seen(ends: &Ends<'_>) -> Vec<String> {
    [datagrams(ends), strangers(ends), forwarded(ends), connections(ends), errors(ends)].concat()
}

fn socket(namespace: &Namespace, address: &str, port: u16) -> UdpSocket {
    let address = address.to_owned();
    let socket = namespace.inside(move || UdpSocket::bind((address.as_str(), port)).unwrap());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A datagram there and an answer back: who each of them sees.
fn there_and_back(from: &UdpSocket, to: &UdpSocket, address: &str) -> (SocketAddr, SocketAddr) {
    let port = to.local_addr().unwrap().port();
    from.send_to(b"there", (address, port)).unwrap();
    let (count, caller) = to.recv_from(&mut [0; 16]).unwrap();
    to.send_to(&b"back"[..count - 1], caller).unwrap();
    let (_, answerer) = from.recv_from(&mut [0; 16]).unwrap();
    (caller, answerer)
}

fn datagrams(Ends { computer, neighbour, far, .. }: &Ends<'_>) -> Vec<String> {
    let (here, beside) = (socket(computer, COMPUTER, 5000), socket(neighbour, NEIGHBOUR, 5000));
    let (seven, nine) = (socket(far, FAR, 7), socket(far, FAR, 9));
    let mut lines: Vec<String> = [(&here, &seven), (&here, &nine), (&here, &seven)]
        .map(|(from, to)| format!("the first of a port: {:?}", there_and_back(from, to, FAR)))
        .into();
    let (caller, answerer) = there_and_back(&beside, &seven, FAR);
    let has_another = caller.port() != 5000;
    lines.push(format!("the second of it: {} by another port: {has_another}, answered by {answerer}", caller.ip()));
    lines
}

/// From an address that was not spoken to, and from a port that was not.
fn strangers(Ends { computer, far, .. }: &Ends<'_>) -> Vec<String> {
    let here = socket(computer, COMPUTER, 5001);
    let (known, other) = (socket(far, FAR, 17), socket(far, FAR, 19));
    let (caller, _) = there_and_back(&here, &known, FAR);
    here.set_read_timeout(Some(SILENCE)).unwrap();
    [(&known, caller), (&other, caller), (&known, SocketAddr::new(caller.ip(), 5999))]
        .map(|(from, to)| {
            from.send_to(b"hello", to).unwrap();
            format!("{} to {to} arrives: {}", from.local_addr().unwrap(), here.recv(&mut [0; 16]).is_ok())
        })
        .into()
}

fn forwarded(Ends { computer, neighbour, far, .. }: &Ends<'_>) -> Vec<String> {
    let server = socket(computer, COMPUTER, 7000);
    let ask = |from: &UdpSocket| {
        from.send_to(b"there", (OUTSIDE, 8000)).unwrap();
        let (_, caller) = server.recv_from(&mut [0; 16]).unwrap();
        server.send_to(b"back", caller).unwrap();
        let (_, answerer) = from.recv_from(&mut [0; 16]).unwrap();
        (caller, answerer)
    };
    let from_far = ask(&socket(far, FAR, 6000));
    // Which address of the box's own a caller from the LAN has is another on purpose.
    let (_, answerer) = ask(&socket(neighbour, NEIGHBOUR, 6000));
    vec![format!("a forward from outside: {from_far:?}"), format!("and from the LAN: answered by {answerer}")]
}

fn connections(Ends { computer, far, .. }: &Ends<'_>) -> Vec<String> {
    let listener = far.inside(|| TcpListener::bind((FAR, 80)).unwrap());
    let mut near = computer.inside(|| TcpStream::connect((FAR, 80)).unwrap());
    let (mut there, caller) = listener.accept().unwrap();
    near.write_all(b"a question").unwrap();
    there.read_exact(&mut [0; 10]).unwrap();
    drop(there);
    let ended = near.read(&mut [0; 16]).unwrap();
    let refused = computer.inside(|| TcpStream::connect((FAR, 81)).unwrap_err().kind());
    tcp(computer, far, FAR, MEGABYTE);
    vec![
        // Its port is kept by nftables alone: those above 32767 are the box's own here.
        format!("a connection from {}, which ends after {ended} bytes", caller.ip()),
        format!("a port where nobody is: {refused}"),
    ]
}

fn errors(Ends { computer, provider, far, .. }: &Ends<'_>) -> Vec<String> {
    let mut lines: Vec<String> = (1..=3).map(|ttl| format!("{ttl} hops: {:?}", ping(computer, FAR, ttl))).collect();
    let here = socket(computer, COMPUTER, 5002);
    here.connect((FAR, 99)).unwrap();
    here.send(b"nobody there").unwrap();
    lines.push(format!("a closed port: {:?}", here.recv(&mut [0; 16]).map_err(|error| error.kind())));
    udp(computer, far, FAR, 4000);
    // What is too long for a line further on comes through once its sender was told, also within a connection.
    provider.ip(&["link", "set", "far", "mtu", NARROW]);
    far.ip(&["link", "set", "eth0", "mtu", NARROW]);
    tcp(computer, far, FAR, MEGABYTE);
    lines.push("all arrives in parts and over a narrow line".to_owned());
    lines
}
