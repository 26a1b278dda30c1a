//! A download that goes on for as long as it is wanted.
//!
//! *Does*: count what arrives, and the longest time in which nothing did; check every byte.
//! *Never does*: begin again: a connection that breaks is a failure.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{Namespace, PATIENCE};

/// What is sent at once, the same each time, of a length that is no multiple of a segment's.
const BLOCK: usize = 10_007;

/// A download. What was sent must have been received when it is finished.
#[derive(Debug)]
pub struct Bulk {
    told: Arc<Told>,
    sender: JoinHandle<u64>,
    receiver: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Told {
    received: AtomicU64,
    longest_pause_us: AtomicU64,
    ends: AtomicBool,
}

impl Bulk {
    /// From the one to an address of the other.
    ///
    /// # Panics
    /// If there is no connection.
    #[must_use]
    pub fn start(from: &Namespace, to: &Namespace, address: &str) -> Self {
        let (here, there) = (address.to_owned(), address.to_owned());
        let listener = to.inside(move || TcpListener::bind((here.as_str(), 0)).unwrap());
        let port = listener.local_addr().unwrap().port();
        let told = Arc::<Told>::default();
        let (sending, receiving) = (Arc::clone(&told), Arc::clone(&told));
        let sender = from.run(move || {
            let mut stream =
                TcpStream::connect_timeout(&SocketAddr::new(there.parse().unwrap(), port), PATIENCE).unwrap();
            let (block, mut sent) = (block(), 0);
            while !sending.ends.load(Relaxed) {
                stream.write_all(&block).unwrap();
                sent += BLOCK as u64;
            }
            sent
        });
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let receiver = std::thread::spawn(move || receive(stream, &receiving));
        Self { told, sender, receiver }
    }

    /// Bytes so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.told.received.load(Relaxed)
    }

    /// The longest time without any, since that was forgotten last.
    #[must_use]
    pub fn longest_pause(&self) -> Duration {
        Duration::from_micros(self.told.longest_pause_us.load(Relaxed))
    }

    /// See [`Self::longest_pause`].
    pub fn forget_pauses(&self) {
        self.told.longest_pause_us.store(0, Relaxed);
    }

    /// Ends it; how many bytes it was.
    ///
    /// # Panics
    /// If something else arrived than was sent.
    #[must_use]
    pub fn finish(self) -> u64 {
        self.told.ends.store(true, Relaxed);
        let sent = self.sender.join().unwrap();
        self.receiver.join().unwrap();
        assert_eq!(sent, self.told.received.load(Relaxed));
        sent
    }
}

fn block() -> Vec<u8> {
    (0..BLOCK as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
}

fn receive(mut stream: TcpStream, told: &Told) {
    let (expected, mut buffer, mut place, mut last) = (block(), vec![0; BLOCK], 0, Instant::now());
    loop {
        let count = stream.read(&mut buffer[..BLOCK - place]).unwrap();
        let pause_us = last.elapsed().as_micros() as u64;
        told.longest_pause_us.fetch_max(pause_us, Relaxed);
        if count == 0 {
            return;
        }
        assert!(buffer[..count] == expected[place..place + count], "other bytes than were sent");
        (place, last) = ((place + count) % BLOCK, Instant::now());
        told.received.fetch_add(count as u64, Relaxed);
    }
}
