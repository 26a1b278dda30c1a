//! What collectors hear of flows.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use patronus_lab::Namespace;

use crate::{
    collector::{Collector, REVERSE, Record},
    lab::{COMPUTER, FAR, Lab, OUTSIDE},
};

/// Several looks, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PORT: u16 = 4739;
const TCP: u128 = 6;

fn listen(namespace: &Namespace, address: &'static str) -> UdpSocket {
    let socket = namespace.inside(move || UdpSocket::bind((address, PORT)).unwrap());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The end of another test's child interrupts what waits with a time limit.
fn patiently<T>(mut call: impl FnMut() -> io::Result<T>) -> T {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            said => return said.unwrap(),
        }
    }
}

/// Hears messages until TCP is told of for this reason; all that is known of TCP then.
fn until(reason: u128, socket: &UdpSocket, collector: &mut Collector) -> Vec<Record> {
    loop {
        let mut buffer = [0; 2000];
        let count = patiently(|| socket.recv(&mut buffer));
        collector.hear(&buffer[..count]).unwrap();
        let told: Vec<_> = collector.records.iter().filter(|record| record[&4] == TCP).cloned().collect();
        if told.iter().any(|record| record[&136] == reason) {
            return told;
        }
    }
}

fn number(address: &str) -> u128 {
    u32::from(address.parse::<Ipv4Addr>().unwrap()).into()
}

#[test]
fn collectors_on_the_lan_and_on_wan_hear_of_a_connection_while_it_lasts_and_of_its_end() {
    let lab = Lab::new();
    let (socket, outside) = (listen(&lab.computer, COMPUTER), listen(&lab.far, FAR));
    lab.export(&format!(r#""{COMPUTER}:{PORT}","{FAR}:{PORT}""#));
    // What begins in the very second in which the export does may have been told of before.
    std::thread::sleep(Duration::from_millis(1100));
    let listener = lab.far.inside(|| TcpListener::bind((FAR, 80)).unwrap());
    let mut sender = lab.computer.inside(|| TcpStream::connect((FAR, 80)).unwrap());
    let sender_port = sender.local_addr().unwrap().port();
    let (mut receiver, from) = listener.accept().unwrap();
    let (_, exporter) = patiently(|| socket.peek_from(&mut [0; 2000]));
    let mut collector = Collector::default();
    for (bytes, reason) in [(100_000, 2), (50_000, 3)] {
        sender.write_all(&vec![7; bytes]).unwrap();
        receiver.read_exact(&mut vec![0; bytes]).unwrap();
        if reason == 3 {
            sender.shutdown(std::net::Shutdown::Both).unwrap();
            assert_eq!(receiver.read(&mut [0]).unwrap(), 0);
            receiver.shutdown(std::net::Shutdown::Both).unwrap();
        }
        until(reason, &socket, &mut collector);
    }
    let told: Vec<_> = collector.records.iter().filter(|record| record[&4] == TCP).collect();
    for record in &told {
        assert_eq!((record[&8], record[&12], record[&11]), (number(COMPUTER), number(FAR), 80));
        assert_eq!((record[&225], record[&227]), (number(OUTSIDE), from.port().into()), "as the far end sees it");
        assert_eq!(record[&7], sender_port.into());
        assert!(record[&10] != 0 && record[&14] != 0 && record[&10] != record[&14], "{record:?}");
        assert!(record[&152] <= record[&153], "{record:?}");
    }
    let sum = |element| told.iter().map(|record| record[&element]).sum::<u128>();
    // Of IP and TCP up to 60 bytes a packet, and whole segments may be sent again.
    assert!((150_000..200_000).contains(&sum(1)) && sum(1 + REVERSE) > 0 && sum(2) > 0, "{told:?}");
    assert_eq!(told.iter().filter(|record| record[&136] == 3).count(), 1);
    assert_eq!(collector.domain, 7);
    let mut heard = Collector::default();
    assert!(until(3, &outside, &mut heard).iter().eq(told), "all collectors hear the same");
    nothing_comes_in(&lab, &socket, exporter);
    let state = lab.wait_for("the export", |state| state.ipfix.as_ref().is_some_and(|ipfix| ipfix.messages >= 4));
    let ipfix = state.ipfix.unwrap();
    assert_eq!((ipfix.send_errors, ipfix.not_told, ipfix.collectors.len()), (0, 0, 2));
    lab.forward("");
    lab.wait_for("no export", |state| state.ipfix.is_none());
}

/// A collector that answers, and somebody else, are not heard.
fn nothing_comes_in(lab: &Lab, collector: &UdpSocket, exporter: SocketAddr) {
    let neighbour = lab.neighbour.inside(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    for socket in [collector, &neighbour] {
        socket.send_to(&[7; 100], exporter).unwrap();
    }
    let sockets = || lab.forwarding.namespace.inside(|| std::fs::read_to_string("/proc/thread-self/net/udp").unwrap());
    let own = format!(":{:04X} ", exporter.port());
    // The last column counts what was dropped.
    let dropped = || sockets().lines().find(|line| line.contains(&own)).is_some_and(|line| line.trim().ends_with(" 2"));
    patronus_lab::eventually("both are dropped", dropped, sockets);
}
