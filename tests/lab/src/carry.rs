//! Traffic between two namespaces, and whether it arrives whole.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{Namespace, PATIENCE, eventually, numbered::Numbered};

/// A mebibyte.
pub const MEGABYTE: usize = 1 << 20;

/// Bytes that are the same nowhere.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
}

/// `from` connects to an address of `to` and sends; what arrives is what was sent.
///
/// # Panics
/// If it is not.
pub fn tcp(from: &Namespace, to: &Namespace, address: &str, bytes: usize) {
    let (here, there) = (address.to_owned(), address.to_owned());
    let listener = to.inside(move || TcpListener::bind((here.as_str(), 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    let sender = from.run(move || {
        let address = SocketAddr::new(there.parse().unwrap(), port);
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.write_all(&pattern(bytes)).unwrap();
    });
    let (mut stream, _) = listener.accept().unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    sender.join().unwrap();
    assert!(heard == pattern(bytes), "{} of {bytes} bytes", heard.len());
}

/// `from` sends so many datagrams to an address of `to`, one `every` so often; how many have arrived.
pub fn stream(from: &Namespace, to: &Namespace, address: &str, count: usize, every: Duration) -> usize {
    let (here, there) = (address.to_owned(), address.to_owned());
    let sink = to.inside(move || UdpSocket::bind((here.as_str(), 0)).unwrap());
    let port = sink.local_addr().unwrap().port();
    let sender = from.run(move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        for _ in 0..count {
            socket.send_to(&[0; 200], (there.as_str(), port)).unwrap();
            sleep(every);
        }
    });
    // Longer than anything that is still under way.
    sink.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let arrived = (0..count).take_while(|_| sink.recv(&mut [0; 2000]).is_ok()).count();
    sender.join().unwrap();
    arrived
}

/// One datagram to an address of `to` and back.
///
/// # Panics
/// If it does not come back as it was.
pub fn udp(from: &Namespace, to: &Namespace, address: &str, bytes: usize) {
    let (here, there) = (address.to_owned(), address.to_owned());
    let echo = to.inside(move || UdpSocket::bind((here.as_str(), 0)).unwrap());
    let port = echo.local_addr().unwrap().port();
    let asking = from.run(move || {
        let any = if there.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect((there.as_str(), port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send(&pattern(bytes)).unwrap();
        let mut heard = vec![0; bytes + 1];
        let count = socket.recv(&mut heard).unwrap();
        heard.truncate(count);
        heard
    });
    let mut question = vec![0; bytes + 1];
    echo.set_read_timeout(Some(PATIENCE)).unwrap();
    let (count, who) = echo.recv_from(&mut question).unwrap();
    question.truncate(count);
    echo.send_to(&question, who).unwrap();
    assert_eq!(asking.join().unwrap(), pattern(bytes));
}

/// Datagrams to an address of `to`, one a second, until one comes back as it was. How many were sent.
///
/// # Panics
/// If none comes back.
pub fn ping(from: &Namespace, to: &Namespace, address: &str, bytes: usize) -> usize {
    let (here, there) = (address.to_owned(), address.to_owned());
    let echo = to.inside(move || UdpSocket::bind((here.as_str(), 0)).unwrap());
    let port = echo.local_addr().unwrap().port();
    let asking = from.run(move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect((there.as_str(), port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let (began, mut heard) = (Instant::now(), vec![0; bytes + 1]);
        let mut sent = 0;
        while began.elapsed() < PATIENCE {
            sent += 1;
            // A router on the way may have said that the last one was too long.
            let _ = socket.send(&pattern(bytes));
            if socket.recv(&mut heard).is_ok_and(|count| heard[..count] == pattern(bytes)) {
                return sent;
            }
        }
        panic!("none of {sent} came back");
    });
    echo.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut question = vec![0; bytes + 1];
    while !asking.is_finished() {
        if let Ok((count, who)) = echo.recv_from(&mut question) {
            let _ = echo.send_to(&question[..count], who);
        }
    }
    asking.join().unwrap()
}

/// What has come of a stream of numbered datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// How many were sent.
    pub sent: usize,
    /// How many have arrived.
    pub arrived: usize,
    /// How many in a row have not, at most.
    pub longest_gap: usize,
    /// Whether the last have.
    pub goes_on: bool,
}

/// `from` sends a thousand numbered datagrams a second to a port of `to`, for so many, while `meanwhile` goes on.
///
/// # Panics
/// If nothing can be sent.
pub fn numbered(
    from: &Namespace,
    to: &Namespace,
    address: (&str, u16),
    count: usize,
    meanwhile: impl FnOnce(),
) -> Stream {
    let stream = Numbered::start(from, to, address, Duration::from_millis(1), count);
    meanwhile();
    eventually("all are sent", || stream.sent() == count, String::new);
    // Longer than anything that is still under way.
    sleep(Duration::from_millis(400));
    stream.summary()
}
