//! What a tunnel is for: packets of all kinds, both ways, over every path, between real services in real network namespaces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lab;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
};

use lab::{Site, two_with_a_tunnel};

const MEGABYTE: usize = 1 << 20;

/// Bytes that are the same nowhere.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
}

/// `from` connects to an address of `to` and sends; what arrives is what was sent.
fn tcp(from: &Site, to: &Site, address: &str, bytes: usize) {
    let address = address.to_owned();
    let listener = {
        let address = address.clone();
        to.box_.inside(move || TcpListener::bind((address.as_str(), 5001)).unwrap())
    };
    let sender = from.box_.run(move || {
        let mut stream = TcpStream::connect((address.as_str(), 5001)).unwrap();
        stream.write_all(&pattern(bytes)).unwrap();
    });
    let (mut stream, _) = listener.accept().unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    sender.join().unwrap();
    assert!(heard == pattern(bytes), "{} of {bytes} bytes", heard.len());
}

/// One datagram there and back.
fn udp(from: &Site, to: &Site, address: &str, bytes: usize) {
    let address = address.to_owned();
    let echo = {
        let address = address.clone();
        to.box_.inside(move || UdpSocket::bind((address.as_str(), 5002)).unwrap())
    };
    let asking = from.box_.run(move || {
        let any = if address.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect((address.as_str(), 5002)).unwrap();
        socket.set_read_timeout(Some(patronus_lab::PATIENCE)).unwrap();
        socket.send(&pattern(bytes)).unwrap();
        let mut heard = vec![0; bytes + 1];
        let count = socket.recv(&mut heard).unwrap();
        heard.truncate(count);
        heard
    });
    let mut question = vec![0; bytes + 1];
    echo.set_read_timeout(Some(patronus_lab::PATIENCE)).unwrap();
    let (count, who) = echo.recv_from(&mut question).unwrap();
    echo.send_to(&question[..count], who).unwrap();
    assert_eq!(asking.join().unwrap(), pattern(bytes));
}

#[test]
fn tcp_and_udp_of_both_families_pass_both_ways() {
    let (a, b) = two_with_a_tunnel();
    for (from, to) in [(&a, &b), (&b, &a)] {
        for address in [to.address(), to.address_v6()] {
            udp(from, to, &address, 64);
            udp(from, to, &address, 1300);
            tcp(from, to, &address, 20 * MEGABYTE);
        }
    }
    let bytes = 40 * MEGABYTE as u64;
    let state =
        a.wait_for("counted", |state| state.paths[0].sent.bytes > bytes && state.paths[0].received.bytes > bytes);
    assert_eq!((state.paths[0].lost, state.paths[0].reordered), (0, 0), "{state:?}");
}
