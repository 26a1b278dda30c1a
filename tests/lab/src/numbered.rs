//! Numbered datagrams from one namespace to another, one every so often, and which of them came.
//!
//! *Does*: remember when each was sent and whether it came.
//! *Never does*: take for lost what is only late: who asks says up to which number.

use std::{
    net::UdpSocket,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::{Namespace, carry::Stream};

/// The payload of a small voice packet.
const BYTES: usize = 160;
/// What waits for who listens: ten seconds of a thousand in a second.
const ROOM_BYTES: usize = 16 << 20;
/// The last datagrams of a stream, as people would say it.
const LAST: usize = 100;

/// A stream, until it is dropped.
#[derive(Debug)]
pub struct Numbered {
    told: Arc<Told>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Told {
    /// In microseconds since the beginning, by number.
    sent_us: Vec<AtomicU32>,
    /// How often.
    came: Vec<AtomicU8>,
    count: AtomicUsize,
    ends: AtomicBool,
}

/// What is missing of a part of a stream, and what is too much.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Missing {
    /// How many.
    pub packets: usize,
    /// From the last that came before the longest gap to the first that came after it, by the sender's clock.
    pub gap_ms: f64,
    /// From the first of the part to the last that is missing.
    pub until_ms: f64,
    /// How many came more than once.
    pub twice: usize,
}

impl Numbered {
    /// To a port of an address of `to`, so many at most.
    ///
    /// # Panics
    /// If that port is taken.
    #[must_use]
    pub fn start(from: &Namespace, to: &Namespace, address: (&str, u16), every: Duration, most: usize) -> Self {
        let told = Arc::new(Told {
            sent_us: (0..most).map(|_| AtomicU32::new(0)).collect(),
            came: (0..most).map(|_| AtomicU8::new(0)).collect(),
            count: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
        });
        let (here, there, port) = (address.0.to_owned(), address.0.to_owned(), address.1);
        let sink = to.inside(move || UdpSocket::bind((here.as_str(), port)).unwrap());
        sink.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        // A computer that is too busy to listen is not what is measured.
        set_socket_recv_buffer_size_force(&sink, ROOM_BYTES).unwrap();
        let (hearing, sending) = (Arc::clone(&told), Arc::clone(&told));
        let threads = vec![
            std::thread::spawn(move || hear(&sink, &hearing)),
            from.run(move || send((&there, port), every, &sending)),
        ];
        Self { told, threads }
    }

    /// How many were sent: the number of the next one.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.told.count.load(Relaxed)
    }

    /// Whether all of these came.
    #[must_use]
    pub fn all_came(&self, mut part: Range<usize>) -> bool {
        part.all(|number| self.came(number))
    }

    /// What is missing of these, the first of which has a number before it.
    #[must_use]
    pub fn missing(&self, part: Range<usize>) -> Missing {
        let (mut missing, mut last_came) = (Missing::default(), part.start.saturating_sub(1));
        for number in part.clone() {
            missing.twice += usize::from(self.told.came[number].load(Relaxed) > 1);
            if self.came(number) {
                if number - last_came > 1 {
                    missing.gap_ms = missing.gap_ms.max(self.between_ms(last_came, number));
                }
                last_came = number;
            } else {
                missing.packets += 1;
                missing.until_ms = self.between_ms(part.start, number);
            }
        }
        missing
    }

    /// All of it.
    #[must_use]
    pub fn summary(&self) -> Stream {
        let sent = self.sent();
        let heard: Vec<bool> = (0..sent).map(|number| self.came(number)).collect();
        Stream {
            sent,
            arrived: heard.iter().filter(|heard| **heard).count(),
            longest_gap: heard.split(|heard| *heard).map(<[bool]>::len).max().unwrap_or(0),
            goes_on: heard.iter().rev().take(LAST).any(|heard| *heard),
        }
    }

    fn came(&self, number: usize) -> bool {
        self.told.came[number].load(Relaxed) > 0
    }

    fn between_ms(&self, earlier: usize, later: usize) -> f64 {
        let [earlier, later] = [earlier, later].map(|number| self.told.sent_us[number].load(Relaxed));
        f64::from(later.saturating_sub(earlier)) / 1e3
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        self.told.ends.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn send(address: (&str, u16), every: Duration, told: &Told) {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let began = Instant::now();
    for (number, sent_us) in (0_u32..).zip(&told.sent_us) {
        sleep((began + every * number).saturating_duration_since(Instant::now()));
        if told.ends.load(Relaxed) {
            return;
        }
        let mut datagram = [0; BYTES];
        datagram[..4].copy_from_slice(&number.to_be_bytes());
        sent_us.store(began.elapsed().as_micros() as u32, Relaxed);
        // A router on the way may have said that there is none.
        let _ = socket.send_to(&datagram, address);
        told.count.store(number as usize + 1, Relaxed);
    }
}

fn hear(sink: &UdpSocket, told: &Told) {
    let mut buffer = [0; BYTES + 1];
    while !told.ends.load(Relaxed) {
        if sink.recv(&mut buffer).is_ok_and(|count| count == BYTES)
            && let Some(number) = buffer.first_chunk()
            && let Some(came) = told.came.get(u32::from_be_bytes(*number) as usize)
        {
            came.fetch_add(1, Relaxed);
        }
    }
}
